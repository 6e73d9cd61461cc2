# SPDX-License-Identifier: MIT
"""What the kernel side is told of mounts for containers, and when."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from enforcer import _abi
from enforcer.errors import KernelError
from enforcer.kernel.mounted import Mounted
from enforcer.policy.model.workloads import Workload
from enforcer.runtime.policies.container_mounts import (
    ContainerMounts,
    mounted_for,
    told_at_once,
)

DATA = (b"/srv/volume", b"/data")
ONE = Workload(b"/docker/a", number=7, mounted=(DATA,))


@attrs.define
class Kernel:
    """A session, and its table."""

    there: dict[tuple[int, int], tuple[bytes, bytes]] = attrs.field(factory=dict)
    writes: int = 0
    room: int = 100

    @property
    def mounted(self) -> Kernel:
        return self

    def put(self, mounted: Mounted, before: int = 0) -> None:
        self.writes += 1
        for number, names in enumerate(mounted.names):
            if len(self.there) >= self.room and (mounted.cgroup, number) not in self.there:
                raise KernelError("no room")
            self.there[mounted.cgroup, number] = names
        for number in range(len(mounted.names), before):
            self.there.pop((mounted.cgroup, number), None)

    def remove(self, mounted: Mounted) -> None:
        for number in range(len(mounted.names)):
            self.there.pop((mounted.cgroup, number), None)


@attrs.define
class World:
    session: Kernel = attrs.field(factory=Kernel)
    said: list[str] = attrs.field(factory=list)
    mounts: ContainerMounts = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.mounts = ContainerMounts(self._current, self.said.append)

    def _current(self) -> Any:
        return self.session


@pytest.fixture
def world() -> World:
    return World()


def test_each_container_is_told_of_once(world):
    """And again when something else is mounted for it, or it is another of that name, or in another session."""
    world.mounts.tell([ONE])
    world.mounts.tell([ONE])
    assert (1, {(7, 0): DATA}) == (world.session.writes, world.session.there)

    more = attrs.evolve(ONE, mounted=((b"/srv/other", b"/other"), (b"/etc/hosts", b"/etc/hosts")))
    world.mounts.tell([more])
    assert {(7, 0): more.mounted[0], (7, 1): more.mounted[1]} == world.session.there
    world.mounts.tell([ONE])
    assert {(7, 0): DATA} == world.session.there

    world.mounts.tell([attrs.evolve(ONE, number=8)])
    assert {(8, 0): DATA} == world.session.there

    world.session = Kernel()
    world.mounts.tell([ONE])
    assert {(7, 0): DATA} == world.session.there


def test_who_is_gone_is_forgotten(world):
    """And one without mounts was never told of."""
    two = attrs.evolve(ONE, cgroup=b"/docker/b", number=8)
    world.mounts.tell([ONE, two, Workload(b"/docker/c", number=9)])
    assert 2 == world.session.writes

    world.mounts.forget([two])

    assert {(8, 0): DATA} == world.session.there


@pytest.mark.parametrize(
    ("mounted", "told"),
    [
        ((DATA, (b"/" + b"x" * _abi.ENF_MOUNTED_PATH, b"/long")), 1),
        (((b"/srv", b"/" + b"x" * (_abi.ENF_MOUNTED_PATH - 1)), DATA), 1),
        ((DATA,) * (_abi.ENF_MOUNTED_EACH + 1), _abi.ENF_MOUNTED_EACH),
    ],
)
def test_what_has_no_room_is_left_out_and_said(world, mounted, told):
    """Once; all others count."""
    full = attrs.evolve(ONE, mounted=mounted)

    world.mounts.tell([full])
    world.mounts.tell([full])

    assert told == len(world.session.there)
    assert {ONE.cgroup} == world.mounts.incomplete
    (said,) = world.said
    assert "not all mounts of the container /docker/a" in said
    world.mounts.tell([ONE])
    assert set() == world.mounts.incomplete


def test_what_found_the_table_full_is_told_once_there_is_room(world):
    """When another container goes."""
    two = attrs.evolve(ONE, cgroup=b"/docker/b", number=8)
    world.session.room = 1
    world.mounts.tell([ONE, two])
    world.mounts.tell([ONE, two])
    assert ({two.cgroup}, 1) == (world.mounts.incomplete, len(world.said))

    world.mounts.forget([two])
    world.mounts.tell([two])

    assert (set(), {(8, 0): DATA}) == (world.mounts.incomplete, world.session.there)


def test_a_root_in_the_usual_places_needs_no_entry():
    """Patterns have the host's names there."""
    usual = (b"/var/lib/containers/storage/overlay/a1/merged", b"")
    custom = (b"/srv/containers/vfs/dir/a1", b"")

    def told(*mounted: tuple[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
        return mounted_for(attrs.evolve(ONE, mounted=mounted)).names

    assert (DATA,) == told(usual, DATA)
    assert (custom, DATA) == told(custom, DATA)
    assert ((b"", b"/host"),) == told((b"", b"/host"))


def test_a_session_is_told_at_its_beginning_of_what_has_room():
    """Else it could not begin."""
    many = attrs.evolve(ONE, mounted=(DATA,) * _abi.ENF_MOUNTED_EACH)
    workloads = [
        attrs.evolve(many, number=n)
        for n in range(_abi.ENF_MOUNTED_MAX // _abi.ENF_MOUNTED_EACH + 3)
    ]

    told = told_at_once(workloads)

    assert _abi.ENF_MOUNTED_MAX == sum(len(each.names) for each in told)


def test_a_look_that_finds_nothing_new_costs_nothing(world):
    """The same tuple, in the same session."""
    found = (ONE,)
    world.mounts.follow(found)
    world.mounts.follow(found)
    assert 1 == world.session.writes

    world.mounts.follow(())
    assert {} == world.session.there
    world.mounts.follow(found)
    world.session = Kernel()
    world.mounts.follow(found)
    assert {(7, 0): DATA} == world.session.there
