# SPDX-License-Identifier: MIT
# ruff: noqa: PTH120
"""
Programs of a directory, run by way of an overlay that has it as a layer: ``overlay_exec_attempts.py WAY DIRECTORY``.

The directory has ``run``, a program, and ``script``. What runs writes ``ran`` to standard output. Standalone, as
file_attempts.py is.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import STRANGER, Attempts, become, mount, own_mounts, own_users

ATTEMPTS = Attempts()
LOADER = "/lib64/ld-linux-x86-64.so.2"
EMPTY = "/srv/programs/empty"  # not below an overlay, of which the kernel stacks two


def _below(lower: str, *, more: str = "") -> str:
    """Show *lower* as a lower layer of an overlay; return where."""
    merged = tempfile.mkdtemp(dir="/tmp")
    mount("none", merged, "overlay", 0, f"lowerdir={lower}:{EMPTY}{more}")
    return merged


def _above(upper: str) -> str:
    """The same with *upper* as the layer that is written."""
    work = tempfile.mkdtemp(dir=os.path.dirname(upper), prefix="work-")
    lower, merged = tempfile.mkdtemp(dir="/tmp"), tempfile.mkdtemp(dir="/tmp")
    mount("none", merged, "overlay", 0, f"lowerdir={lower},upperdir={upper},workdir={work}")
    return merged


def _run(program: str, *arguments: str) -> None:
    os.execv(program, [program, *arguments])


@ATTEMPTS.add
def directly(directory: str) -> None:
    """Without an overlay of one's own."""
    _run(directory + "/run", "ran")


@ATTEMPTS.add
def lower(directory: str) -> None:
    own_mounts()
    _run(_below(directory) + "/run", "ran")


@ATTEMPTS.add
def upper(directory: str) -> None:
    own_mounts()
    _run(_above(directory) + "/run", "ran")


@ATTEMPTS.add
def user(directory: str) -> None:
    """Without privileges, in a user namespace."""
    become(STRANGER)
    own_users()
    _run(_below(directory, more=",userxattr") + "/run", "ran")


@ATTEMPTS.add
def nested(directory: str) -> None:
    """An overlay that has another as its layer."""
    own_mounts()
    _run(_below(_below(directory)) + "/run", "ran")


@ATTEMPTS.add
def descriptor(directory: str) -> None:
    own_mounts()
    fd = os.open(_below(directory) + "/run", os.O_PATH)
    os.execve(fd, ["run", "ran"], {})


@ATTEMPTS.add
def left(directory: str) -> None:
    """By a descriptor, when the overlay is nowhere any more."""
    own_mounts()
    merged = _below(directory)
    fd = os.open(merged + "/run", os.O_RDONLY)
    os.system(f"umount -l {merged}")
    os.execve(fd, ["run", "ran"], {})


@ATTEMPTS.add
def script(directory: str) -> None:
    own_mounts()
    _run(_below(directory) + "/script")


@ATTEMPTS.add
def interpreter(directory: str) -> None:
    """Of a script that lies elsewhere."""
    own_mounts()
    merged = _below(directory)
    path = tempfile.mktemp(dir="/tmp")
    with open(path, "w") as out:  # noqa: PTH123
        out.write(f"#!{merged}/run ran\n")
    os.chmod(path, 0o755)  # noqa: PTH101
    _run(path)


@ATTEMPTS.add
def loader(directory: str) -> None:
    own_mounts()
    _run(LOADER, _below(directory) + "/run", "ran")


@ATTEMPTS.add
def loader_by_descriptor(directory: str) -> None:
    own_mounts()
    fd = os.open(_below(directory) + "/run", os.O_RDONLY)
    os.set_inheritable(fd, True)
    _run(LOADER, f"/proc/self/fd/{fd}", "ran")


@ATTEMPTS.add
def loader_of_user(directory: str) -> None:
    become(STRANGER)
    own_users()
    _run(LOADER, _below(directory, more=",userxattr") + "/run", "ran")


@ATTEMPTS.add
def hidden(directory: str) -> None:
    """A layer of the same name in a file system that the host does not show."""
    own_mounts()
    place = tempfile.mkdtemp(dir="/tmp")
    mount("none", place, "tmpfs")
    os.makedirs(place + directory)  # noqa: PTH103
    os.system(f"cp /srv/programs/free/run {place}{directory}/run")
    _run(_below(place + directory) + "/run", "ran")


main = ATTEMPTS.main

if __name__ == "__main__":
    sys.exit(main())
