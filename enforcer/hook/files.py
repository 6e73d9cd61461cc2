# SPDX-License-Identifier: MIT
"""
The files by which runtimes come to run the hook, of which each runtime has its own form.

podman and CRI-O read JSON files from folders: oci-hooks(5). Unless their configuration says otherwise, that is one in
/usr, where a link leads to our file. containerd begins every container from a specification that a file can have:
``base_runtime_spec`` in its configuration.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CHOICES",
    "NAME",
    "PROGRAM",
    "STAGE",
    "Choice",
    "choice_of",
    "hook_file",
    "no_hook_file",
    "with_hook",
    "written",
    "wrong_owner",
]

STAGE: Final = "createRuntime"
"""When it runs: the cgroup and the first process are there, and nothing of the container has run."""

START, REFUSE = "start", "refuse"
CHOICES: Final = (START, REFUSE)
PROGRAM: Final = Path(__file__).with_name("container-hook")
"""What runs, made of container_hook.c."""

NAME: Final = "enforcer.json"
"""Of the link in such a folder; of two folders with this name in it the later one counts."""

_SHELL: Final = '[ -x "$1" ] || exit 0; exec "$@"'
"""
Where the program is gone, as after a package was removed, the choice to start holds all the same: a runtime starts no
container whose hook it cannot run. That is the other choice, which needs no shell.
"""

_ENVIRONMENT: Final = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin",)
"""
Of the hook. A hook without ``env`` inherits the runtime's environment (runc, as Go's Cmd.Env; crun since its pull
request 911), and the loader and the shell obey LD_PRELOAD and ENV in it.
"""

_OURS: Final = ("enforcer/hook/container-hook", "enforcer/hook/program.py")
"""How paths of the program end, and of the one before it, which Python ran."""

_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_MAX_LINKS: Final = 40  # as in the kernel


@attrs.frozen
class Choice:
    """
    What the hook is told.

    Attributes:
        socket: where the daemon listens.
        wait: seconds that a container waits at most.
        on_failure: whether it starts if the kernel does not know it by then.
        program: what is run.
    """

    socket: Path
    wait: float = 10.0
    on_failure: str = START
    program: Path = PROGRAM

    @property
    def command(self) -> dict[str, Any]:
        """The command, as runtimes take it. It limits itself, so they need not: what they stop, they refuse."""
        words = [
            str(self.program),
            f"--socket={self.socket}",
            f"--wait={self.wait:g}",
            f"--on-failure={self.on_failure}",
        ]
        if self.on_failure == START:
            words = ["sh", "-c", _SHELL, "enforcer-hook", *words]
        path = "/bin/sh" if self.on_failure == START else str(self.program)
        return {"path": path, "args": words, "env": list(_ENVIRONMENT)}


def hook_file(choice: Choice) -> dict[str, Any]:
    """Return the file for podman and CRI-O, by which they run the hook for each container."""
    return {
        "version": "1.0.0",
        "hook": choice.command,
        "when": {"always": True},
        "stages": [STAGE],
    }


def no_hook_file(choice: Choice) -> dict[str, Any]:
    """Return the same file, but so that it runs nothing."""
    return {**hook_file(choice), "when": {"always": False}}


def with_hook(spec: Any, choice: Choice) -> dict[str, Any]:
    """
    Return the specification of containers *spec* with the hook, in place of an earlier one of ours.

    Raises:
        ValueError: it is no such specification.
    """
    if not isinstance(spec, dict) or "ociVersion" not in spec:
        raise ValueError("it has no ociVersion")
    hooks = spec.get("hooks") or {}
    others = [each for each in hooks.get(STAGE, ()) if not _is_ours(each)]
    return {**spec, "hooks": {**hooks, STAGE: [*others, choice.command]}}


def _is_ours(hook: Any) -> bool:
    return any(str(word).endswith(_OURS) for word in hook.get("args", ()))


def choice_of(content: Any) -> Choice | None:
    """Read what a file of this module says, of either form; None if it runs no hook of ours."""
    if not isinstance(content, dict):
        return None
    if "hook" in content:
        commands = [content["hook"]] if content.get("when") == {"always": True} else []
    else:
        commands = (content.get("hooks") or {}).get(STAGE, [])
    for args in (each["args"] for each in commands if _is_ours(each)):
        at = next(at for at, word in enumerate(args) if word.endswith(_OURS))
        found = dict(word.removeprefix("--").partition("=")[::2] for word in args[at + 1 :])
        wait, on_failure = float(found["wait"]), found["on-failure"]
        return Choice(Path(found["socket"]), wait, on_failure, Path(args[at]))
    return None


def written(content: dict[str, Any]) -> bytes:
    """Write *content* as it lies on the disk."""
    return json.dumps(content, indent=2).encode() + b"\n"


def wrong_owner(path: Path) -> Path | None:
    """
    Return what of *path*, it or a folder or a link on the way, others than root can change; None if nothing.

    Raises:
        OSError: it is not there.
    """
    for each in reversed(list(_way(path))):
        found = each.lstat()
        # In a folder like /tmp nobody replaces what is another's, and nobody can write into a link.
        is_kept = found.st_mode & stat.S_ISVTX or stat.S_ISLNK(found.st_mode)
        if found.st_uid != 0 or (found.st_mode & _OTHERS and not is_kept):
            return each
    return None


def _way(path: Path) -> Iterator[Path]:
    """Yield each folder, link and file by which *path* is reached."""
    here, rest, links = Path("/"), deque(path.absolute().parts[1:]), 0
    yield here
    while rest:
        if (name := rest.popleft()) == "..":
            here = here.parent
            continue
        yield (there := here / name)
        if not there.is_symlink():
            here = there
            continue
        if (links := links + 1) > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = there.readlink()
        here = Path("/") if target.is_absolute() else here
        rest.extendleft(reversed(target.parts[target.is_absolute() :]))
