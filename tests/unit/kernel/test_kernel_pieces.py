# SPDX-License-Identifier: MIT
"""
Memory of decisions: how many pieces there are, who gets them, and who waits.

Found by the function that decisions call, in a program of its own.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import closing

import attrs
import pytest

from enforcer import _abi
from enforcer.libbpf import calls
from enforcer.libbpf.handles import BpfObject

pytestmark = pytest.mark.kernel

_IO = struct.Struct("=IIIIQQ")
_CLAIM = struct.Struct("=II")  # struct enf_claim
MILLISECOND = 1_000_000
WAIT = 2 * MILLISECOND  # ENF_WAIT_NS of scratch.bpf.c
ROOT, SOMEBODY, ANOTHER = 0, 4242, 4343


@attrs.frozen
class Kind:
    """One of both kinds of pieces."""

    map: str
    is_argument: bool
    count: int
    size: int


KINDS = (
    Kind("scratches", is_argument=False, count=_abi.ENF_SCRATCHES, size=0),
    Kind("arguments", is_argument=True, count=_abi.ENF_ARGUMENTS, size=0),
)


@attrs.define
class Pieces:
    """The pieces of one kind, and who has them."""

    opened: BpfObject
    kind: Kind

    def take(self, times: int = 1, *, by: int = ROOT) -> tuple[int, int]:
        """Let the user *by* take *times* pieces; return how many could be had, and how long the last took."""
        io = _IO.pack(self.kind.is_argument, times, 0, 0, 0, 0)
        return self._as_user(by, "pieces_take", io)

    def wait(self, freed: int, *, after: int, by: int = ROOT) -> tuple[int, int]:
        """The same for one, while the piece *freed* is given back after some nanoseconds."""
        io = _IO.pack(self.kind.is_argument, 1, 0, freed + 1, after, 0)
        return self._as_user(by, "pieces_wait", io)

    def holders(self) -> dict[int, int]:
        """Who holds what: users by the number of the piece."""
        entry = self.opened.maps[self.kind.map]
        found = {}
        for number in range(self.kind.count):
            busy, account = _CLAIM.unpack_from(calls.lookup(entry.fd, number, entry.value_size))
            if busy:
                found[number] = account
        return found

    def _as_user(self, user: int, program: str, io: bytes) -> tuple[int, int]:
        # The account is the real user; the effective one may still run programs.
        os.setresuid(user, -1, -1)
        try:
            result, after = calls.run(self.opened.programs[program].fd, io)
        finally:
            os.setresuid(0, -1, -1)
        assert 0 == result
        _, _, taken, _, _, ns = _IO.unpack(after)
        return taken, ns


@pytest.fixture(params=KINDS, ids=lambda kind: kind.map)
def pieces(request, bpf, compiled) -> Iterator[Pieces]:
    with closing(BpfObject.open(compiled("pieces"), "pieces")) as opened:
        opened.load()
        yield Pieces(opened, request.param)


def test_root_may_hold_all_and_finds_no_more(pieces):
    """Each piece is had once; then the search ends, after its time and not much later."""
    count = pieces.kind.count

    assert count == pieces.take(count)[0]
    assert dict.fromkeys(range(count), ROOT) == pieces.holders()
    taken, ns = pieces.take()
    assert 0 == taken
    assert ns >= WAIT


def test_what_one_user_takes_is_not_missing_to_others(pieces):
    """Every second piece is for anybody; of the rest each user has an eighth of all, and so has root."""
    count = pieces.kind.count
    eighth = count // 8

    assert count // 2 + eighth == pieces.take(count, by=SOMEBODY)[0]
    assert eighth == pieces.take(count, by=ANOTHER)[0]
    assert not [number for number in pieces.holders() if not number % 8]
    assert 2 * eighth == pieces.take(count)[0]
    assert count == len(pieces.holders())


@pytest.mark.parametrize("by", [ROOT, SOMEBODY])
def test_who_finds_none_waits_for_one(pieces, by):
    """It is given back by somebody else meanwhile, and is the waiting one's then."""
    count = pieces.kind.count
    assert count == pieces.take(count)[0]
    freed = count // 2 + 1

    for _ in range(
        50
    ):  # on a busy machine the interrupt may be put off until nobody waits any more
        taken, _ = pieces.wait(freed, after=MILLISECOND // 5, by=by)
        if taken:
            break
        pieces.take()

    assert 1 == taken  # nothing else was free: it was had after the interrupt
    assert {freed: by} == {n: user for n, user in pieces.holders().items() if n == freed}


def test_a_piece_of_roots_is_no_other_users(pieces):
    """Also when it is the only one that is given back."""
    count = pieces.kind.count
    assert count == pieces.take(count)[0]

    for _ in range(50):  # as above
        assert 0 == pieces.wait(8, after=MILLISECOND // 5, by=SOMEBODY)[0]
        if 8 not in pieces.holders():
            break

    assert 8 not in pieces.holders()
