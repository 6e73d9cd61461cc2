# SPDX-License-Identifier: MIT
"""Processes that do not let their arguments be read."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest

from enforcer.identity import patience
from enforcer.identity.patience import MOST, PATIENCE, Readers
from enforcer.identity.process import Processes, read_some

STUCK = """
import os, sys
from pathlib import Path
from enforcer.identity.process import Processes
processes = Processes(proc=Path(sys.argv[1]))
"""


@pytest.fixture
def proc(tmp_path):
    """A /proc whose processes 1 to 9 do not answer, and whose others do; they let go at the end."""
    for pid in range(1, 13):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_bytes(b"%d (p) S 0 %b100 0\n" % (pid, b"0 " * 17))
        if pid < 10:
            os.mkfifo(folder / "cmdline")
        else:
            (folder / "cmdline").write_bytes(b"a\0b\0")
    yield tmp_path
    for fifo in tmp_path.glob("*/cmdline"):
        let_go(fifo)


def let_go(fifo):
    """End the read that waits for a writer, if one does."""
    with contextlib.suppress(OSError):
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))


def test_a_process_that_does_not_answer_is_asked_once(proc):
    """The others are read as before, in another thread."""
    processes = Processes(proc=proc)

    assert processes.cmdline(1, 100) is None
    assert 1 == processes.readers.unanswered
    assert (b"a", b"b") == processes.cmdline(10, 100)
    assert processes.cmdline(1, 100) is None
    assert 1 == processes.readers.unanswered


def test_another_process_of_that_number_is_asked(proc):
    """It is the start that tells them apart."""
    processes = Processes(proc=proc)
    assert processes.cmdline(1, 100) is None
    let_go(proc / "1" / "cmdline")
    (proc / "1" / "cmdline").unlink()
    (proc / "1" / "cmdline").write_bytes(b"new\0")

    assert (b"new",) == processes.cmdline(1, 101)


def test_facts_do_not_wait(proc):
    """Everything else about the process is known."""
    (proc / "1" / "exe").symlink_to("/bin/x")

    facts = Processes(proc=proc, ticks_per_second=100).facts(1, 1_000_000_000)

    assert (b"/bin/x", None) == (facts.exe, facts.cmdline)


def test_when_all_threads_hang_nothing_is_asked(proc):
    """It is counted, and a process that was not asked is asked later."""
    processes = Processes(proc=proc)
    for pid in range(1, MOST + 1):
        assert processes.cmdline(pid, 100) is None

    assert processes.cmdline(10, 100) is None
    assert MOST + 1 == processes.readers.unanswered
    with (proc / "1" / "cmdline").open("wb"):
        pass
    while processes.cmdline(10, 100) is None:
        os.sched_yield()
    assert (b"a", b"b") == processes.cmdline(10, 100)


def test_many_that_do_not_answer_cost_no_more_than_one(monkeypatch, proc):
    """The patience is for all of them; the second has nearly none left. It comes back with time."""
    now, waits = [50.0], []

    class Impatient(SimpleQueue):
        def get(self, **how):
            if "timeout" not in how:
                return super().get()
            waits.append(how["timeout"])
            now[0] += how["timeout"]
            raise Empty

    monkeypatch.setattr(patience, "SimpleQueue", Impatient)
    readers = Readers(read_some, clock=lambda: now[0], hangs=lambda _: True)

    for pid in (1, 2):
        with pytest.raises(TimeoutError):
            readers.ask(proc / str(pid) / "cmdline", 1)
    now[0] += 1.0
    with pytest.raises(TimeoutError):
        readers.ask(proc / "3" / "cmdline", 1)

    short = [0.001, 0.001]
    assert pytest.approx([PATIENCE, *short, 0.001, *short, PATIENCE, *short]) == waits


def test_who_waits_for_a_processor_does_not_hang(monkeypatch):
    """On a busy machine a thread comes late: it is waited for as long as it only has no processor, and not for ever."""
    now, told = [50.0], [False, False, False]

    class Late(SimpleQueue):
        def get(self, **how):
            if "timeout" in how:
                now[0] += how["timeout"]
                if told:
                    raise Empty
            return super().get()

    monkeypatch.setattr(patience, "SimpleQueue", Late)
    readers = Readers(
        lambda path, limit: b"x", clock=lambda: now[0], hangs=lambda thread: told.pop(0)
    )

    assert b"x" == readers.ask(Path("/"), 1)
    told += [False] * 5000
    with pytest.raises(TimeoutError):
        readers.ask(Path("/"), 1)
    assert told
    told[:] = [True, True, False, True, True]
    assert b"x" == readers.ask(Path("/"), 1)
    told[:] = [False, True, True, True, False]
    with pytest.raises(TimeoutError):
        readers.ask(Path("/"), 1)
    assert [False] == told


def test_who_waits_for_the_interpreter_does_not_hang():
    """Asleep as one that hangs, until whoever looks at it waits."""
    may, looks = threading.Event(), []

    def read(path, limit):
        may.wait(60)
        return b"x"

    def hangs(thread):
        may.set()
        looks.append(thread)
        return len(looks) == 1

    assert b"x" == Readers(read, hangs=hangs).ask(Path("/"), 1)
    assert looks


def test_what_this_thread_does_is_seen():
    """It runs; and what cannot be looked at counts as one that hangs."""
    assert not patience._hangs(threading.get_native_id())
    assert patience._hangs(None)


def test_one_thread_serves_all_reads():
    """None is started for a read; when the reader is gone, it ends."""
    seen = set()

    def read(path, limit):
        seen.add(threading.current_thread())
        return b"x" * limit

    readers = Readers(read)

    assert [b"xx"] * 50 == [readers.ask(Path("/"), 2) for _ in range(50)]
    (thread,) = seen
    del readers
    thread.join(60)
    assert not thread.is_alive()


def test_it_rests_before_a_fork():
    """A thread that waits for work is no part of what is forked; the next read has another."""
    seen = []

    def read(path, limit):
        seen.append(threading.current_thread())
        return b""

    readers = Readers(read)
    readers.ask(Path("/"), 1)
    readers.rest()

    assert not seen[0].is_alive()
    assert b"" == readers.ask(Path("/"), 1)
    assert seen[0] is not seen[1]


def test_a_fork_has_no_thread_that_can_work(proc):
    """Both go on reading, also while one thread hangs."""
    code = (
        STUCK
        + """
