# SPDX-License-Identifier: MIT
"""The end of the sessions of a daemon."""

import types
from pathlib import Path

import pytest
from fakes import FakeSession

from enforcer.errors import KernelError
from enforcer.runtime import assembly
from enforcer.runtime.sessions.sessions import Sessions


class Stubborn:
    """A session on its way out whose names cannot be removed."""

    def close(self):
        raise KernelError("cannot remove /sys/fs/bpf/enforcer/1: Read-only file system")


@pytest.fixture
def sessions():
    made = Sessions(FakeSession(), pytest.fail)
    yield made
    made.current.close()


def outgoing(source):
    return types.SimpleNamespace(source=source)


def test_the_end_waits_for_nothing_that_was_replaced(sessions):
    """What of it cannot be removed is told, once all has ended."""
    closed = FakeSession()
    sessions.outgoing += [outgoing(Stubborn()), outgoing(closed)]
    sessions.current.stays = "one"

    said = sessions.end()

    assert sessions.current.is_ended
    assert closed.is_closed
    assert (
        "one; what was replaced could not be removed: "
        "cannot remove /sys/fs/bpf/enforcer/1: Read-only file system"
    ) == said
    sessions.close()


def test_an_end_that_leaves_nothing_says_nothing(sessions):
    """Nor of what was replaced."""
    sessions.outgoing.append(outgoing(FakeSession()))

    assert "" == sessions.end()


def test_what_is_left_without_its_pins_is_told(sessions):
    """It would end as soon as this process does."""
    said: list[str] = []
    sessions.report = said.append
    sessions.current.is_kept, sessions.current.pinned_at = False, Path("/sys/fs/bpf/enforcer/1")

    sessions.leave()

    assert sessions.current.is_left
    assert said == [
        "names in /sys/fs/bpf/enforcer/1 were removed: enforcement may end with this process"
    ]


@pytest.mark.parametrize("is_ended", [True, False])
def test_who_gives_up_says_whether_enforcement_stays(sessions, tmp_path, is_ended):
    """The kernel is asked: names alone enforce nothing."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1/map-hits").touch()
    if not is_ended:
        (tmp_path / "1/link-000-enf_exec").touch()
    parts = types.SimpleNamespace(store=types.SimpleNamespace(base=tmp_path))

    stays = assembly.abandon(parts, types.SimpleNamespace(sessions=sessions))

    assert stays is not is_ended
    assert sessions.current.is_left
