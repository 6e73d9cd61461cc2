# SPDX-License-Identifier: MIT
"""Which containers the kernel is told of without an image, and which need one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from enforcer import _abi
from enforcer.compiler import LocalHost
from enforcer.errors import EnforcerError, KernelError
from enforcer.policy.model.workloads import Workload
from enforcer.policy.store import load_text
from enforcer.runtime.policies.compilation import prepare
from enforcer.runtime.policies.followed_links import Followed, met
from enforcer.runtime.policies.newcomers import Newcomers

PID = 4711
POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: p}
spec:
  selector: {container: {name: [one, two]}}
  rules: [{file: read, match: {path: /data/secret}, action: deny}]
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: q}
spec:
  selector: {container: {name: free}}
  rules: [{file: read, match: {path: /data/secret}, action: allow}]
"""


@attrs.define
class Entries:
    """The map of one session, of which a test says when it fails."""

    there: dict[int, tuple[int, tuple[int, ...]]] = attrs.field(factory=dict)
    fails: bool = False
    runtimes: tuple[int, ...] = (PID,)
    refreshed: list[int] = attrs.field(factory=list)

    @property
    def met(self) -> Entries:
        return self

    def is_runtime(self, pid: int) -> bool:
        return pid in self.runtimes

    @staticmethod
    def has_room(atoms: tuple[int, ...]) -> bool:
        return len(atoms) <= _abi.ENF_MET_ATOMS

    def put(self, cgroup: int, generation: int, atoms: tuple[int, ...]) -> None:
        if self.fails:
            raise KernelError("write an entry of a map: no room", 7)
        self.there[cgroup] = generation, atoms

    def refresh(self, cgroup: int) -> None:
        if self.fails:
            raise KernelError("run an iterator: no", 1)
        self.refreshed.append(cgroup)

    def remove(self, cgroup: int) -> None:
        if self.fails:
            raise KernelError("remove an entry of a map: no", 1)
        del self.there[cgroup]


@attrs.define
class World:
    """A machine with roots of containers below *folder*, and what is active there."""

    folder: Path
    now: Any = None
    session: Any = attrs.field(factory=Entries)
    looked_up: int = 0
    newcomers: Newcomers = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.activate()
        self.newcomers = Newcomers(
            active=lambda: self.now,
            session=lambda: self.session,
            cgroups=self.folder / "cgroup",
            look_up=self.look_up,
            keep=self.keep,
        )

    def activate(self, *workloads: Workload, generation: int = 1) -> None:
        made = prepare(load_text(POLICY, "p.yaml"), workloads=workloads, generation=generation)
        self.now = Active(generation, made.image.asked, made.followed, workloads)

    def look_up(self, asks: Any, workload: Workload) -> Followed:
        self.looked_up += 1
        return met(asks, LocalHost((), workloads=(workload,)))

    def keep(self, followed: Followed) -> None:
        self.now = attrs.evolve(self.now, followed=followed)

    def begin(self, name: str, *members: int, secret: str | None = None) -> Workload:
        """Make the cgroup and the root of one, in which the secret may be a link."""
        cgroup, root = self.folder / "cgroup/docker" / name, self.folder / "roots" / name
        (root / "data").mkdir(parents=True)
        if secret is not None:
            (root / "data/secret").symlink_to(secret)
        cgroup.mkdir(parents=True)
        (cgroup / "cgroup.procs").write_text("".join(f"{each}\n" for each in members))
        return Workload(
            b"/docker/" + name.encode(),
            {"container.name": (name.partition("-")[0].encode(),), "container.id": (b"c",)},
            os.fsencode(root),
            number=cgroup.stat().st_ino,
        )


@attrs.frozen
class Active:
    generation: int
    asked: Any
    followed: Followed
    workloads: tuple[Workload, ...] | None


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_kernel_is_told_what_the_image_would_say(world):
    """By the number of its cgroup, under the image that counts; and that it is known."""
    one = world.begin("one", PID)

    assert world.newcomers.enter([one], PID)

    assert {one.number: (1, world.now.asked.of(one.facts))} == world.session.there
    assert world.session.there[one.number][1]
    assert (one,) == world.newcomers.workloads


