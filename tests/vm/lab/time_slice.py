# SPDX-License-Identifier: MIT
"""
How long a process runs before another one may: its request to the scheduler, since Linux 6.12.

Machines that share processors cost each other what the caches of a processor hold. With slices of 3 ms,
which are usual, three machines on two processors take 5 % more of them than with slices of 20 ms.
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LONG", "time_slice"]

LONG = 20_000_000
"""Nanoseconds; the kernel takes 100 ms at most, which a test that shares a processor would notice."""

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
