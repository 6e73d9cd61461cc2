# SPDX-License-Identifier: MIT
"""The loop."""

import os
import selectors
import signal
import time
import weakref

import pytest

from enforcer.runtime.reactor import Reactor


@pytest.fixture
def loop():
    reactor = Reactor()
    yield reactor
    reactor.close()


def test_a_readable_descriptor_is_called(loop):
    """What is watched is called when it is ready, and no more once it is forgotten."""
    reader, writer = os.pipe()
    got = []
    loop.watch(reader, selectors.EVENT_READ, lambda _: got.append(os.read(reader, 1)))
    os.write(writer, b"ab")

    loop.turn(1)
    loop.forget(reader)
    loop.turn(0)

    assert got == [b"a"]
    os.close(reader)
    os.close(writer)


def test_forgetting_what_is_closed_is_no_error(loop):
    """Callers close in whatever order suits them."""
    reader, writer = os.pipe()
    loop.watch(reader, selectors.EVENT_READ, lambda _: None)
    os.close(reader)
    os.close(writer)

    loop.forget(reader)
    loop.forget(reader)


def test_timers_are_called_in_order():
    """The order is that of their times; cancelled ones are not called."""
    now = [0.0]
    loop = Reactor(clock=lambda: now[0])
    got = []
    loop.after(2, lambda: got.append("two"))
    loop.after(1, lambda: got.append("one"))
    loop.after(1.5, lambda: got.append("never")).cancel()

    loop.turn(0)
    now[0] = 3
    loop.turn(0)

    assert got == ["one", "two"]
    loop.close()


def test_a_cancelled_timer_holds_nothing():
    """It waits for its time all the same; what it would have called for does not."""

    class Caller:
        """Somebody who is answered, and gone."""

    loop = Reactor(clock=lambda: 0.0)
    caller = Caller()
    seen = weakref.ref(caller)
    timer = loop.after(10, lambda caller=caller: print(caller))
    del caller
    assert seen() is not None

    timer.cancel()

    assert seen() is None
    loop.close()


def test_the_clock_goes_on_while_the_machine_is_suspended():
    """As that does by which the kernel measures the time to confirm."""
    loop = Reactor()
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= loop.clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)
    loop.close()


def test_a_periodic_call_comes_again():
    """Each call arms the next."""
    now = [0.0]
    loop = Reactor(clock=lambda: now[0])
    got = []
    loop.every(1, lambda: got.append(now[0]))

    for second in (1, 2, 3):
        now[0] = float(second)
        loop.turn(0)

    assert got == [1.0, 2.0, 3.0]
    loop.close()


def test_a_signal_ends_the_loop(loop):
    """A signal is a call of the loop; the handlers from before come back afterwards."""
    before = signal.getsignal(signal.SIGUSR1)

    with loop.signals({signal.SIGUSR1: loop.stop}):
        os.kill(os.getpid(), signal.SIGUSR1)
        loop.run()

    assert loop.is_stopping
    assert signal.getsignal(signal.SIGUSR1) is before


def test_an_ignored_signal_stays_ignored(loop):
    """Under nohup a hang-up does not end enforcement."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with loop.signals({signal.SIGHUP: loop.stop}):
            os.kill(os.getpid(), signal.SIGHUP)
            loop.turn(0)
        assert not loop.is_stopping
    finally:
        signal.signal(signal.SIGHUP, before)


def test_who_asks_twice_changes_nothing(loop):
    """Between the end of the loop and that of the process a second SIGTERM is none."""
    before = signal.getsignal(signal.SIGUSR1)
    try:
        with loop.signals({signal.SIGUSR1: loop.stop}, spent=[signal.SIGUSR1]):
            os.kill(os.getpid(), signal.SIGUSR1)
            loop.run()
        os.kill(os.getpid(), signal.SIGUSR1)  # else this process would end
        assert loop.is_stopping
    finally:
        signal.signal(signal.SIGUSR1, before)