def test_who_is_there_already_is_made_known(world):
    """Its label was made before the entry. Not that of a runtime which is alone."""
    below = world.begin("one-1", PID)
    inner = world.folder / "cgroup/docker/one-1/inner"
    inner.mkdir()
    (inner / "cgroup.procs").write_text("12\n")
    strange = [world.begin("one-2", PID, 12), world.begin("one-3", 12), world.begin("one-4"), below]
    for each in strange:
        assert world.newcomers.enter([each], PID)
    assert [each.number for each in strange] == world.session.refreshed

    world.session.runtimes = ()
    six = world.begin("one-6", PID)
    assert world.newcomers.enter([six], PID)
    assert six.number == world.session.refreshed[-1]
    seven = world.begin("one-7", PID)
    assert world.newcomers.enter([seven])  # nobody has announced it
    assert seven.number == world.session.refreshed[-1]


def test_a_label_that_was_on_its_way_is_made_known_later(world):
    """A child that was not there yet had a copy. Once, and as often as the kernel refuses."""
    one = world.begin("one", 12)
    assert world.newcomers.enter([one])
    world.session.fails = True
    world.newcomers.leave([one])
    world.session.fails = False
    for _ in range(3):
        world.newcomers.leave([one])

    assert [one.number] * 2 == world.session.refreshed


def test_what_is_around_it_is_refreshed_with_it(world):
    """The pod, of which it is a part, once."""
    one = world.begin("one", PID)
    pod = Workload(b"/docker", {"container.id": None}, number=3)

    assert world.newcomers.enter([one, pod])

    assert {3, one.number} == {*world.session.there}
    assert [3] == world.session.refreshed


def test_what_the_image_says_already_must_not_stay(world):
    """Of a cgroup of that name it may say something else. An entry is replaced."""
    one = world.begin("one", PID)
    world.activate(attrs.evolve(one, facts={}))
    assert not world.newcomers.enter([one], PID)

    world.activate()
    assert world.newcomers.enter([attrs.evolve(one, facts={"container.name": None})], PID)
    before = world.session.there[one.number]
    assert world.newcomers.enter([one], PID)
    assert before != world.session.there[one.number]
    assert (one,) == world.newcomers.workloads


def test_a_cgroup_that_cannot_be_read_needs_an_image(world):
    """It is gone, or of threads."""
    one = world.begin("one", PID)
    (world.folder / "cgroup/docker/one/cgroup.procs").unlink()

    assert not world.newcomers.enter([one], PID)


def test_what_has_no_room_needs_an_image(world):
    """In one entry, or in the map."""
    one = world.begin("one", PID)
    world.session.fails = True
    assert not world.newcomers.enter([one], PID)

    world.session.fails = False
    world.newcomers.leave([])
    numbers = range(_abi.ENF_MET_ATOMS + 1)
    world.now = attrs.evolve(world.now, asked=Many(numbers))
    assert not world.newcomers.enter([one], PID)
    assert {} == world.session.there


@attrs.frozen
class Many:
    numbers: range

    def of(self, facts: object) -> tuple[int, ...]:
        return tuple(self.numbers)


def test_links_that_give_a_name_need_an_image(world):
    """Their names are in the image, and in no entry. Of a container that no rule on paths is about, nobody asks."""
    assert not world.newcomers.enter([world.begin("one", PID, secret="/else")], PID)
    assert 1 == world.looked_up
    assert world.newcomers.enter([world.begin("free", PID, secret="/else")], PID)
    assert 1 == world.looked_up


