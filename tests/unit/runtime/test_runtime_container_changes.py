# SPDX-License-Identifier: MIT
"""When the sets of containers are renewed."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from enforcer.errors import ControlError, EnforcerError
from enforcer.identity.container import Container
from enforcer.policy.model.workloads import Workload
from enforcer.runtime.policies.container_changes import ContainerWatch

ONE = Workload(b"/docker/a", {"container.name": (b"one",)})
TWO = Workload(b"/docker/b", {"container.name": (b"two",)})


@attrs.define
class Host:
    """A host whose containers the test says."""

    there: tuple[Workload, ...] = ()
    unknown: dict[str, str] = attrs.field(factory=dict)
    unread: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    looks: int = 0
    overflown: bool = False

    @property
    def places(self) -> Host:
        """Where its files are."""
        return self

    def look(self) -> tuple[Workload, ...]:
        self.looks += 1
        return self.there

    def look_at(self, container: Container) -> tuple[Workload | None, Workload | None]:
        place = container.cgroup.encode() + b"/"
        above = {each.cgroup: each for each in self.there if place.startswith(each.cgroup + b"/")}
        found = above.pop(container.cgroup.encode(), None)
        return found, next(iter(above.values()), None)


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
    has_entries: bool = False
    entries: tuple[Workload, ...] = ()
    entered: list[tuple[Workload, ...]] = attrs.field(factory=list)
    mounted: dict[bytes, int] = attrs.field(factory=dict)

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Those that have an entry, as of newcomers."""
        return self.entries

    def tell(self, found: tuple[Workload, ...]) -> None:
        """Take note of mounts, as of the kernel's table."""
        self.mounted |= {each.cgroup: len(self.entered) for each in found}

    def follow(self, found: tuple[Workload, ...]) -> None:
        self.mounted = {}
        self.tell(found)

    def enter(self, begun: list[Workload], pid: int | None = None) -> bool:
        assert pid in {7, None}
        self.entered.append(tuple(begun))
        if self.has_entries:
            self.entries += tuple(begun)
        return self.has_entries

    def leave(self, found: tuple[Workload, ...]) -> None:
        there = {each.cgroup for each in found}
        self.entries = tuple(each for each in self.entries if each.cgroup in there)

    def leave_to(self, begun: list[Workload]) -> None:
        there = {each.cgroup: each.number for each in begun}
        self.entries = tuple(
            each for each in self.entries if there.get(each.cgroup, each.number) == each.number
        )

    def renew(self, found: tuple[Workload, ...]) -> None:
        if self.fails:
            raise EnforcerError("no room")
        self.now += self.takes
        self.renewed.append(found)
        self.told = found

    def following(self) -> ContainerWatch:
        reactor: Any = None
        host: Any = self.host
        newcomers: Any = self
        mounts: Any = self
        return ContainerWatch(
            host,
            reactor,
            self.said.append,
            told=lambda: self.told,
            renew=self.renew,
            is_settled=lambda: self.settled,
            newcomers=newcomers,
            mounts=mounts,
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
    host = Host(
        unknown={"/docker/x": "", "/docker/y": "image"},
        unread=("all.json is too long",),
        left_out=("pods.d has too many files",),
    )
    world = World(host=host)
    following = world.following()

    following.look()
    assert [] == world.said
    world.now += 10
    following.look()
    following.look()
    file, x, y, folder = sorted(world.said)
    assert "all.json is too long" == file
    assert "pods.d has too many files" == folder
    assert "no runtime describes the container in /docker/x" in x
    assert "nothing says the image of the container in /docker/y" in y


def test_too_many_containers_are_told_once():
    """What lies beyond the limit is unknown, which somebody must hear of."""
    world = World(host=Host(overflown=True))
    following = world.following()

    following.look()
    following.look()

    assert 1 == len(world.said)
    assert "8192" in world.said[0]


# ---- Announced before their first program -------------------------------------------------------

MET = Container("docker", "b", None, "/docker/b")


def _meeting(world: World) -> ContainerWatch:
    following = world.following()
    following.find = lambda pid, number: MET
    return following


def test_an_announced_container_is_in_the_sets_before_the_answer():
    """With all others that are there by then; the next one of these finds that it is known already."""
    world = World(host=Host((ONE, TWO)))
    following = _meeting(world)

    assert {"outcome": "known", "missing": []} == following.meet(7, "b", began=99.0, wait=10.0)
    assert [(ONE, TWO)] == world.renewed
    assert "known" == following.meet(7, "b", began=99.0, wait=10.0)["outcome"]
    assert [(ONE, TWO)] == world.renewed
    assert (2, 0, 1.0) == tuple(following.met[key] for key in ("known", "late", "slowestSeconds"))


def test_mounts_are_told_before_who_it_is():
    """Of what a look finds, and of what is announced."""
    world = World(host=Host((ONE, TWO)), has_entries=True)
    following = _meeting(world)

    following.meet(7, "b", began=99.0, wait=10.0)
    assert ({TWO.cgroup: 0}, 1) == (world.mounted, len(world.entered))

    following.look()
    assert ({ONE.cgroup: 1, TWO.cgroup: 1}, 2) == (world.mounted, len(world.entered))


POD = Workload(b"/docker", {"container.id": None})
TWO_KNOWN = attrs.evolve(TWO, facts={"container.id": (b"b",)})
ONE_KNOWN = attrs.evolve(ONE, facts={"container.id": (b"a",)})


def test_an_announced_container_mostly_needs_no_image():
    """The kernel is told of it, and of the pod around it, and of no other; once."""
    world = World(host=Host((POD, ONE_KNOWN, TWO_KNOWN)), has_entries=True)
    following = _meeting(world)

    for _ in range(2):
        assert "known" == following.meet(7, "b", began=100.0, wait=10.0)["outcome"]

    assert ([(POD, TWO_KNOWN)], []) == (world.entered, world.renewed)


def test_another_that_is_announced_by_the_same_name_gets_an_entry():
    """The number of its cgroup is another, by which the kernel knows it."""
    world = World(host=Host((TWO_KNOWN,)), has_entries=True)
    following = _meeting(world)
    following.meet(7, "b", began=100.0, wait=10.0)
    again = attrs.evolve(TWO_KNOWN, number=5)
    world.host.there = (again,)

    following.meet(7, "b", began=100.0, wait=10.0)

    assert [0, 5] == [each.number for entered in world.entered for each in entered]
    assert [5] == [each.number for each in world.entries]


def test_what_has_an_entry_needs_no_image_later():
    """Nor when it is gone."""
    world = World(host=Host((TWO_KNOWN,)), has_entries=True)
    following = _meeting(world)
    following.meet(7, "b", began=100.0, wait=10.0)

    for there in ((TWO_KNOWN,), ()):
        world.host.there = there
        world.now += 20
        following.look()
        following.look()

    assert ([], ()) == (world.renewed, world.entries)


def test_what_is_found_by_a_look_mostly_needs_no_image():
    """Nobody has announced it."""
    world = World(host=Host((ONE_KNOWN, TWO_KNOWN)), has_entries=True)
    following = world.following()

    following.look()
    following.look()

    assert ([(ONE_KNOWN, TWO_KNOWN)], []) == (world.entered, world.renewed)


def test_it_is_told_what_stays_unknown():
    """What no file says of it."""
    facts = {"container.name": None, "pod.labels": None, "container.id": (b"b",)}
    world = World(host=Host((attrs.evolve(TWO, facts=facts),)))

    answer = _meeting(world).meet(7, "b", began=100.0, wait=10.0)

    assert {"outcome": "known", "missing": ["container.name", "pod.labels"]} == answer


def test_of_a_container_that_no_file_describes_nothing_is_said():
    """The sets stay as they are."""
    world = World(host=Host((ONE,)))
    following = _meeting(world)

    assert "unknown" == following.meet(7, "b", began=100.0, wait=10.0)["outcome"]
    assert [] == world.renewed
    assert 1 == following.met["unknown"]


def test_without_a_policy_that_asks_nothing_is_looked_at():
    world = World(told=None, host=Host((ONE,)))
    following = _meeting(world)

    assert "unasked" == following.meet(7, "b", began=100.0, wait=10.0)["outcome"]
    assert 0 == world.host.looks
    assert 1 == following.met["unasked"]


def test_an_answer_that_comes_too_late_is_counted():
    """The kernel knows the container from then on all the same."""
    world = World(host=Host((TWO,)), takes=3.0)
    following = _meeting(world)

    following.meet(7, "b", began=99.5, wait=3.0)

    assert (1, 1, 3.5) == tuple(following.met[key] for key in ("known", "late", "slowestSeconds"))


def _strange(pid: int, number: str) -> Container:
    raise ControlError("process 7 is in no container")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"settled": False}, "waits to be confirmed"),
        ({"fails": True}, "no room"),
        ({}, "is in no container"),
    ],
)
def test_what_keeps_it_unknown_is_said_and_counted(change, why):
    """A change that is not confirmed, a commit that fails, a process that is another's."""
    world = World(host=Host((TWO,)), **change)
    following = _meeting(world)
    if not change:
        following.find = _strange

    with pytest.raises(EnforcerError, match=why):
        following.meet(7, "b", began=100.0, wait=10.0)

    assert [] == world.renewed
    assert (1, 0) == (following.met["refused"], following.met["known"])
