# SPDX-License-Identifier: MIT
"""
Let container runtimes tell the daemon of each container before its first program, so that no moment is unknown.

podman and CRI-O find a file by a link in their folder of hooks. containerd takes the hook from a file that its configuration must
name. Docker, systemd-nspawn and LXC have no such hooks: there the daemon finds containers a moment later, as it does
everywhere without this command.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from enforcer import places
from enforcer.cli.arguments import add_socket, duration, file_path, require_root
from enforcer.cli.colours import add_color
from enforcer.cli.exits import Exit, UsageError
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cli.help_formatter import HelpFormatter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from enforcer.cli.document_types import HookDocument, HookPlace
    from enforcer.hook.files import Choice

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer container-hook install         for podman and CRI-O
  enforcer container-hook install --on-failure refuse
                                          start no container that the kernel does not know
  enforcer container-hook install --containerd
                                          for containerd, too: prints what its configuration needs
  enforcer container-hook status
  enforcer container-hook remove
"""

_LINES: Final = """\
enforcer: containerd takes it from there once its configuration says so, for each runtime, and it was restarted:
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]      # version 2 of the configuration
    base_runtime_spec = "{file}"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]   # version 3
    base_runtime_spec = "{file}"
"""
_CTR_SECONDS: Final = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    def action(name: str, act: Callable[[argparse.Namespace], list[str]], summary: str) -> Any:
        made = actions.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=HelpFormatter,
        )
        made.set_defaults(act=act)
        made.add_argument(
            "--hook",
            metavar="FILE",
            type=file_path,
            default=places.HOOK,
            help=f"what podman and CRI-O read (default: {places.HOOK})",
        )
        made.add_argument(
            "--hooks-dir",
            metavar="FOLDER",
            type=file_path,
            default=places.HOOKS,
            help=f"where they look, and a link leads to it (default: {places.HOOKS})",
        )
        made.add_argument(
            "--spec",
            metavar="FILE",
            type=file_path,
            default=places.BASE_SPEC,
            help=f"base specification for containerd (default: {places.BASE_SPEC})",
        )
        add_color(add_output(made))
        return made

    installed = action("install", _install, "write the files by which runtimes run the hook")
    action("remove", _remove, "let podman and CRI-O run it no more")
    action("status", _status, "show which files there are, and what they say")
    installed.add_argument(
        "--on-failure",
        metavar="CHOICE",
        choices=("start", "refuse"),
        default="start",
        help="if the kernel does not know the container in time: start it as unknown, or refuse to "
        "start it (default: start)",
    )
    installed.add_argument(
        "--wait",
        metavar="TIME",
        type=duration,
        default=10.0,
        help="how long a container waits at most (default: 10s)",
    )
    installed.add_argument(
        "--containerd",
        action="store_true",
        help="write the base specification for containerd, too",
    )
    installed.add_argument(
        "--base",
        metavar="FILE",
        type=file_path,
        help="what to add the hook to, with --containerd (default: what `ctr oci spec` prints)",
    )
    add_socket(installed)


def run(args: argparse.Namespace) -> int:
    """Do the action, and say what it did, or with ``-o json`` how things are then."""
    said = args.act(args)
    if args.form == JSON:
        found: HookDocument = {"version": 1, "places": list(_places(args))}
        print_document(found)
    else:
        print("\n".join(said))
    return Exit.OK


# ---- Install ----------------------------------------------------------------------------------


def _install(args: argparse.Namespace) -> list[str]:
    from enforcer.hook.files import NAME, Choice, hook_file, with_hook, written
    from enforcer.runtime.control.protocol import WAIT_MOST

    require_root("installing a hook that runs as root")
    if args.wait > WAIT_MOST:
        raise UsageError(f"--wait: a container waits at most {WAIT_MOST:g} s")
    if args.base is not None and not args.containerd:
        raise UsageError("--base is for --containerd")
    choice = Choice(args.socket.absolute(), args.wait, args.on_failure)
    _require_roots_own(choice)
    for each in (args.hook, args.hooks_dir / NAME, *([args.spec] if args.containerd else ())):
        _require_roots_place(each.absolute())
    _require_open(args.hook.absolute().parent)
    base = _base(args.base) if args.containerd else None
    try:
        spec = None if base is None else written(with_hook(base, choice))
    except ValueError as error:
        raise UsageError(f"this is no specification of containers: {error}") from None
    _write(args.hook, written(hook_file(choice)))
    _link(args.hooks_dir / NAME, args.hook.absolute())
    said = [f"enforcer: {args.hook}: podman and CRI-O run the hook from now on"]
    if spec is not None:
        _write(args.spec, spec)
        said.append(f"enforcer: {args.spec}: the hook for containerd")
        said += _LINES.format(file=args.spec.absolute()).splitlines()
    return said


