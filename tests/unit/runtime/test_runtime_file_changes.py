# SPDX-License-Identifier: MIT
"""Changes of policy files are activated, and tried again where the machine is to blame."""

from __future__ import annotations

import errno

import attrs
import pytest

from enforcer.errors import (
    ControlError,
    EnforcerBug,
    EnforcerError,
    KernelError,
    PolicyError,
    PolicyErrors,
)
from enforcer.runtime.policies.file_changes import FileChanges

ANSWER = {
    "generation": 2,
    "unchanged": False,
    "posture": {"sentence": "1 policy enforces", "confirm": "enforcer confirm"},
    "lines": [],
    "warnings": [],
    "confirmWithin": None,
}
KILLED = EnforcerError("the process that works on policies ended without an answer (signal 9)")
REFUSED = KernelError("cannot update a map", errno.ENOMEM)
OF_POLICIES = [
    PolicyError("wrong"),
    PolicyErrors([PolicyError("wrong")]),
    ControlError("no such policy"),
    EnforcerBug("a mark without a number"),
]


@attrs.define(eq=False)
class Files:
    """Files that change when told to, and a reload that fails as it is told."""

    changes: int = 0
    fails: EnforcerError | None = None
    now: float = 100.0
    is_settled: bool = True
    tried: list = attrs.field(factory=list)
    told: list = attrs.field(factory=list)

    def look(self):
        had, self.changes = self.changes, 0
        return bool(had)

    def renew(self):
        self.changes = 0

    def reload(self):
        self.tried.append(self.now)
        if self.fails is not None:
            raise self.fails
        return ANSWER


@pytest.fixture
def files():
    return Files()


@pytest.fixture
def changes(files):
    return FileChanges(
        files, files.reload, lambda: files.is_settled, files.told.append, lambda: files.now
    )


def pass_seconds(files, changes, seconds):
    """Look each second."""
    for _ in range(seconds):
        files.now += 1
        changes.look()


@pytest.mark.parametrize("error", [KILLED, REFUSED], ids=["killed", "refused"])
def test_what_failed_because_of_the_machine_is_tried_again(files, changes, error):
    """Although no other file changes; the pauses grow to a bound, and success ends it."""
    files.changes, files.fails = 1, error
    changes.look()
    assert str(error) == changes.problem

    pass_seconds(files, changes, 5 + 10 + 20 + 40 + 80 + 160 + 4 * 320)
    tries = [after - before for before, after in zip(files.tried, files.tried[1:], strict=False)]
    assert [5, 10, 20, 40, 80, 160, 320, 320, 320, 320] == tries

    files.fails = None
    pass_seconds(files, changes, 320)
    assert "" == changes.problem
    n_tries = len(files.tried)
    pass_seconds(files, changes, 1000)
    assert n_tries == len(files.tried)
    assert "it is tried again in 5 s" in files.told


@pytest.mark.parametrize("error", OF_POLICIES, ids=lambda error: type(error).__name__)
def test_what_is_wrong_waits_for_the_next_change(files, changes, error):
    """The same files would be as wrong again."""
    files.changes, files.fails = 1, error
    changes.look()
    pass_seconds(files, changes, 1000)
    assert ([100.0], "") == (files.tried, changes.problem)

    files.changes = 1
    changes.look()
    assert 2 == len(files.tried)


def test_a_change_meanwhile_is_tried_at_once(files, changes):
    """It may be smaller. Where it is wrong itself, nothing is left to try."""
    files.changes, files.fails = 1, KILLED
    changes.look()
    files.now += 1
    files.changes, files.fails = 1, PolicyError("wrong")
    changes.look()
    pass_seconds(files, changes, 1000)
    assert ([100.0, 101.0], "") == (files.tried, changes.problem)


def test_another_try_waits_for_a_change_that_is_to_be_confirmed(files, changes):
    """Nothing is activated meanwhile, and what was taken back is not activated after that."""
    files.changes, files.fails = 1, KILLED
    changes.look()
    files.is_settled = False
    pass_seconds(files, changes, 30)
    assert [100.0] == files.tried

    changes.forget()
    files.is_settled = True
    pass_seconds(files, changes, 1000)
    assert ([100.0], "") == (files.tried, changes.problem)


def test_a_watch_that_only_tells_tries_nothing(files, changes):
    """With protection, only whoever has the right activates something."""
    changes.tell = lambda: files.told.append("changed")
    files.changes = 1
    changes.look()
    pass_seconds(files, changes, 1000)
    assert (["changed"], []) == (files.told, files.tried)


@pytest.mark.parametrize("error", [*OF_POLICIES, KILLED, REFUSED])
def test_why_it_is_not_active_is_known(files, changes, error):
    """Whatever is to blame, and until it is: for who looks at the status, and not at what was printed."""
    files.changes, files.fails = 1, error
    changes.look()
    shown = str(getattr(error, "errors", [error])[0])
    assert shown == changes.wrong

    files.changes, files.fails = 1, None
    changes.look()
    assert "" == changes.wrong


def test_a_reload_that_is_asked_for_says_it_as_well(files, changes):
    """Of several errors the first, with their number; the caller is told all."""
    files.fails = PolicyErrors([PolicyError("one"), PolicyError("two"), PolicyError("three")])
    with pytest.raises(PolicyErrors):
        changes.asked(files.reload)
    assert "one (and 2 more)" == changes.wrong

    files.fails = None
    assert ANSWER == changes.asked(files.reload)
    assert "" == changes.wrong
