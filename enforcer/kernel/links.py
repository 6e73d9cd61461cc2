# SPDX-License-Identifier: MIT
"""Attached programs: attached in order, all or none; detached in the opposite order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

        Raises:
            KernelError: if the kernel refuses one.
        """
        before = len(self._links)
        try:
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
