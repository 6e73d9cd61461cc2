# SPDX-License-Identifier: MIT
# ruff: noqa: PTH101, PTH108
"""
Uses of files in encrypted directories, by the names that they have without a key: ``encryption_attempts.py NAME …``.

Who knows a file by its inode number finds it among these names. What was read goes to standard output; the exit code
is the errno that stopped the attempt. Standalone, as file_attempts.py is.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import Attempts

WAYS = Attempts()
_SET_POLICY, _ADD_KEY, _REMOVE_KEY = 0x800C6613, 0xC0506617, 0xC0406618  # FS_IOC_*
_BY_IDENTIFIER = 2
_KEY = bytes(range(64))


def add_key(place: str) -> bytes:
    """Give the file system its key; return the identifier."""
    asked = struct.pack("=II32xII32x", _BY_IDENTIFIER, 0, len(_KEY), 0) + _KEY
    fd = os.open(place, os.O_RDONLY)
    answer = fcntl.ioctl(fd, _ADD_KEY, asked)
    os.close(fd)
    return answer[8:24]


def remove_key(place: str, identifier: bytes) -> None:
    """Take it away, with all that was opened by it."""
    os.sync()
    asked = struct.pack("=II16s16xI20x", _BY_IDENTIFIER, 0, identifier, 0)
    fd = os.open(place, os.O_RDONLY)
    (left,) = struct.unpack_from("=I", fcntl.ioctl(fd, _REMOVE_KEY, asked), 40)
    os.close(fd)
    if left:
        raise OSError(255, f"files are in use: {left}")


def encrypt(folder: str, identifier: bytes) -> None:
    """Encrypt what an empty directory will hold."""
    policy = struct.pack("=BBBB4x16s", 2, 1, 4, 0, identifier)
    fd = os.open(folder, os.O_RDONLY)
    fcntl.ioctl(fd, _SET_POLICY, policy)
    os.close(fd)


def _find(folder: str, number: str) -> str:
    with os.scandir(folder) as entries:
        return next(entry.path for entry in entries if entry.inode() == int(number))


@WAYS.add
def remove(folder: str, number: str) -> None:
    os.unlink(_find(folder, number))


@WAYS.add
def change_mode(folder: str, number: str) -> None:
    os.chmod(_find(folder, number), 0o777)


@WAYS.add
def set_attribute(folder: str, number: str) -> None:
    os.setxattr(_find(folder, number), "user.mark", b"1")


@WAYS.add
def list_entries(folder: str, number: str) -> None:
    os.write(1, str(len(os.listdir(_find(folder, number)))).encode())  # noqa: PTH208


@WAYS.add
def read_below(place: str, folder: str, number: str, name: str) -> None:
    """By a directory that was opened by its name without a key, when the key is there."""
    above = os.open(_find(folder, number), os.O_RDONLY | os.O_DIRECTORY)
    identifier = add_key(place)
    try:
        fd = os.open(name, os.O_RDONLY, dir_fd=above)
        os.write(1, os.read(fd, 100))
        os.close(fd)
    finally:
        os.close(above)
        remove_key(place, identifier)


@WAYS.add
def remove_with_key(place: str, path: str) -> None:
    identifier = add_key(place)
    try:
        os.unlink(path)
    finally:
        remove_key(place, identifier)


@WAYS.add
def read_with_key(place: str, path: str) -> None:
    identifier = add_key(place)
    try:
        os.write(1, Path(path).read_bytes())
    finally:
        remove_key(place, identifier)


main = WAYS.main

if __name__ == "__main__":
    sys.exit(main())
