# SPDX-License-Identifier: MIT
"""Settings of C's allocator and of the kernel's, so that the memory of a long-lived process does not grow."""

from __future__ import annotations

from enforcer.libbpf._ffi import lib

__all__ = ["settle", "trim"]


def settle() -> None:
    """
    From now on, keep large blocks apart, so that each goes back to the system when it is freed.

    What has gone back stays there: the kernel gives this process, and those that it forks or becomes, no
    transparent huge pages, which it would also make of what is in use around a hole (prctl(2), PR_SET_THP_DISABLE).
    """
    lib.enf_heap_settle()


def trim() -> None:
    """Give back what was freed; takes milliseconds."""
    lib.enf_heap_trim()
