# SPDX-License-Identifier: MIT
"""Records that wait outside of the rings: the engine's own program moves them, and a successor reads them."""

from __future__ import annotations

import os
from contextlib import closing

import pytest
from fakes import DECODER, raw_event

from enforcer import _abi
from enforcer.errors import KernelError
from enforcer.kernel import loader
from enforcer.kernel.image_map import ImageMap
from enforcer.kernel.programs import TELL_REPEATS
from enforcer.kernel.repeats import MAP, Repeats, left_records
from enforcer.kernel.ringbuf import RingBuffer
from enforcer.libbpf import abi, calls

pytestmark = pytest.mark.kernel

_TURN = 1 << _abi.ENF_REPEATS_TURN_AT
_WHOLE = _abi.ENF_REPEATS_TAKEN | _abi.ENF_REPEATS_WHOLE
_OTHERS = _abi.ENF_REPEATS_DECISIONS  # the first entry of the other ring's part
_RING = 1 << 16


def entry(state: int, *, last_ns: int = 0, pid: int = 1, path: bytes = b"/x") -> bytes:
    """Make a ``struct enf_repeats``."""
    head = bytearray(abi.offsetof("enf_repeats", "event"))
    for field, value in (("state", state), ("last_ns", last_ns)):
        at, size = abi.place("enf_repeats", field)
        head[at : at + size] = value.to_bytes(size, "little")
    return (bytes(head) + raw_event(pid=pid, path=path)).ljust(abi.sizeof("enf_repeats"), b"\0")


class Table:
    """The engine's maps with the one program, loaded without any hook."""

    def __init__(self, opened):
        self.fds = {name: each.fd for name, each in opened.maps.items()}
        self.repeats = Repeats(opened.programs[TELL_REPEATS].fd, clock=lambda: self.now)
        self.ring = RingBuffer.open(self.fds["decisions"], self.fds["activity"])
        self.now = 0.0

    def put(self, at, state, **values):
        calls.update(self.fds[MAP], at, entry(state, **values))

    def state(self, at):
        return int.from_bytes(
            calls.lookup(self.fds[MAP], at, abi.sizeof("enf_repeats"))[:8], "little"
        )

    def drain(self):
        return [DECODER.decode(raw) for raw in self.ring.drain()]


@pytest.fixture
def table(bpf):
    with (
        closing(ImageMap.holding(bytes(4096), 4096)) as model,
        closing(loader.open_object(loader.ENGINE)) as opened,
    ):
        for name, program in opened.programs.items():
            program.set_autoload(enabled=name == TELL_REPEATS)
        loader.configure(opened, loader.Sizes(image=4096, rows=1, rings=(_RING, _RING)))
        loader.load_with_image(opened, 4096, model=model.fd)
        made = Table(opened)
        yield made
        made.ring.close()


def test_an_empty_table_tells_nothing(table):
    assert 0 == table.repeats.tell()
    assert [] == table.drain()
    assert [] == list(left_records(table.fds[MAP]))


def test_what_is_whole_is_told_once(table):
    """With its number and the last moment; the next in its place has another turn."""
    table.put(3, _WHOLE | 41 | 7 * _TURN, last_ns=5000, pid=3, path=b"/a")
    table.put(4, _WHOLE, last_ns=1000, pid=4)

    assert 2 == table.repeats.tell()
    assert [(3, 41, 5000, b"/a"), (4, 0, 0, b"/x")] == [
        (event.pid, event.repeats, event.last_ns, event.path) for event in table.drain()
    ]
    assert 8 * _TURN == table.state(3)
    assert 1 * _TURN == table.state(4)
    assert 0 == table.repeats.tell()


def test_what_is_being_written_waits(table):
    """Its record is not whole, and stays its writer's."""
    table.put(3, _abi.ENF_REPEATS_TAKEN)

    assert 0 == table.repeats.tell()
    assert [] == table.drain() == list(left_records(table.fds[MAP]))
    assert _abi.ENF_REPEATS_TAKEN == table.state(3)


def test_denials_come_first_each_part_has_its_ring(table):
    table.put(_OTHERS, _WHOLE, pid=20)
    table.put(_OTHERS - 1, _WHOLE, pid=10)

    assert 2 == table.repeats.tell()
    assert [10, 20] == [event.pid for event in table.drain()]


def test_what_a_full_ring_has_no_room_for_stays(table):
    """And is told the next time, with what has been counted meanwhile."""
    many = _abi.ENF_REPEATS_DECISIONS
    for at in range(many):
        table.put(at, _WHOLE | at, pid=at + 1)
    told = table.repeats.tell()
    assert 0 < told < many
    assert _WHOLE | (many - 1) == table.state(many - 1)

    found = []
    while batch := table.drain():
        found += batch
        table.repeats.tell()

    assert [(at + 1, at) for at in range(many)] == [(event.pid, event.repeats) for event in found]


def test_a_successor_reads_what_is_left(table):
    """The same records as those that the program would have told, from the map alone."""
    table.put(3, _WHOLE | 41, last_ns=5000, pid=3, path=b"/a")
    table.put(_OTHERS, _WHOLE, last_ns=7, pid=20)

    left = [DECODER.decode(raw) for raw in left_records(table.fds[MAP])]
    table.repeats.tell()

    assert left == table.drain()


def test_they_are_due_some_times_a_second(table):
    """In a flood the rings are never empty."""
    table.now = 100.0
    assert table.repeats.is_due
    table.repeats.tell()
    assert not table.repeats.is_due
    table.now = 100.24
    assert not table.repeats.is_due
    table.now = 100.26
    assert table.repeats.is_due


def test_a_program_that_is_none_is_an_error(bpf):
    with pytest.raises(KernelError):
        Repeats(os.open("/dev/null", os.O_RDONLY)).tell()


@pytest.mark.parametrize("ring", ["decisions", "activity"])
def test_a_ring_is_crowded_from_three_quarters_on(bpf, ring):
    """Of whatever size it has."""
    with closing(loader.open_object(loader.ENGINE)) as opened:
        loader.set_constants(opened, loader.Sizes(image=4096, rows=1, rings=(1 << 16, 1 << 18)))
        sizes = {"decisions": 1 << 16, "activity": 1 << 18}
        assert sizes[ring] * 3 // 4 == opened.get_constant(f"enf_crowded_{ring}")
        loader.set_constants(opened, loader.Sizes(image=4096, rows=1))
        assert opened.maps[ring].max_entries * 3 // 4 == opened.get_constant(f"enf_crowded_{ring}")
