# SPDX-License-Identifier: MIT
"""A session on its way out: its last records, also those that wait outside of its rings."""

from __future__ import annotations

import errno

import attrs
import pytest
from fakes import FakeSession

from enforcer.errors import KernelError
from enforcer.runtime.sessions.outgoing import Outgoing
from enforcer.runtime.sessions.sessions import Sessions


@attrs.define
class Source:
    """What is left of a session."""

    batches: list[list[bytes]]
    is_broken: bool = False
    is_closed: bool = False

    def drain(self):
        return self.batches.pop(0) if self.batches else []

    def stats(self):
        if self.is_broken:
            raise KernelError("its counters cannot be read", errno.ENOMEM)
        return {}

    def close(self):
        self.is_closed = True


def outgoing(monkeypatch, *batches, rest):
    now = [100.0]
    monkeypatch.setattr("enforcer.runtime.sessions.outgoing.time.monotonic", lambda: now[0])
    return now, Outgoing(Source(list(batches)), lambda: (), rest=rest)


def test_records_outside_of_the_rings_come_last_and_once(monkeypatch):
    """When none of its programs can count any more."""
    asked = []

    def rest():
        asked.append(now[0])
        return [b"kept"]

    now, out = outgoing(monkeypatch, [b"one", b"two"], rest=rest)

    assert [b"one", b"two"] == out.drain()
    assert [] == out.drain()
    assert [] == asked
    now[0] += 0.2
    assert [b"kept"] == out.drain()
    assert [] == out.drain()
    assert [100.2] == asked
    assert 3 == out.taken


def test_a_session_of_this_process_has_none_besides(monkeypatch):
    """It moves them into its rings itself."""
    now, out = outgoing(monkeypatch, [b"one"], rest=tuple)
    now[0] += 1

    assert [b"one"] == out.drain()
    assert not out.drain()
    assert 1 == out.taken


@pytest.mark.parametrize("what", ["counts", "state"])
def test_what_is_pinned_goes_also_where_its_counts_cannot_be_kept(monkeypatch, what):
    """Nobody knows of the session any more, so nothing else would take that away before the next start."""

    def fail():
        raise KernelError("no room for the state", errno.ENOSPC)

    now, out = outgoing(monkeypatch, rest=tuple)
    now[0] += 1
    session = FakeSession()
    sessions = Sessions(session, print, outgoing=[out])
    if what == "counts":
        out.source.is_broken = True
    else:
        sessions.on_settled = fail

    with pytest.raises(KernelError):
        sessions.drain()

    assert out.source.is_closed
    assert [] == list(sessions.drain())
    session.close()