def test_links_that_gave_none_give_none_again(world):
    """As in a container of the same image, for which an image was made, and of which the same is asked."""
    first, link = world.begin("one-1", PID, secret="secret"), {b"/data/secret": (b"secret",)}
    assert not world.newcomers.enter([first], PID)
    world.activate(first, generation=2)
    assert link == world.now.followed.links[first.cgroup]
    second = world.begin("one-2", PID, secret="secret")
    assert world.newcomers.enter([second], PID)

    assert link == world.now.followed.links[second.cgroup]
    assert second.cgroup in world.now.followed.asked  # and is looked up again, as all are
    assert not world.newcomers.enter([world.begin("one-3", PID, secret="./secret")], PID)


def test_in_one_that_is_gone_nothing_is_looked_up_again(world):
    """Else each that begins would leave something to do, until some image is made."""
    first = world.begin("one-1", PID, secret="secret")
    world.activate(first)
    two = [world.begin("one-2", PID, secret="secret"), world.begin("one-3", PID, secret="secret")]
    for each in two:
        assert world.newcomers.enter([each], PID)
    assert {first.cgroup, two[0].cgroup, two[1].cgroup} == {*world.now.followed.asked}

    world.newcomers.leave([first, two[1]])

    assert {first.cgroup, two[1].cgroup} == {*world.now.followed.asked}
    assert {first.cgroup, two[1].cgroup} == {*world.now.followed.links}
    assert world.newcomers.enter([world.begin("one-4", PID, secret="secret")], PID)


def test_links_that_cannot_be_looked_up_need_an_image(world):
    """Which says so of the container."""

    def fails(asks: Any, workload: Workload) -> Followed:
        raise EnforcerError("the process came to an end")

    one = world.begin("one", PID)
    world.newcomers.look_up = lambda asks, each: attrs.evolve(
        met(asks, LocalHost((), workloads=(each,))), incomplete=frozenset((each.cgroup,))
    )
    assert not world.newcomers.enter([one], PID)
    world.newcomers.look_up = fails
    assert not world.newcomers.enter([one], PID)


def test_what_is_gone_leaves(world):
    """Also if another has its name, whose number is another."""
    one, two = world.begin("one", PID), world.begin("two", PID)
    for each in (one, two):
        assert world.newcomers.enter([each], PID)

    world.newcomers.leave([attrs.evolve(one, number=one.number + 1000), two])

    assert [two.number] == [*world.session.there]
    assert (two,) == world.newcomers.workloads


def test_who_has_the_name_of_one_that_is_gone_takes_its_place(world):
    """An entry of another number would say that it is known. Of others nothing is said."""
    one, two = world.begin("one", PID), world.begin("two", PID)
    for each in (one, two):
        assert world.newcomers.enter([each], PID)

    world.newcomers.leave_to([one])
    assert (one, two) == world.newcomers.workloads
    world.newcomers.leave_to([attrs.evolve(one, number=one.number + 1000)])

    assert (two,) == world.newcomers.workloads
    assert [two.number] == [*world.session.there]


def test_the_next_image_needs_no_entry(world):
    """It says the same. Entries count for one image, and leave where the kernel lets them."""
    one = world.begin("one", PID)
    assert world.newcomers.enter([one], PID)
    world.activate(one, generation=2)
    assert () == world.newcomers.workloads

    world.session.fails = True
    world.newcomers.leave([one])
    assert [one.number] == [*world.session.there]
    world.session.fails = False
    world.newcomers.leave([one])
    assert {} == world.session.there


def test_what_is_active_again_finds_its_entries(world):
    """A change that was not confirmed is taken back by the kernel, to the image before."""
    one = world.begin("one", PID)
    assert world.newcomers.enter([one], PID)
    before = world.now
    world.activate(one, generation=2)
    world.now = before

    assert (one,) == world.newcomers.workloads


def test_entries_of_a_session_that_has_ended_are_gone_with_it(world):
    """Its map is closed: nothing is asked of it."""
    one = world.begin("one", PID)
    assert world.newcomers.enter([one], PID)
    world.session, ended = Entries(), world.session
    world.activate(one, generation=2)
    ended.fails = True

    world.newcomers.leave([one])

    assert () == world.newcomers.workloads
    assert {one.number} == {*ended.there}
