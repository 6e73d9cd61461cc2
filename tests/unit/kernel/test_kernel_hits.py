# SPDX-License-Identifier: MIT
"""Counts of rows: what processors have in their slots and what they have added up is exact together."""

import os
import random
import struct
import threading
from collections import Counter
from contextlib import closing

import pytest

from enforcer import _abi
from enforcer.errors import EnforcerBug
from enforcer.kernel.maps import HitCounters, RowHits
from enforcer.libbpf import abi, calls
from enforcer.libbpf.handles import BpfObject

pytestmark = pytest.mark.kernel

_IO = struct.Struct("=IIIIQ")
ROWS = 256
SLOTS = _abi.ENF_HIT_SLOTS


class Rows:
    """The counting program, and the counters that a daemon reads."""

    def __init__(self, loaded: BpfObject) -> None:
        self._programs = loaded.programs
        fds = {name: entry.fd for name, entry in loaded.maps.items()}
        self.fds = fds
        self.counters = HitCounters.of(fds)

    def hit(
        self, row: int, generation: int, *, times: int = 1, step: int = 0, enforced: bool = True
    ):
        self._run("hits_of", row, step, times, int(enforced), generation)

    def fill(self, row: int, generation: int) -> None:
        self._run("hits_fill", row, 0, 0, 1, generation)

    def read(self, generation: int) -> dict[int, RowHits]:
        """The rows that have counts, as a daemon sees them that reads for the first time."""
        found = HitCounters.of(self.fds).read(generation, ROWS)
        return {row: hits for row, hits in enumerate(found) if hits != RowHits(0, 0)}

    def added(self) -> int:
        """How often a common count was written."""
        at = abi.STATS["HITS_ADDED"]
        return calls.percpu_sum(self.fds["stats"], at, 1, words=1)[0][0]

    def _run(self, name: str, *words: int) -> None:
        assert 0 == calls.run(self._programs[name].fd, _IO.pack(*words))[0]


@pytest.fixture
def rows(bpf, compiled):
    with closing(BpfObject.open(compiled("hits"), "hits")) as opened:
        opened.maps["hits"].set_max_entries(2 * ROWS)
        opened.load()
        yield Rows(opened)


@pytest.fixture
def one_processor():
    """Slots are a processor's."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_a_row_is_counted_by_what_came_of_it(rows):
    rows.hit(3, 1, times=5)
    rows.hit(3, 1, times=2, enforced=False)

    assert {3: RowHits(5, 2)} == rows.read(1)


def test_one_row_writes_nothing_that_others_share(rows, one_processor):
    """However often it decides, and beside rows that have other slots."""
    for row in range(SLOTS):
        rows.hit(row, 1, times=1000)

    assert 0 == rows.added()
    assert {row: RowHits(1000, 0) for row in range(SLOTS)} == rows.read(1)


def test_rows_that_share_a_slot_have_another(rows, one_processor):
    """By turns they write nothing that is shared."""
    rows.hit(1, 1, times=999, step=SLOTS)

    assert {1 + n * SLOTS: RowHits(250 - (n == 3), 0) for n in range(4)} == rows.read(1)
    assert 0 == rows.added()


def test_more_rows_than_slots_are_all_exact(rows, one_processor):
    """Then counts are added, and none is lost."""
    rows.hit(0, 1, times=10 * ROWS, step=1)
    rows.hit(0, 1, times=5 * ROWS, step=1, enforced=False)

    assert dict.fromkeys(range(ROWS), RowHits(10, 5)) == rows.read(1)
    assert rows.added()


def test_a_full_slot_goes_on_from_the_beginning(rows, one_processor):
    """Its count is added, and the next one begins."""
    most = (1 << _abi.ENF_HIT_COUNT_BITS) - 1
    rows.fill(7, 1)
    rows.hit(7, 1, times=3)

    assert {7: RowHits(most + 2, 0)} == rows.read(1)
    assert 1 == rows.added()


def test_a_settled_generation_does_not_come_back(rows, one_processor):
    """Slots that nobody has taken since then still have its counts, and its half is the next one's."""
    rows.hit(5, 1, times=10)
    rows.hit(6, 1, times=20)
    rows.hit(5, 2, times=1)
    assert {5: RowHits(10, 0), 6: RowHits(20, 0)} == rows.read(1)

    rows.counters.clear(3)
    rows.hit(6, 2, times=2)  # before 3 is active, and it takes the slot of 1
    rows.hit(5, 3, times=4)

    assert {5: RowHits(1, 0), 6: RowHits(2, 0)} == rows.read(2)
    assert {5: RowHits(4, 0)} == rows.read(3)


def test_what_was_read_once_is_not_less_later(rows):
    """Between two stores of a processor a count is in neither place."""
    rows.hit(9, 1, times=10)
    assert RowHits(10, 0) == rows.counters.read(1, ROWS)[9]
    calls.array_clear(rows.fds["hits"], 0, 2 * ROWS, words=2)
    for slot in range(SLOTS):
        nothing = bytes(8 * calls.possible_cpus())
        calls.update(rows.fds["hit_slots"], slot, nothing)

    assert RowHits(10, 0) == rows.counters.read(1, ROWS)[9]
    assert RowHits(0, 0) == rows.counters.read(3, ROWS)[9]


def test_counts_that_were_left_are_only_read(rows):
    left = {name: rows.fds[name] for name in ("hits", "hit_slots")}

    with pytest.raises(EnforcerBug, match="only read"):
        HitCounters.of(left).clear(2)


def test_any_order_of_rows_and_generations(rows):
    """Against a plain count: each generation is read when it is settled, two later."""
    choose = random.Random(7)
    counts: Counter[tuple[int, int, bool]] = Counter()
    generation = 1
    for _ in range(3000):
        if choose.random() < 0.02:
            before = generation - 1
            expected = {row for g, row, _ in counts if g == before}
            told = rows.read(before) if before else {}
            assert expected == set(told)
            for row, hits in told.items():
                assert counts[before, row, True] == hits.enforced
                assert counts[before, row, False] == hits.audited
            generation += 1
            rows.counters.clear(generation)
        of = generation - (choose.random() < 0.05 and generation > 1)
        row, enforced, times = choose.randrange(ROWS), choose.random() < 0.7, choose.randrange(1, 9)
        rows.hit(row, of, times=times, enforced=enforced)
        counts[of, row, enforced] += times


def test_many_at_once_lose_nothing(rows):
    """On all processors, also where one takes the slot of another in the middle."""
    times, each = 20_000, 6
    threads = [
        threading.Thread(target=rows.hit, args=(n, 1), kwargs={"times": times, "step": SLOTS})
        for n in range(each)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert each * times == sum(hits.enforced for hits in rows.read(1).values())
