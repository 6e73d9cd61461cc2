# SPDX-License-Identifier: MIT
"""Tables of rows say what they were told, row by row, and take little room."""

import json
import pickle
import tracemalloc

import attrs
import pytest

from enforcer.events.enrich import Origins
from enforcer.events.rows import OldRows, RowTable
from enforcer.events.types import Origin

EVERYTHING = Origin(
    "vault",
    "no-writes",
    "/etc/enforcer/vault.yaml:9:3",
    "{process} wrote \u00fc\0\ud800 {path}",
    severity="high",
    tags=("a", "b"),
    syscall="openat2",
    asked=("vault/m",),
    point="lsm file_open",
    operands=(("flags", 0, "unsigned"), ("name", 1, "text")),
)
ORIGINS = (
    EVERYTHING,
    Origin("vault", "other", "/etc/enforcer/vault.yaml:19:3"),
    EVERYTHING,
    Origin("p", "", ""),
    Origin("p:1", "r\0:7", "a:b:c"),
    Origin("p", "r", "12:3:45", ""),
    Origin("p", "r", "::7"),
)


def many(number):
    return [
        Origin("part", f"rule-{n // 2}", f"/etc/enforcer/part.yaml:{n // 2}:7")
        for n in range(number)
    ]


def test_what_was_put_in_comes_out():
    """Whatever names and places look like."""
    table = RowTable.of(ORIGINS)

    assert ORIGINS == tuple(table)
    assert len(ORIGINS) == len(table)
    assert (ORIGINS[-1], ORIGINS[1:3]) == (table[-1], table[1:3])


@pytest.mark.parametrize("row", [len(ORIGINS), -1 - len(ORIGINS)])
def test_a_row_that_is_not_there_is_an_index_error(row):
    with pytest.raises(IndexError):
        RowTable.of(ORIGINS)[row]


def test_no_rows_are_a_table():
    assert () == tuple(RowTable.of(()))
    assert RowTable() == RowTable.of(())


def test_tables_of_the_same_rows_are_equal():
    """That is how a reload knows that nothing has changed."""
    assert RowTable.of(ORIGINS) == RowTable.of(ORIGINS)
    assert RowTable.of(ORIGINS) != RowTable.of(reversed(ORIGINS))
    for field in attrs.fields(Origin):
        other = attrs.evolve(EVERYTHING, **{field.name: ORIGINS[1].tags or "x"})
        assert RowTable.of([EVERYTHING]) != RowTable.of([other]), field.name


@pytest.mark.parametrize(
    "again",
    [
        lambda table: pickle.loads(pickle.dumps(table)),
        lambda table: RowTable.from_dict(json.loads(json.dumps(table.as_dict()))),
    ],
)
def test_a_table_that_was_sent_is_the_same(again):
    table = RowTable.of(ORIGINS)

    assert table == again(table)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", "AAA="),  # half a row
        ("rows", "/////w=="),  # an origin that is not there
        ("rows", "no base64"),
        ("origins", "AAAA"),
        ("texts", "[]" * 50),
        ("texts", "\u00fc"),
    ],
)
def test_what_is_no_table_is_refused_when_it_is_read(name, value):
    """And not when a record is made of it."""
    with pytest.raises((ValueError, TypeError)):
        RowTable.from_dict({**RowTable.of(ORIGINS).as_dict(), name: value})


def test_a_table_is_smaller_than_its_rows():
    """By an order of magnitude; pairs of rows are from one rule, as a rule and its guard are."""

    def size(make):
        tracemalloc.start()
        kept = make()
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(kept) == 4000
        return taken

    assert size(lambda: RowTable.of(many(4000))) * 8 < size(lambda: many(4000))


def test_an_old_table_is_smaller_still_and_the_same_when_it_is_opened():
    table = RowTable.of(ORIGINS)
    large = RowTable.of(many(4000))

    assert table == OldRows.of(table).open()
    assert len(table) == len(OldRows.of(table))
    assert len(pickle.dumps(OldRows.of(large))) * 3 < len(pickle.dumps(large))


def test_rows_of_late_are_found_when_their_table_was_put_away():
    """Whatever the order in which records of several images come."""
    tables = {n: RowTable.of([Origin("p", f"r{n}", f"p:{n}:1")] * 2) for n in range(1, 6)}
    origins = Origins(dict(tables))

    origins.keep({4, 5})

    for number in (1, 2, 1, 5, 3, 4, 2):
        assert f"r{number}" == origins.find(number, 1).rule
        assert tables[number] == origins.table(number)
    assert "-" == origins.find(1, 2).policy
    origins.keep({5})
    assert ["r1", "r4", "r5"] == [origins.find(number, 0).rule for number in (1, 4, 5)]
