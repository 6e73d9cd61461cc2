# SPDX-License-Identifier: MIT
"""
Files that are used through the kernel's quotas, without being opened: ``quota_attempts.py NAME DEVICE PATH``.

What was read goes to standard output; the exit code is the errno that stopped the attempt. Standalone, as
file_attempts.py is.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import LIBC, Attempts, check

WAYS = Attempts()
_QUOTACTL = 179
_ON, _OFF, _GET, _SET = 0x800002, 0x800003, 0x800007, 0x800008
_V1 = 1
_LIMITS = 5  # QIF_LIMITS
_USER = 1  # the second record of 40 bytes


def _call(device: str, command: int, what: int, address: object) -> None:
    number = ctypes.c_uint(command << 8)  # USRQUOTA
    check(LIBC.syscall(_QUOTACTL, number, device.encode(), what, address))


def _on(device: str, path: str) -> None:
    _call(device, _ON, _V1, path.encode())


def _off(device: str) -> None:
    _call(device, _OFF, 0, None)


@WAYS.add
def read(device: str, path: str) -> None:
    """The limits of inodes of a user: two words of that file."""
    _on(device, path)
    found = ctypes.create_string_buffer(72)
    try:
        _call(device, _GET, _USER, found)
    finally:
        _off(device)
    hard, soft = struct.unpack_from("=24xQQ", found.raw)
    os.write(1, struct.pack("=II", hard, soft))


@WAYS.add
def write(device: str, path: str) -> None:
    """Set these limits."""
    _on(device, path)
    limits = int.from_bytes(b"chan", sys.byteorder), int.from_bytes(b"ged!", sys.byteorder)
    try:
        _call(device, _SET, _USER, struct.pack("=24xQQ24xI4x", *limits, _LIMITS))
    finally:
        _off(device)


main = WAYS.main

if __name__ == "__main__":
    sys.exit(main())