def _require_roots_own(choice: Choice) -> None:
    """Fails closed: whoever could change what is run would be root at the next container."""
    from enforcer.hook.files import wrong_owner

    if (found := wrong_owner(choice.program)) is not None:
        raise UsageError(
            f"{choice.program} would run as root, and others than root can write to {found}: "
            "install enforcer where only root can write"
        )


def _require_roots_place(file: Path) -> None:
    """Fails closed likewise: what root's runtime runs is what that file says."""
    from enforcer.hook.files import wrong_owner

    there = next(each for each in file.parents if each.exists())  # root makes the others
    if (found := wrong_owner(there)) is not None:
        raise UsageError(
            f"runtimes of root run what {file} says, and others than root can write to {found}: "
            "name a file where only root can write"
        )


def _require_open(folder: Path) -> None:
    """Refuse a place where users cannot read: their podman, without root, would start no container."""
    for each in (folder, *folder.parents):
        if each.exists() and not each.stat().st_mode & stat.S_IXOTH:
            raise UsageError(
                f"users cannot look into {each}, so their podman would start no container: "
                f"chmod o+x {each}, or name another file with --hook"
            )


def _base(given: Path | None) -> Any:
    if given is not None:
        return _json(given.read_bytes(), str(given))
    import subprocess

    try:
        done = subprocess.run(
            ["ctr", "oci", "spec"], capture_output=True, check=True, timeout=_CTR_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(
            f"containerd's own specification cannot be had from `ctr oci spec`: {error}: name a "
            "file with --base"
        ) from None
    return _json(done.stdout, "what `ctr oci spec` prints")


def _json(raw: bytes, what: str) -> Any:
    try:
        return json.loads(raw)
    except ValueError as error:
        raise UsageError(f"{what} is not JSON: {error}") from None


def _write(file: Path, content: bytes) -> None:
    from enforcer.whole_file import replace

    _make(file.parent)
    replace(file, content, 0o644, is_lasting=True)


def _make(folder: Path) -> None:
    """Make it if it is not there, so that everybody may look into it, whatever the umask."""
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(0o755)


def _link(link: Path, to: Path) -> None:
    """Let *link* lead to the file, unless it does, as that of a package."""
    if link.resolve() == to.resolve():
        return
    _make(link.parent)
    link.unlink(missing_ok=True)
    link.symlink_to(to)


# ---- Remove, status ---------------------------------------------------------------------------


def _remove(args: argparse.Namespace) -> list[str]:
    from enforcer.hook.files import Choice, no_hook_file, written

    require_root("removing a hook")
    said = []
    if args.hook.exists():
        # It stays: a package may own the link that leads to it.
        _write(args.hook, written(no_hook_file(Choice(places.SOCKET))))
        said.append(f"enforcer: {args.hook}: podman and CRI-O run the hook no more")
    if args.spec.exists():
        # containerd starts no container if its configuration names a file that is gone.
        said.append(
            f"enforcer: {args.spec} stays, since containerd's configuration may name it: remove "
            "base_runtime_spec there, restart containerd, and then the file"
        )
    return said or ["enforcer: no hook is installed"]


def _status(args: argparse.Namespace) -> list[str]:
    return [f"{place['file']}: {_says(place)}" for place in _places(args)]


def _places(args: argparse.Namespace) -> Iterator[HookPlace]:
    from enforcer.hook.files import NAME

    yield _place(args.hooks_dir / NAME, "podman, CRI-O")
    yield _place(args.spec, "containerd")


def _place(file: Path, runtimes: str) -> HookPlace:
    from enforcer.hook.files import choice_of

    choice, problem = None, None
    try:
        choice = choice_of(json.loads(file.read_bytes()))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        problem = f"cannot be read: {error}"
    if choice is not None:
        is_there = os.access(choice.program, os.R_OK)
        problem = f"{choice.program} is not there, so this holds: {choice.on_failure}"
        problem = None if is_there else problem
    return {
        "file": str(file),
        "runtimes": runtimes,
        "exists": file.exists(),
        "runs": choice is not None,
        "onFailure": choice.on_failure if choice is not None else None,
        "waitSeconds": choice.wait if choice is not None else None,
        "socket": str(choice.socket) if choice is not None else None,
        "problem": problem,
    }


def _says(place: HookPlace) -> str:
    if place["problem"] is not None:
        return place["problem"]
    if not place["exists"]:
        return f"not there ({place['runtimes']})"
    if not place["runs"]:
        return f"runs nothing ({place['runtimes']})"
    return (
        f"the hook ({place['runtimes']}); waits {place['waitSeconds']:g} s, on failure: "
        f"{place['onFailure']}"
    )
