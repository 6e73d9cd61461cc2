# SPDX-License-Identifier: MIT
"""The loop."""

import itertools
import os
import selectors
import signal
import time
import weakref
from functools import partial

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


def test_signals_in_a_row_are_one(loop):
    """More than the loop can be woken by come while something takes long: what ends it is not lost, and is first."""
    got = []

    def take_long():
        for _ in range(2000):
            os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGUSR1)

    def end():
        got.append("end")
        loop.stop()

    with loop.signals({signal.SIGUSR2: end, signal.SIGUSR1: lambda: got.append("other")}):
        loop.after(0, take_long)
        for _ in range(3):
            loop.turn(0)

    assert ["end"] == got


def test_all_else_has_its_turn_between_two_calls_of_a_signal():
    """Each call takes so long that the signal has come again, many times: timers are called as before."""
    loop = Reactor(clock=partial(next, itertools.count()))
    got = []

    def again():
        got.append("signal")
        for _ in range(300):
            os.kill(os.getpid(), signal.SIGUSR1)

    with loop.signals({signal.SIGUSR1: again}):
        os.kill(os.getpid(), signal.SIGUSR1)
        loop.every(0, lambda: got.append("timer"))
        for _ in range(5):
            loop.turn(0)

    assert ["signal", "timer"] * 5 == got
    loop.close()


def test_a_signal_that_comes_while_it_is_called_for_is_called_for_again(loop):
    """The loop wakes for it: nobody else need come."""
    got = []

    def call():
        got.append("signal")
        if len(got) < 3:
            os.kill(os.getpid(), signal.SIGUSR1)
        else:
            loop.stop()

    with loop.signals({signal.SIGUSR1: call}):
        os.kill(os.getpid(), signal.SIGUSR1)
        loop.run()

    assert ["signal"] * 3 == got


def test_a_signal_of_the_middle_of_a_turn_wakes_the_loop(loop, monkeypatch):
    """Its byte was read with those before it, and its handler ran only after the loop had looked."""
    noted = []
    real = signal.signal
    monkeypatch.setattr(
        signal, "signal", lambda number, handler: noted.append(handler) or real(number, handler)
    )

    with loop.signals({signal.SIGUSR1: loop.stop}):
        noted[0](signal.SIGUSR1, None)  # as the interpreter does then, without a byte of its own
        loop.turn(0)

    assert loop.is_stopping


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_that_is_held_is_obeyed_by_the_loop(number):
    """It comes once it is known what it means; nothing that was begun before is left in the middle."""
    reactor, before = Reactor(), signal.getsignal(number)
    reactor.hold_signals()
    reactor.hold_signals()
    os.kill(os.getpid(), number)

    with reactor.signals({number: reactor.stop}):
        reactor.run()

    reactor.release_signals()
    assert before is signal.getsignal(number)
    reactor.close()


def test_a_signal_that_is_held_comes_to_who_was_there(loop):
    """Where the loop did not begin, it means what it meant before."""
    got = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: got.append(number))
    try:
        loop.hold_signals()
        os.kill(os.getpid(), signal.SIGUSR1)
        assert [] == got
        loop.release_signals()
        loop.release_signals()
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert [signal.SIGUSR1] == got
