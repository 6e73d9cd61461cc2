# SPDX-License-Identifier: MIT
# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH123, PTH211
"""
Ways around a rule on a name that leave the name to something else: ``name_attempts.py NAME DIRECTORY``.

Each is made in a directory of its own, see ``fill``. What was read goes to standard output; the exit code is the
errno that stopped it. Standalone, as file_attempts.py is.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_SYS_RENAMEAT2 = 316
GOOD, EVIL = b"good", b"evil"
ATTEMPTS: dict[str, Callable[[str], object]] = {}


def _attempt(function: Callable[[str], object]) -> Callable[[str], object]:
    ATTEMPTS[function.__name__] = function
    return function


def fill(directory: str) -> None:
    """Make what the attempts use: *key* and its content, something else, a file of two names."""
    os.makedirs(directory + "/prepared")
    for name, content in (("key", GOOD), ("evil", EVIL), ("prepared/key", EVIL), ("single", GOOD)):
        with open(f"{directory}/{name}", "wb") as file:
            file.write(content)
    os.symlink(directory + "/evil", directory + "/link")
    with open(directory + "/twice", "wb") as file:
        file.write(GOOD)
    os.link(directory + "/twice", directory + "/alias")


def _show(path: str) -> None:
    os.write(1, os.read(os.open(path, os.O_RDONLY), 100))


# ---- Another content under the name ------------------------------------------------------------


@_attempt
def remove_and_link(at: str) -> None:
    os.unlink(at + "/key")
    os.symlink(at + "/evil", at + "/key")
    _show(at + "/key")


@_attempt
def remove_and_hard_link(at: str) -> None:
    os.unlink(at + "/key")
    os.link(at + "/evil", at + "/key")
    _show(at + "/key")


@_attempt
def remove_and_pipe(at: str) -> None:
    os.unlink(at + "/key")
    os.mkfifo(at + "/key")
    pipe = os.open(at + "/key", os.O_RDWR)
    os.write(pipe, EVIL)
    _show(at + "/key")


@_attempt
def replace(at: str) -> None:
    os.rename(at + "/evil", at + "/key")
    _show(at + "/key")


@_attempt
def replace_by_link(at: str) -> None:
    os.rename(at + "/link", at + "/key")
    _show(at + "/key")


@_attempt
def exchange(at: str) -> None:
    names = (_AT_FDCWD, f"{at}/evil".encode(), _AT_FDCWD, f"{at}/key".encode())
    if _LIBC.syscall(_SYS_RENAMEAT2, *names, _RENAME_EXCHANGE):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    _show(at + "/key")


@_attempt
def link_where_nothing_is(at: str) -> None:
    os.symlink(at + "/evil", at + "/absent")
    _show(at + "/absent")


@_attempt
def link_as_directory(at: str) -> None:
    os.symlink(at + "/prepared", at + "/later")
    _show(at + "/later/key")


@_attempt
def hard_link_as_directory(at: str) -> None:
    os.symlink(at + "/prepared", at + "/pointer")
    os.link(at + "/pointer", at + "/later", follow_symlinks=False)
    _show(at + "/later/key")


@_attempt
def move_directory_there(at: str) -> None:
    os.rename(at + "/prepared", at + "/later")
    _show(at + "/later/key")


# ---- The other name of the same file -----------------------------------------------------------


@_attempt
def remove_one_name(at: str) -> None:
    os.unlink(at + "/twice")
    _show(at + "/alias")


@_attempt
def replace_one_name(at: str) -> None:
    os.rename(at + "/evil", at + "/twice")
    _show(at + "/alias")


# ---- What goes on -------------------------------------------------------------------------------


@_attempt
def make_directory(at: str) -> None:
    os.mkdir(at + "/later")
    _show(at + "/single")


@_attempt
def remove_single(at: str) -> None:
    os.unlink(at + "/single")
    _show(at + "/evil")


def main(name: str, directory: str) -> int:
    """Make one attempt; an errno is the exit code."""
    try:
        ATTEMPTS[name](directory)
    except OSError as error:
        os.write(2, str(error).encode())
        return error.errno or 255
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