import threading
assert processes.cmdline(1, 100) is None
assert processes.cmdline(10, 100) == (b"a", b"b")
pid = os.fork()
if not pid:
    assert threading.active_count() == 1, threading.enumerate()
    os._exit(0 if processes.cmdline(10, 100) == (b"a", b"b") else 1)
assert os.waitpid(pid, 0)[1] == 0
assert threading.active_count() == 2, threading.enumerate()
assert processes.cmdline(10, 100) == (b"a", b"b")
"""
    )
    subprocess.run([sys.executable, "-c", code, proc], check=True, timeout=120)


def test_a_thread_that_hangs_does_not_keep_the_process(proc):
    """It ends at once, and in order."""
    code = STUCK + "assert processes.cmdline(1, 100) is None\nprint('end')\n"

    ended = subprocess.run(
        [sys.executable, "-c", code, proc], check=True, timeout=120, capture_output=True, text=True
    )

    assert ("end\n", "") == (ended.stdout, ended.stderr)


def test_no_thread_is_left_when_the_interpreter_ends(proc):
    """One that the interpreter ends in the middle of its work can abort the process."""
    code = (
        STUCK
        + """
assert processes.cmdline(10, 100) == (b"a", b"b")
assert threading.active_count() == 2
"""
    )
    # What is registered first runs last.
    check = "import atexit, threading\natexit.register(lambda: print(threading.active_count()))\n"

    ended = subprocess.run(
        [sys.executable, "-c", check + code, proc],
        check=True, timeout=120, capture_output=True, text=True,
    )  # fmt: skip

    assert ("1\n", "") == (ended.stdout, ended.stderr)
