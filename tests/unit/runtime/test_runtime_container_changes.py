# SPDX-License-Identifier: MIT
"""When the sets of containers are renewed."""

from __future__ import annotations

from typing import Any

import attrs

from enforcer.errors import EnforcerError
from enforcer.policy.model.workloads import Workload
from enforcer.runtime.policies.container_changes import ContainerWatch

ONE = Workload(b"/docker/a", {"container.name": (b"one",)})
TWO = Workload(b"/docker/b", {"container.name": (b"two",)})


@attrs.define
class Host:
    """A host whose containers the test says."""

    there: tuple[Workload, ...] = ()
    unknown: tuple[str, ...] = ()
    looks: int = 0
    overflown: bool = False

    def look(self) -> tuple[Workload, ...]:
        self.looks += 1
        return self.there


@attrs.define
class World:
    host: Host = attrs.field(factory=Host)
    told: tuple[Workload, ...] | None = ()
    renewed: list[tuple[Workload, ...]] = attrs.field(factory=list)
    said: list[str] = attrs.field(factory=list)
    now: float = 100.0
    settled: bool = True
    fails: bool = False
    takes: float = 0.0

    def renew(self, found: tuple[Workload, ...]) -> None:
        if self.fails:
            raise EnforcerError("no room")
        self.now += self.takes
        self.renewed.append(found)
        self.told = found

    def following(self) -> ContainerWatch:
        reactor: Any = None
        host: Any = self.host
        return ContainerWatch(
            host,
            reactor,
            self.said.append,
            told=lambda: self.told,
            renew=self.renew,
            is_settled=lambda: self.settled,
            clock=lambda: self.now,
        )


def test_nothing_is_looked_at_for_policies_that_ask_for_none():
    """Without conditions on containers there is nothing to keep true."""
    world = World(told=None, host=Host((ONE,)))

    assert world.following().look() >= 1
    assert 0 == world.host.looks


def test_what_begins_is_activated_at_once():
    """Within 0.3 seconds, and once."""
    world = World(host=Host((ONE,)))
    following = world.following()

    assert following.look() <= 0.3
    assert following.look() <= 0.3
    assert [(ONE,)] == world.renewed


def test_what_becomes_known_of_it_is_activated():
    """The same cgroup, with other facts."""
    world = World(told=(ONE,), host=Host((attrs.evolve(ONE, facts={}),)))

    world.following().look()

    assert 1 == len(world.renewed)


def test_what_is_gone_may_wait():
    """A cgroup that is no more does no harm: it goes with the next change, or by and by."""
    world = World(told=(ONE, TWO), host=Host((ONE,)))
    following = world.following()

    following.look()
    assert [] == world.renewed
    world.now += 11
    following.look()
    assert [(ONE,)] == world.renewed


def test_while_a_change_waits_to_be_confirmed_nothing_is_changed():
    """What begins meanwhile stays unknown."""
    world = World(host=Host((ONE,)), settled=False)

    world.following().look()

    assert [] == world.renewed


def test_a_burst_leaves_time_for_everything_else():
    """The next look comes no sooner than the last change took."""
    world = World(host=Host((ONE,)), takes=2.0)

    assert world.following().look() == 2.0


def test_a_failure_is_said_and_tried_again():
    """The active policies stay."""
    world = World(host=Host((ONE,)), fails=True)
    following = world.following()

    assert following.look() > 1
    assert "no room" in world.said[0]
    world.fails = False
    following.look()
    assert [(ONE,)] == world.renewed


def test_a_container_that_stays_unknown_is_told_once():
    """An operator must learn why rules meet it by onError."""
    world = World(host=Host(unknown=("/docker/x",)))
    following = world.following()

    following.look()
    assert [] == world.said
    world.now += 10
    following.look()
    following.look()
    assert 1 == len(world.said)
    assert "/docker/x" in world.said[0]


def test_too_many_containers_are_told_once():
    """What lies beyond the limit is unknown, which somebody must hear of."""
    world = World(host=Host(overflown=True))
    following = world.following()

    following.look()
    following.look()

    assert 1 == len(world.said)
    assert "8192" in world.said[0]
