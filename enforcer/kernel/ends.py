# SPDX-License-Identifier: MIT
"""
Where system calls leave the kernel: the ends of the functions by which they enter it.

At all of them at once where the kernel can do that, else at each by itself, which takes longer to attach
and to detach.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import attrs

from enforcer.errors import KernelError
from enforcer.kernel import loader
from enforcer.kernel.entries import entries
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
    found = entries(sorted(calls, key=lambda call: call.number))
    own = [(entry.function, entry.cookie) for entry in found if not entry.is_shared]
    shared = [(entry.function, entry.cookie) for entry in found if entry.is_shared]
    if loaded.name == CALL_ENDED:
        groups = [own, *([each] for each in shared)] if own else []
        links.attach(_AtMany(loaded, group) for group in groups)
    else:
        links.attach(_AtOne(loaded, *each) for each in (*own, *shared))


@attrs.frozen
class _AtMany:
    program: Program
    functions: list[tuple[str, int]]

    def attach(self) -> Link:
        return self.program.attach_to(self.functions, at_end=True)


@attrs.frozen
class _AtOne:
    program: Program
    function: str
    cookie: int

    def attach(self) -> Link:
        return self.program.attach_to_end(self.function, self.cookie)


@functools.cache
def _takes_many() -> bool:
    """Tell whether this kernel takes one program at many functions; found by doing it."""
    try:
        with loader.open_object("probe") as probe:
            probe.programs["enf_probe_called"].set_autoload(enabled=False)
            probe.programs["enf_probe_many"].set_autoload(enabled=True)
            probe.load()
            probe.programs["enf_probe_many"].attach_to(
                [("__x64_sys_getpid", 0)], at_end=True
            ).close()
    except KernelError:
        return False
    return True
