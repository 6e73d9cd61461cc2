# SPDX-License-Identifier: MIT
"""Pins that somebody removes: they are made anew, or it is said what that means."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from enforcer.errors import KernelError
from enforcer.runtime.policies.pin_watch import PinWatch


class Enforcement:
    """Active policies whose session is kept until somebody removes its pins."""

    def __init__(self):
        self.session = SimpleNamespace(is_kept=True, pinned_at=Path("/sys/fs/bpf/enforcer/1"))
        self.sessions = SimpleNamespace(current=self.session)
        self.store, self.pending = object(), None
        self.looks, self.said, self.renewed, self.error = [], [], 0, None
        self.reactor = SimpleNamespace(every=lambda seconds, call: self.looks.append(call))
        self.report = self.said.append

    def renew(self):
        self.renewed += 1
        if self.error is not None:
            raise self.error
        self.session.is_kept = True


@pytest.fixture
def enforcement():
    return Enforcement()


@pytest.fixture
def look(enforcement):
    PinWatch(enforcement).begin()
    return enforcement.looks[0]


def test_what_is_whole_is_left_alone(enforcement, look):
    look()

    assert (0, []) == (enforcement.renewed, enforcement.said)


def test_without_pins_nobody_looks(enforcement):
    enforcement.store = None

    PinWatch(enforcement).begin()

    assert [] == enforcement.looks


def test_what_was_removed_is_made_anew(enforcement, look):
    enforcement.session.is_kept = False

    look()
    look()

    assert 1 == enforcement.renewed
    assert enforcement.said == [
        "names in /sys/fs/bpf/enforcer/1 were removed: enforcement is pinned anew"
    ]


def test_a_change_that_waits_is_settled_first(enforcement, look):
    """What is taken back would else be pinned as if it stayed."""
    enforcement.session.is_kept, enforcement.pending = False, object()

    look()
    before = enforcement.renewed
    enforcement.pending = None
    look()

    assert (0, 1) == (before, enforcement.renewed)


def test_what_cannot_be_made_anew_is_said_once_for_each_time(enforcement, look):
    enforcement.session.is_kept, enforcement.error = False, KernelError("cannot create it")

    look()
    look()
    enforcement.session.is_kept = True
    look()
    enforcement.session.is_kept = False
    look()

    assert 2 == enforcement.renewed
    assert len(enforcement.said) == 2
    assert all(
        "cannot be pinned anew, so it ends with this daemon" in each for each in enforcement.said
    )
    assert all(each.endswith(": cannot create it") for each in enforcement.said)
