# SPDX-License-Identifier: MIT
# ruff: noqa: PTH102, PTH103, PTH104, PTH108, PTH123, PTH211
"""
Ways around a rule on a name that leave the name to something else: ``name_attempts.py NAME DIRECTORY``.

Each is made in a directory of its own, see ``fill``. What was read goes to standard output; the exit code is the
errno that stopped it. Standalone, as file_attempts.py is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import Attempts
from attempting import exchange as swap

GOOD, EVIL = b"good", b"evil"
ATTEMPTS = Attempts()


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


@ATTEMPTS.add
def remove_and_link(at: str) -> None:
    os.unlink(at + "/key")
    os.symlink(at + "/evil", at + "/key")
    _show(at + "/key")


@ATTEMPTS.add
def remove_and_hard_link(at: str) -> None:
    os.unlink(at + "/key")
    os.link(at + "/evil", at + "/key")
    _show(at + "/key")


@ATTEMPTS.add
def remove_and_pipe(at: str) -> None:
    os.unlink(at + "/key")
    os.mkfifo(at + "/key")
    pipe = os.open(at + "/key", os.O_RDWR)
    os.write(pipe, EVIL)
    _show(at + "/key")


@ATTEMPTS.add
def replace(at: str) -> None:
    os.rename(at + "/evil", at + "/key")
    _show(at + "/key")


@ATTEMPTS.add
def replace_by_link(at: str) -> None:
    os.rename(at + "/link", at + "/key")
    _show(at + "/key")


@ATTEMPTS.add
def exchange(at: str) -> None:
    swap(f"{at}/evil", f"{at}/key")
    _show(at + "/key")


@ATTEMPTS.add
def link_where_nothing_is(at: str) -> None:
    os.symlink(at + "/evil", at + "/absent")
    _show(at + "/absent")


@ATTEMPTS.add
def link_as_directory(at: str) -> None:
    os.symlink(at + "/prepared", at + "/later")
    _show(at + "/later/key")


@ATTEMPTS.add
def hard_link_as_directory(at: str) -> None:
    os.symlink(at + "/prepared", at + "/pointer")
    os.link(at + "/pointer", at + "/later", follow_symlinks=False)
    _show(at + "/later/key")


@ATTEMPTS.add
def move_directory_there(at: str) -> None:
    os.rename(at + "/prepared", at + "/later")
    _show(at + "/later/key")


# ---- The other name of the same file -----------------------------------------------------------


@ATTEMPTS.add
def remove_one_name(at: str) -> None:
    os.unlink(at + "/twice")
    _show(at + "/alias")


@ATTEMPTS.add
def replace_one_name(at: str) -> None:
    os.rename(at + "/evil", at + "/twice")
    _show(at + "/alias")


# ---- What goes on -------------------------------------------------------------------------------


@ATTEMPTS.add
def make_directory(at: str) -> None:
    os.mkdir(at + "/later")
    _show(at + "/single")


@ATTEMPTS.add
def remove_single(at: str) -> None:
    os.unlink(at + "/single")
    _show(at + "/evil")


main = ATTEMPTS.main

if __name__ == "__main__":
    sys.exit(main())
