# SPDX-License-Identifier: MIT
"""Arguments in one piece: they are what the tuple of words was, and take little more than their bytes."""

import os
import sys
import tracemalloc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kept import kept

from enforcer.identity.lineage import Lineage
from enforcer.identity.process import Processes
from enforcer.identity.words import Texts, Words
from enforcer.safe_text import readable

FAT = b"sh\0-c\0" + b"ab\0" * 1363
"""The command line of 4,096 bytes that has the most words which are no single letters."""

MOST = 2 * len(FAT)
"""Bytes that one may take: as a tuple of words it takes twenty times its own."""


@given(st.binary(max_size=60))
def test_words_are_those_between_the_ends(raw):
    """Whether or not the last one has its end."""
    expected = tuple(raw.removesuffix(b"\0").split(b"\0"))

    words = Words.ended(raw)

    for _ in range(2):  # the second time a few may be remembered
        assert (expected, len(expected)) == (words, len(words))
        assert tuple(map(readable, expected)) == words.shown
        assert [*expected] == words.split() == [*words]
    assert hash(expected) == hash(words)


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0"), max_size=9), max_size=40))
def test_texts_are_packed_as_they_are(texts):
    """Also none, empty ones, and letters of every alphabet."""
    packed = Texts.of(texts)

    assert tuple(texts) == packed
    assert bool(texts) == bool(packed)
    assert packed is Texts.of(packed)


def test_looking_at_words_changes_nothing():
    """A list of them belongs to whoever asked."""
    words = Words.of([b"a", b"b"])

    words.split().append(b"c")

    assert ((b"a", b"b"), b"b", [b"a"]) == (words, words[-1], words[:1])
    assert words != Words.of([b"a"])
    assert words != words.shown
    assert not Words(b"")


@pytest.fixture
def live(tmp_path):
    """Lets a process of a /proc live, with arguments."""

    def begin(pid, words, *, parent=0, start=0):
        folder = tmp_path / str(pid)
        folder.mkdir(exist_ok=True)
        stat = b"%d (p) S %d %b%d 0\n" % (pid, parent, b"0 " * 17, start)
        (folder / "stat").write_bytes(stat)
        (folder / "cmdline").write_bytes(words)

    return begin


def start_ns(ticks):
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def test_long_command_lines_of_many_processes_take_their_bytes(tmp_path, live):
    """What is remembered of each is bounded in bytes, however many words it is made of."""
    processes = Processes(proc=tmp_path)
    with kept() as size:
        for pid in range(1, 301):
            live(pid, FAT)
            assert processes.facts(pid, 0).cmdline[-1] == b"ab"

        assert 300 * len(FAT) < size() < 300 * MOST


def test_long_command_lines_of_parents_take_their_bytes(tmp_path, live):
    """As texts, too."""
    lineage = Lineage(Processes(proc=tmp_path))
    with kept() as size:
        for pid in range(1, 301):
            live(pid, FAT)
            assert lineage.above(pid, 0).ancestors[0].cmdline[-1] == "ab"

        assert 300 * len(FAT) < size() < 300 * MOST


def test_paths_of_ancestors_take_their_bytes(tmp_path, live):
    """As they are: one character makes each of a text take four bytes, and a strange byte is four characters."""
    lineage = Lineage(Processes(proc=tmp_path))
    path = b"/" + b"e" * 4000 + "\N{PILE OF POO}".encode()
    for pid in range(1, 61):
        live(pid, b"sh\0")
        (tmp_path / f"{pid}/exe").symlink_to(os.fsdecode(path))
    tracemalloc.start()
    found = [lineage.above(pid, 0).ancestors[0] for pid in range(1, 61)]
    assert {readable(path)} == {each.exe for each in found}
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert 60 * len(path) < taken < 60 * 2 * len(path)


def test_short_words_of_wide_characters_are_not_kept_split():
    """Records keep the arguments of all ancestors, and a few short ones could take 16 times their bytes."""
    raw = b"\xff" * 400 + "\N{PILE OF POO}".encode() + b"\0"
    with kept() as size:
        found = [Words.ended(b"%d" % number + raw).shown for number in range(300)]
        assert all("\\xff" in each[0] for each in found)

        assert size() < 300 * 3 * len(raw)


@pytest.mark.parametrize("raw", [b"\0", b"sh\0-c\0", b"ab\0" * 15, FAT, "ä\0".encode() * 15])
def test_words_take_about_what_they_weigh(raw):
    """Once somebody has looked at them."""
    raws = [b"%d" % number + raw for number in range(100, 200)]
    with kept() as size:
        found = [Texts(raw) for raw in raws]
        assert all(each.split() is not None for each in found)
        taken = size() + sum(map(sys.getsizeof, raws))

    assert taken / 2 < sum(each.weight for each in found) < 3 * taken


def test_what_ancestors_were_is_not_kept_for_each_of_their_descendants(tmp_path, live):
    """One that changes each second is remembered as it is, not once for each process that it began."""
    now = [50.0]
    lineage = Lineage(Processes(proc=tmp_path), clock=lambda: now[0])
    known = []
    for pid in range(2, 22):
        live(1, b"%d\0" % pid + FAT)
        live(pid, b"sh\0", parent=1)
        first = lineage.above(pid, 0).ancestors[1]
        assert first.cmdline[0] == str(pid)
        known.append(weakref.ref(first))
        now[0] += 1.0
    del first

    assert sum(each() is not None for each in known) == 1
    assert lineage.above(2, 0).ancestors[1].cmdline[0] == "21"


def test_an_ancestor_that_has_not_changed_is_the_same_for_all_records(tmp_path, live):
    """It is read again each second, and records of an hour hold one."""
    now = [50.0]
    lineage = Lineage(Processes(proc=tmp_path), clock=lambda: now[0])
    live(1, FAT)
    (before,) = lineage.above(1, start_ns(0)).ancestors
    now[0] += 1.5

    assert lineage.above(1, start_ns(0)).ancestors[0] is before
