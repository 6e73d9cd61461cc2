# SPDX-License-Identifier: MIT
"""Attached programs: attached in order, all or none; detached in the opposite order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import attrs

from enforcer.errors import KernelError

__all__ = ["Attachable", "Detachable", "LinkSet"]


class Detachable(Protocol):
    """A link."""

    program: str

    @property
    def fd(self) -> int: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class Attachable(Protocol):
    """A loaded program."""

    def attach(self) -> Detachable: ...  # noqa: D102


@attrs.define(eq=False)
class LinkSet:
    """The links of a session."""

    _links: list[Detachable] = attrs.field(init=False, factory=list)

    def attach(self, programs: Iterable[Attachable]) -> None:
        """
        Attach *programs* in order. If the kernel refuses one, detach all of this call.

        The descriptors are in that order, too, and above all that are open: of a process that is killed the kernel
        closes the last first (``task_work_run`` in kernel/task_work.c), and hooks must go before what they call.

        Raises:
            KernelError: if the kernel refuses one.
        """
        before = len(self._links)
        try:
            with _no_gaps():
                for program in programs:
                    self._links.append(program.attach())
        except KernelError as error:
            try:
                self.close_down_to(before)
            except KernelError as second:
                error.add_note(f"and then: {second}")
            raise

    def each(self, first: int = 0) -> Iterator[tuple[str, int]]:
        """Yield the program and the descriptor of each link from *first* on, in the order of attachment."""
        for link in self._links[first:]:
            yield link.program, link.fd

    def close(self) -> None:
        """
        Detach everything, the last attached first. Idempotent.

        Raises:
            KernelError: the first refusal, after all were tried.
        """
        self.close_down_to(0)

    def close_down_to(self, count: int) -> None:
        """
        Detach all but the first *count*, the last attached first.

        Raises:
            KernelError: the first refusal, after all were tried.
        """
        first: KernelError | None = None
        while len(self._links) > count:
            try:
                self._links.pop().close()
            except KernelError as error:
                first = first or error
        if first is not None:
            raise first

    def __len__(self) -> int:
        return len(self._links)


@contextlib.contextmanager
def _no_gaps() -> Iterator[None]:
    """Take all free descriptors below the last that is open."""
    last = max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())
    with contextlib.ExitStack() as taken:
        taken.callback(os.close, fd := os.open(os.devnull, os.O_RDONLY))
        while fd < last:
            taken.callback(os.close, fd := os.dup(fd))
        yield
