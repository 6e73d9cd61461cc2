# SPDX-License-Identifier: MIT
"""
Requests by other ways than a 64-bit system call of their own: by io_uring, io_submit, a 32-bit call.

Standalone: for programs that run with any Python and know nothing of enforcer.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_SETUP, _ENTER = 425, 426
_IO_SETUP, _IO_GETEVENTS, _IO_SUBMIT = 206, 208, 209
_GETEVENTS = 1
_SQES = 0x10000000
_PARAMS = struct.Struct("<10I" + "8IQ" * 2)
_SQE = struct.Struct("<BBHiQQIIQHHiQQ")
_CQE = struct.Struct("<QiI")
_IOCB = struct.Struct("<QIIHhIQQqQII")
_EVENT = struct.Struct("<QQqq")
_PWRITE = 1
OPENAT, WRITE = 18, 23
ASYNC = 1 << 4
"""Of a request: let a worker do it."""


def call(number: int, *arguments: object) -> int:
    """Make a system call; raises OSError."""
    result: int = _LIBC.syscall(number, *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _address(data: ctypes.Array[ctypes.c_char]) -> int:
    return ctypes.addressof(data)


class Ring:
    """An io_uring of four entries."""

    def __init__(self) -> None:
        params = ctypes.create_string_buffer(_PARAMS.size)
        self._fd = call(_SETUP, 4, params)
        found = _PARAMS.unpack(params)
        self._sq, self._cq = found[10:19], found[19:28]
        size = max(self._sq[6] + 4 * found[0], self._cq[5] + _CQE.size * found[1])
        self._rings = mmap.mmap(self._fd, size)
        self._sqes = mmap.mmap(self._fd, _SQE.size * found[0], offset=_SQES)

    def _number(self, at: int) -> int:
        (value,) = struct.unpack_from("<I", self._rings, at)
        return int(value)

    def do(
        self, opcode: int, fd: int, data: bytes, *, size: int, offset: int = 0, **bits: int
    ) -> int:
        """
        Make one request and return its result; raises OSError.

        Args:
            opcode, fd, size, offset: of the request.
            data: what its address points to.
            bits: *flags* of the request, *more* of its kind.
        """
        held = ctypes.create_string_buffer(data, len(data) + 1)
        tail, mask = self._number(self._sq[1]), self._number(self._sq[2])
        slot = tail & mask
        more, flags = bits.get("more", 0), bits.get("flags", 0)
        sqe = (opcode, flags, 0, fd, offset, _address(held), size, more, 1, 0, 0, 0, 0, 0)
        _SQE.pack_into(self._sqes, slot * _SQE.size, *sqe)
        struct.pack_into("<I", self._rings, self._sq[6] + 4 * slot, slot)
        struct.pack_into("<I", self._rings, self._sq[1], tail + 1)
        call(_ENTER, self._fd, 1, 1, _GETEVENTS, None, 0)
        head = self._number(self._cq[0])
        at = self._cq[5] + _CQE.size * (head & self._number(self._cq[2]))
        _, result, _ = _CQE.unpack_from(self._rings, at)
        struct.pack_into("<I", self._rings, self._cq[0], head + 1)
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return int(result)


def submit_write(fd: int, data: bytes, offset: int, flags: int) -> None:
    """Write by io_submit(2); raises OSError."""
    context = ctypes.c_ulong()
    call(_IO_SETUP, 1, ctypes.byref(context))
    held = ctypes.create_string_buffer(data, len(data))
    iocb = ctypes.create_string_buffer(_IOCB.size)
    fields = (1, 0, flags, _PWRITE, 0, fd, _address(held), len(data), offset, 0, 0, 0)
    _IOCB.pack_into(iocb, 0, *fields)
    call(_IO_SUBMIT, context, 1, (ctypes.c_void_p * 1)(_address(iocb)))
    event = ctypes.create_string_buffer(_EVENT.size)
    call(_IO_GETEVENTS, context, 1, 1, event, None)
    result = _EVENT.unpack(event)[2]
    if result < 0:
        raise OSError(-result, os.strerror(-result))


def old_call(number: int, *arguments: int) -> int:
    """
    Make a 32-bit system call of up to six *arguments*, from a 64-bit program; raises OSError.

    Addresses must be of :func:`low`.
    """
    given = [*arguments, *[0] * (6 - len(arguments))]
    registers = b"\xb8\xbb\xb9\xba\xbe\xbf\xbd"  # of mov: eax, ebx, ecx, edx, esi, edi, ebp
    moves = (
        bytes([move]) + struct.pack("<I", value & 0xFFFFFFFF)
        for move, value in zip(registers, [number, *given], strict=True)
    )
    code = b"\x53\x55" + b"".join(moves) + b"\xcd\x80\x5d\x5b\xc3"  # saved: rbx, rbp
    at = low(code, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    result = int(ctypes.CFUNCTYPE(ctypes.c_int)(at)())
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


_LOW: list[mmap.mmap] = []  # what they keep must stay


def low(data: bytes, protection: int = mmap.PROT_READ | mmap.PROT_WRITE) -> int:
    """Return the address of a copy of *data* that fits 32 bits."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40  # MAP_32BIT
    memory = mmap.mmap(-1, mmap.PAGESIZE, flags=flags, prot=protection)
    memory[: len(data)] = data
    _LOW.append(memory)
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
