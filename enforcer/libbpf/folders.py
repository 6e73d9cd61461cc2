# SPDX-License-Identifier: MIT
"""What is in a folder, listed by C: one of cgroups has sixty files beside the directories, each of which costs Python."""

from __future__ import annotations

import errno
import os

from enforcer.libbpf._ffi import ffi, lib

__all__ = ["directories"]

_ROOM = 1 << 14  # bytes, at first


def directories(folder: str) -> bytes:
    """
    List the directories in *folder*, each as ``INODE/NAME`` with a zero byte behind it; none if it cannot be listed.

    A file system that does not count them, as most do, must not say that there are two names of *folder*.
    """
    room = _ROOM
    while True:
        out = ffi.new("char[]", room)
        length = int(lib.enf_directories(os.fsencode(folder), out, room))
        if length != -errno.ENOSPC:
            return bytes(ffi.buffer(out, length)) if length > 0 else b""
        room *= 4
