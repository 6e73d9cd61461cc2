# SPDX-License-Identifier: MIT
"""What a start meets as it releases what a lost daemon left: it goes on, and says so; no kernel."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from enforcer.errors import KernelError
from enforcer.kernel.maps import Notes
from enforcer.runtime.policies import start

_LOST = KernelError("cannot read", 2)


class Left:
    """A session of a lost daemon; *broken* names what of it cannot be done any more."""

    generation = 1

    def __init__(self, broken=""):
        self.pins = SimpleNamespace(path=Path("/sys/fs/bpf/enforcer/1"))
        self._broken = broken

    def notes(self):
        self._meet("notes")
        return Notes(9, 5, 6)

    def detach(self):
        self._meet("detach")

    def last_records(self):
        return []

    def _meet(self, name):
        if name == self._broken:
            raise _LOST


class Store:
    """Where sessions are pinned."""

    def __init__(self, *sessions):
        self._sessions = sessions

    def sessions(self):
        if not self._sessions:
            raise _LOST
        return list(self._sessions)


@pytest.fixture
def enforcement():
    """What has just begun to enforce."""
    said = []
    current = SimpleNamespace(pinned_at=Path("/sys/fs/bpf/enforcer/2"))
    sessions = SimpleNamespace(current=current, outgoing=[])
    return SimpleNamespace(sessions=sessions, report=said.append, said=said)


@pytest.mark.parametrize(
    ("broken", "reported", "said"),
    [
        ("", (5, 6), []),
        ("notes", (0, 0), ["losses may be reported once more: cannot read"]),
        ("detach", (5, 6), ["what an earlier daemon left is still active, too: cannot read"]),
    ],
)
def test_what_is_left_is_read_by_and_by_whatever_is_gone_of_it(enforcement, broken, reported, said):
    """The new session enforces by then: a start that failed would leave it to nobody."""
    left = Left(broken)

    found = start._take_over(enforcement, left, {1: ()}, Store(left.pins))

    assert reported == found
    assert [1] == [len(enforcement.sessions.outgoing)]
    assert said == [line.partition(": No such")[0] for line in enforcement.said]


def test_the_rest_of_an_interrupted_start_that_cannot_be_listed_is_told(enforcement):
    """It enforces nothing, and the next start looks again."""
    start._take_over(enforcement, None, {}, Store())

    (said,) = enforcement.said
    assert "what an interrupted start left cannot be looked for" in said


def test_the_rest_of_an_interrupted_start_is_removed(enforcement):
    """And neither what enforces, nor what is left and still read."""
    removed = []

    def session(number):
        path = Path(f"/sys/fs/bpf/enforcer/{number}")
        return SimpleNamespace(path=path, remove=lambda: removed.append(number))

    start._take_over(enforcement, Left(), {}, Store(*map(session, (1, 2, 3))))

    assert [3] == removed


def test_what_stays_of_one_start_keeps_nothing_of_another(enforcement):
    """Each is tried, and what stays is told."""
    removed = []

    def refuse():
        raise _LOST

    three, four = (SimpleNamespace(path=Path(f"/sys/fs/bpf/enforcer/{n}")) for n in (3, 4))
    three.remove, four.remove = refuse, lambda: removed.append(4)

    start._take_over(enforcement, None, {}, Store(three, four))

    assert [4] == removed
    assert 1 == len(enforcement.said)
