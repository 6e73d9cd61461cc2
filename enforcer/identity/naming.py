# SPDX-License-Identifier: MIT
"""
Permanent names for processes: the same over exec and over daemons, and unique in one boot.

A process is identified by its number and its start time. The kernel side knows that time in nanoseconds,
``/proc`` in clock ticks. The name uses ticks, so that both give the same name.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Final

__all__ = ["boot", "boot_id", "process_id", "program_id", "ticks_of"]

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_NO_BOOT: Final = "00000000"
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")


@functools.cache
def boot_id() -> str:
    """Return the kernel's name for this boot, the same in every container; empty where it is not told."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@functools.cache
def boot() -> str:
    """Return the digits that stand for this boot; zeros where the kernel does not tell them."""
    return boot_id()[:8] or _NO_BOOT


def ticks_of(start_ns: int) -> int:
    """Return the start of a process as ``/proc/PID/stat`` has it."""
    return start_ns * _TICKS_PER_SECOND // 1_000_000_000


def process_id(pid: int, start_ticks: int) -> str:
    """Name the process *pid* that started at *start_ticks*."""
    return f"{boot()}-{pid:x}-{start_ticks:x}"


def program_id(pid: int, start_ticks: int, exec_ns: int) -> str | None:
    """Name one program of that process, from its exec to the next; None if that is not known."""
    return f"{process_id(pid, start_ticks)}-{exec_ns:x}" if exec_ns else None
