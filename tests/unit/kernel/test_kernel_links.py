# SPDX-License-Identifier: MIT
"""Links and their descriptors."""

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from enforcer.errors import KernelError
from enforcer.kernel.links import LinkSet


@attrs.define
class Link:
    """A descriptor, as a link is one."""

    program: str
    fd: int = attrs.field(factory=lambda: os.open(os.devnull, os.O_RDONLY))

    def close(self) -> None:
        """Release it."""
        os.close(self.fd)


@attrs.frozen
class Program:
    """What a kernel attaches, or refuses."""

    name: str
    is_refused: bool = False

    def attach(self) -> Link:
        """Attach it."""
        if self.is_refused:
            raise KernelError(f"{self.name} is refused")
        return Link(self.name)


def descriptors() -> set[str]:
    """Return the names of all that are open, with that of the question."""
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def gaps() -> Iterator[tuple[int, ...]]:
    """Free descriptors with others that are open above them."""
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(9)]
    free, kept = opened[::2][:-1], [*opened[1::2], opened[-1]]
    for fd in free:
        os.close(fd)
    yield (*free, max(kept))
    for fd in kept:
        os.close(fd)


def test_what_is_attached_later_has_a_larger_descriptor(gaps):
    """The kernel closes the largest first, of a process that was killed."""
    links = LinkSet()
    open_before = descriptors()
    links.attach([Program("core"), Program("hook")])
    links.attach([Program("later")])
    found = [fd for _, fd in links.each()]

    assert sorted(found) == found
    assert found[0] > max(gaps)
    links.close()
    assert open_before == descriptors()


def test_a_refusal_leaves_no_descriptor(gaps):
    """All or none, and nothing is left of what was taken meanwhile."""
    links = LinkSet()
    open_before = descriptors()
    with pytest.raises(KernelError, match="hook is refused"):
        links.attach([Program("core"), Program("hook", is_refused=True)])

    assert open_before == descriptors()
    assert 0 == len(links)
