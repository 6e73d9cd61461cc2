# SPDX-License-Identifier: MIT
"""
Where system calls leave the kernel: the ends of the functions by which they enter it.

One program is attached to all of them at once if the kernel can do that. Otherwise it is attached to each
of them, which takes longer, also to detach.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import attrs

from enforcer.kernel.entries import At, grouped, takes
from enforcer.kernel.image_map import Call
from enforcer.kernel.links import LinkSet
from enforcer.kernel.programs import CALL_ENDED, CALL_ENDED_EACH
from enforcer.libbpf.handles import Link, Program

__all__ = ["attach", "program"]


def program() -> str:
    """Return the name of the program that is attached here: the best that this kernel takes."""
    return CALL_ENDED if _takes_many() else CALL_ENDED_EACH


def attach(loaded: Program, calls: Iterable[Call], links: LinkSet) -> None:
    """
    Attach the *loaded* program to the ends of *calls*, all or none.

    Raises:
        UnsupportedError: if entries are not called as those of x86-64 are.
        KernelError: if the kernel refuses one.
    """
    groups = grouped(calls)
    if loaded.name == CALL_ENDED:
        links.attach(At(loaded, group, at_end=True) for group in groups)
    else:
        links.attach(_AtOne(loaded, *each) for group in groups for each in group)


@attrs.frozen
class _AtOne:
    program: Program
    function: str
    cookie: int

    def attach(self) -> Link:
        return self.program.attach_to_end(self.function, self.cookie)


@functools.cache
def _takes_many() -> bool:
    """Tell whether this kernel takes one program at the ends of many functions."""
    return takes("enf_probe_many", at_end=True)
