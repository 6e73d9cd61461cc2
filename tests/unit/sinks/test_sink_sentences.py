# SPDX-License-Identifier: MIT
"""What a daemon says, to a reader that sleeps, comes back or is gone."""

import errno
import fcntl
import itertools
import os
import threading
from functools import partial

import attrs
import pytest
from patience import scaled

from enforcer.runtime.reactor import Reactor
from enforcer.sinks import lines as module
from enforcer.sinks.sentences import Sentences


@attrs.define
class Pager:
    """Reads a pipe when it is scrolled."""

    reader: int
    writer: int
    got: bytes = b""

    @classmethod
    def full(cls):
        made = cls(*os.pipe())
        made.fill()
        return made

    def fill(self):
        """Leave no room, of a pipe that is empty."""
        room = fcntl.fcntl(self.writer, fcntl.F_GETPIPE_SZ)
        os.write(self.writer, b"." * (room - 1) + b"\n")

    def scroll(self):
        self.got += os.read(self.reader, 1 << 20)

    @property
    def lines(self):
        """What came, but for what filled it."""
        return [line for line in self.got.decode().splitlines() if not line.startswith(".")]


@pytest.fixture
def pager():
    made = Pager.full()
    yield made
    for fd in (made.reader, made.writer):
        if fd >= 0:
            os.close(fd)


@pytest.fixture
def loop():
    reactor = Reactor()
    yield reactor
    reactor.close()


def scrolled(pager, loop, said):
    """Read while the loop turns, until everything has come."""
    while said.lines.held:
        pager.scroll()
        loop.turn(0)
    pager.scroll()
    return pager.lines


def test_a_reader_that_sleeps_keeps_no_loop(pager, loop):
    """Everything else goes on, and every sentence comes when it reads again."""
    got = []
    said = Sentences.to(pager.writer, loop)

    for number in range(100):
        said(f"sentence {number}")
    loop.after(0, lambda: got.append("timer"))
    loop.turn(0)

    assert ["timer"] == got
    assert [f"enforcer: sentence {n}" for n in range(100)] == scrolled(pager, loop, said)


def test_what_waits_comes_before_what_is_new(pager, loop):
    """And once all is said, the loop waits for the reader no more."""
    said = Sentences.to(pager.writer, loop)
    said("first")
    pager.scroll()

    said("second")
    loop.turn(0)
    said("third")

    assert set() == set(loop._selector.get_map())
    pager.scroll()
    assert ["enforcer: first", "enforcer: second", "enforcer: third"] == pager.lines


def test_what_was_dropped_is_told(pager, loop):
    """Once, behind the rest: how many more, and how many in all."""
    said = Sentences.to(pager.writer, loop)
    said.lines.backlog.limit = 1  # one is held whatever its size

    for number in range(10):
        said(f"sentence {number}")
    first = scrolled(pager, loop, said)
    pager.fill()
    said("one more")
    said("the last")
    second = scrolled(pager, loop, said)[len(first) :]

    drops = "enforcer: what this daemon says was read too slowly: {} of its sentences were dropped, {} in all"
    assert ["enforcer: sentence 9", drops.format("9 more", 9)] == first
    assert ["enforcer: the last", drops.format("1 more", 10)] == second


def test_the_end_waits_for_a_slow_reader(pager, loop):
    """The loop has ended, so nothing else is kept from anything."""
    said = Sentences.to(pager.writer, loop)
    said.patience = scaled(60)
    for number in range(100):
        said(f"sentence {number}")
    waiting = threading.Thread(target=pager.scroll)

    waiting.start()
    said.end()
    said("the last")
    waiting.join()

    pager.scroll()
    assert [*(f"enforcer: sentence {n}" for n in range(100)), "enforcer: the last"] == pager.lines


def test_the_end_does_not_wait_for_ever(pager, loop):
    """All that is said after it has one patience, which does not begin anew."""
    said = Sentences.to(pager.writer, loop)
    said("first")
    said.patience, said.clock = 0.01, partial(next, itertools.count())

    said.end()
    said("second")
    said.end()

    assert 0 == said.patience
    assert len("enforcer: first\nenforcer: second\n") == said.lines.held
    assert set() == set(loop._selector.get_map())


def test_a_reader_that_is_gone_is_no_error(pager, loop):
    """The loop neither fails nor is woken for it again and again."""
    said = Sentences.to(pager.writer, loop)
    said("first")
    os.close(pager.reader)
    pager.reader = -1

    loop.turn(0)
    said("second")

    assert set() == set(loop._selector.get_map())


def test_a_disk_that_was_full_gets_the_rest(tmp_path, loop, monkeypatch):
    """With the next sentence."""
    path = tmp_path / "said"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    said = Sentences.to(fd, loop)

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(module.os, "write", refuse)
        said("first")
    said("second")

    assert "enforcer: first\nenforcer: second\n" == path.read_text()
    os.close(fd)


def test_names_that_are_no_text_are_said_all_the_same(pager, loop):
    """As on standard error: by their bytes."""
    said = Sentences.to(pager.writer, loop)

    said(os.fsdecode(b"/srv/\xff"))

    assert ["enforcer: /srv/\\xff"] == scrolled(pager, loop, said)


def test_a_sentence_is_one_line_whatever_it_quotes():
    """A text of others begins no line of its own, and gives a terminal no command."""
    reader, writer = os.pipe()

    Sentences.to(writer)("'a\nenforcer: stopped by root\x1b[2J\u202e' is no label")
    os.close(writer)

    got = os.read(reader, 1 << 10)
    os.close(reader)
    assert b"enforcer: 'a\\nenforcer: stopped by root\\x1b[2J\\u202e' is no label\n" == got
