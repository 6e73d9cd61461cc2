# SPDX-License-Identifier: MIT
"""A session on its way out: its last records, also those that wait outside of its rings."""

from __future__ import annotations

import attrs

from enforcer.runtime.sessions.outgoing import Outgoing


@attrs.define
class Source:
    """What is left of a session."""

    batches: list[list[bytes]]

    def drain(self):
        return self.batches.pop(0) if self.batches else []

    def stats(self):
        return {}

    def close(self):
        pass


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
