# SPDX-License-Identifier: MIT
"""Settings of C's allocator, so that the memory of a long-lived process does not grow."""

from __future__ import annotations

from enforcer.libbpf._ffi import lib

__all__ = ["settle", "trim"]


def settle() -> None:
    """From now on, keep large blocks apart, so that each goes back to the system when it is freed."""
    lib.enf_heap_settle()


def trim() -> None:
    """Give back what was freed; takes milliseconds."""
    lib.enf_heap_trim()
