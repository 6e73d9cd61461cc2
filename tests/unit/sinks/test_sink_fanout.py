# SPDX-License-Identifier: MIT
"""Sinks that fail for themselves."""

import errno
import os

from fakes import FakeSink, record

from enforcer.sinks.fanout import Fanout
from enforcer.sinks.spec import FileOutput


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fanout(*sinks):
    said = []
    now = [100.0]
    made = Fanout.to(sinks, said.append)
    made.clock = lambda: now[0]
    return made, said, now


def test_every_sink_gets_every_record():
    """One sink's failure is no other's."""
    bad, good = FakeSink("bad", error=full()), FakeSink("good")
    out, said, _ = fanout(bad, good)

    out.write(record())
    out.flush()

    assert (1, 1) == (len(bad.records), good.flushes)
    assert len(said) == 1
    assert said[0].startswith("bad: No space left on device: ")


def test_a_failure_is_said_once_and_so_is_its_end():
    """Not one sentence per record."""
    sink = FakeSink("log", error=full())
    out, said, now = fanout(sink)

    for _ in range(10):
        out.flush()
        now[0] += 10
    sink.error = None
    out.flush()
    out.flush()

    assert len(said) == 2
    assert said[1] == "log: works again, 0 records lost"
    assert out.outlets[0].failures == 10


def test_a_failing_sink_is_left_alone_for_a_growing_while():
    """Trying again waits longer each time, up to a bound."""
    sink = FakeSink(error=full())
    out, _, now = fanout(sink)
    pauses = []

    for _ in range(9):
        out.flush()
        pauses.append(out.next_due() - now[0])
        out.flush()
        now[0] = out.next_due()

    wanted = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert all(0 <= p - w + 1e-6 <= 0.06 for w, p in zip(wanted, pauses, strict=True))
    assert sink.flushes == 9


def test_a_slow_reader_is_no_failure():
    """Nothing is said and nothing counted; it is tried again soon."""
    sink = FakeSink(error=BlockingIOError(errno.EAGAIN, "slow"))
    out, said, now = fanout(sink)

    out.flush()

    assert said == []
    assert out.outlets[0].failures == 0
    assert now[0] < out.next_due() < now[0] + 0.1


def test_losses_are_told_at_the_end():
    """Closing says what never arrived."""
    sink = FakeSink("log", dropped=3)
    out, said, _ = fanout(sink)

    out.close()

    assert sink.is_closed
    assert said == ["log: 3 records were lost"]


def test_reopening_is_for_every_sink_and_one_failure_is_told():
    """A log that cannot be opened anew keeps its old file; the others have new ones."""
    bad, good = FakeSink("bad", error=full()), FakeSink("good")
    out, said, _ = fanout(bad, good)

    out.reopen()

    assert (1, 1) == (bad.reopens, good.reopens)
    assert said[0] == (
        "bad: cannot be reopened, records still go to the old file: No space left on device"
    )


def test_a_new_file_is_tried_at_once():
    """The pause after a failure was for the old file."""
    sink = FakeSink("log", error=full())
    out, said, _ = fanout(sink)
    out.flush()
    sink.error = None

    out.reopen()

    assert out.next_due() is None
    assert said[-1] == "log: works again, 0 records lost"


def test_a_log_whose_folder_is_gone_fails_until_it_is_back(tmp_path):
    """It is told once, counted as failing all the time, and every record is in the old file at once."""
    folder = tmp_path / "folder"
    folder.mkdir()
    sink = FileOutput(path=folder / "log").open()
    out, said, now = fanout(sink)
    sink.transport.clock = lambda: now[0]
    moved = folder.rename(tmp_path / "moved")
    now[0] += 2

    for number in range(40):
        out.write(record())
        out.flush()
        assert out.outlets[0].is_failing
        assert number + 1 == len((moved / "log").read_text().splitlines())
        now[0] += 0.3

    (told,) = said
    assert told.endswith("No such file or directory: trying again; records go on to the old file")
    assert out.outlets[0].failures < 10  # it is tried again as seldom as any other
    folder.mkdir()
    now[0] = out.next_due()
    out.flush()
    assert not out.outlets[0].is_failing
    assert 2 == len(said)
    assert said[1].endswith("works again, 0 records lost")
    out.close()
