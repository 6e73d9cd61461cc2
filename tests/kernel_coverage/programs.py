# SPDX-License-Identifier: MIT
"""
In a guest: where the kernel has put each BPF program, and which line of its source each address is of.

A thread looks for programs that it does not know yet, twice a second, and leaves one line of JSON for each in
``/run/vm/coverage/programs``. It asks the kernel alone, so that it does not matter who loaded them.
"""

from __future__ import annotations

import base64
import ctypes
import errno
import json
import os
import struct
import threading
import time
from pathlib import Path
from typing import Any, Final

__all__ = ["Watcher"]

_FOLDER: Final = Path("/run/vm/coverage")
_SECONDS: Final = 0.5
_SYS_BPF: Final = 321
_NEXT_PROGRAM, _PROGRAM_BY_ID, _INFO, _BTF_BY_ID = 11, 13, 15, 19
_INFO_SIZE: Final = 232
_JITED, _XLATED, _LOADED, _NAME, _BTF = 16, 20, 40, 64, 128
_N_KSYMS, _N_LENGTHS, _KSYMS, _LENGTHS = 104, 108, 112, 120
_N_LINES, _LINES, _JITED_LINES, _N_JITED_LINES, _LINE_SIZE, _JITED_LINE_SIZE = (
    148, 152, 160, 168, 172, 176,
)  # fmt: skip
"""Offsets in ``struct bpf_prog_info`` (include/uapi/linux/bpf.h), which only grows at its end."""

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attr: bytes) -> tuple[int, bytes]:
    """Call bpf(2); returns what it returns, or -errno, and its argument afterwards."""
    room = ctypes.create_string_buffer(attr, 128)
    result = _libc.syscall(_SYS_BPF, command, room, 128)
    return (result if result >= 0 else -ctypes.get_errno()), room.raw


def _info(fd: int, info: Any, size: int) -> bool:
    code, _ = _bpf(_INFO, struct.pack("=IIQ", fd, size, ctypes.addressof(info)))
    return code >= 0


def _number(info: Any, offset: int, form: str = "=I") -> int:
    return int(struct.unpack_from(form, info, offset)[0])


def _described(fd: int) -> dict[str, Any] | None:
    """Return what a program's code is at which address; None: it has gone, or has no lines."""
    info = ctypes.create_string_buffer(_INFO_SIZE)
    if not _info(fd, info, _INFO_SIZE):
        return None
    counts = [_number(info, at) for at in (_N_KSYMS, _N_LENGTHS, _N_LINES, _N_JITED_LINES)]
    sizes = [8, 4, _number(info, _LINE_SIZE), _number(info, _JITED_LINE_SIZE)]
    if not all(counts) or not all(sizes):
        return None
    rooms = [
        ctypes.create_string_buffer(count * size) for count, size in zip(counts, sizes, strict=True)
    ]
    asked = ctypes.create_string_buffer(_INFO_SIZE)
    places = zip(
        (_N_KSYMS, _N_LENGTHS, _N_LINES, _N_JITED_LINES),
        (_KSYMS, _LENGTHS, _LINES, _JITED_LINES),
        counts,
        rooms,
        strict=True,
    )
    for count_at, at, count, room in places:
        struct.pack_into("=I", asked, count_at, count)
        struct.pack_into("=Q", asked, at, ctypes.addressof(room))
    struct.pack_into("=I", asked, _LINE_SIZE, sizes[2])
    struct.pack_into("=I", asked, _JITED_LINE_SIZE, sizes[3])
    if not _info(fd, asked, _INFO_SIZE):
        return None
    return {
        "name": asked.raw[_NAME : _NAME + 16].partition(b"\0")[0].decode(),
        "loaded": _number(asked, _LOADED, "=Q"),
        "btf": _number(asked, _BTF),
        "line_size": sizes[2],
        "functions": base64.b64encode(rooms[0].raw).decode(),
        "lengths": base64.b64encode(rooms[1].raw).decode(),
        "lines": base64.b64encode(rooms[2].raw).decode(),
        "addresses": base64.b64encode(rooms[3].raw).decode(),
    }


class Watcher(threading.Thread):
    """Looks for new programs until the process ends."""

    def __init__(self) -> None:
        super().__init__(name="coverage", daemon=True)
        self._last = 0
        self._types: set[int] = set()
        _FOLDER.mkdir(parents=True, exist_ok=True)
        # The host gives the file its time: so both clocks can be compared.
        boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        (_FOLDER / "clock").write_text(str(boot))

    def run(self) -> None:
        """Look, and sleep, for ever."""
        while True:
            self.look()
            time.sleep(_SECONDS)

    def look(self) -> None:
        """Write down the programs that are new."""
        while True:
            code, attr = _bpf(_NEXT_PROGRAM, struct.pack("=I", self._last))
            if code == -errno.ENOENT:
                return
            assert code >= 0, os.strerror(-code)
            self._last = struct.unpack_from("=I", attr, 4)[0]
            fd, _ = _bpf(_PROGRAM_BY_ID, struct.pack("=I", self._last))
            if fd < 0:  # gone already, or hidden by the guard
                continue
            try:
                found = _described(fd)
            finally:
                os.close(fd)
            if found is None:
                continue
            self._keep_types(found["btf"])
            with (_FOLDER / "programs").open("a") as out:
                out.write(json.dumps({"id": self._last, **found}) + "\n")

    def _keep_types(self, number: int) -> None:
        if number in self._types:
            return
        fd, _ = _bpf(_BTF_BY_ID, struct.pack("=I", number))
        if fd < 0:
            return
        try:
            info = ctypes.create_string_buffer(32)
            if not _info(fd, info, 32):
                return
            size = _number(info, 8)
            room = ctypes.create_string_buffer(size)
            asked = ctypes.create_string_buffer(
                struct.pack("=QI", ctypes.addressof(room), size), 32
            )
            if _info(fd, asked, 32):
                (_FOLDER / f"types-{number}").write_bytes(room.raw)
                self._types.add(number)
        finally:
            os.close(fd)
