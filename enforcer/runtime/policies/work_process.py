# SPDX-License-Identifier: MIT
"""
A process for one piece of work, of which nothing can befall this one.

That the work cannot be begun, and that whoever does it comes to an end, are errors like those of the work: a daemon
whose memory is short for a moment goes on with what is active.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import resource
import select
import signal
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import attrs

from enforcer.errors import EnforcerError
from enforcer.libbpf.child import end_with
from enforcer.own_memory import address_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Limits", "WorkEnded", "apart"]

_T = TypeVar("_T")
_IDLE: Final = 100  # milliseconds between two looks at what else there is to do
_LAST_WORDS: Final = 0.5  # seconds that telling of a bug may take
_HEAD: Final = struct.Struct("Q")
"""In front of each message: its length in bytes."""
_PIECE: Final = 1 << 20
_OOM_SCORE: Final = Path("/proc/self/oom_score_adj")


@attrs.frozen
class Limits:
    """
    What a process may take.

    Attributes:
        seconds: of a processor, so that it does not matter how busy the machine is.
        memory: bytes beside what the process has when it begins.
    """

    seconds: int
    memory: int


class WorkEnded(EnforcerError):
    """
    The process came to an end without an answer.

    *ending* says by what, and *is_late* whether it had used up its seconds.
    """

    def __init__(self, code: int | None) -> None:
        self.ending = _ending(code)
        self.is_late = code == -signal.SIGXCPU
        super().__init__(
            f"the process that works on policies ended without an answer ({self.ending}): "
            "is memory short?"
        )


def apart(
    work: Callable[[], _T],
    idle: Callable[[], None],
    limits: Limits | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> _T:
    """
    Do *work* in a process of its own.

    Args:
        work: what it returns or raises is sent to this process.
        idle: is called now and then meanwhile.
        limits: what the process may take; None: as much as this one.
        report: gets a sentence if the machine does not let the process have *limits*, also if it comes to an end.

    Raises:
        WorkEnded: the process came to an end, for example because it exceeded *limits*.
        EnforcerError: of *work*; or there can be no process.
    """
    try:
        # Sockets: the end of a pipe that is read could be opened for writing in /proc/PID/fd, and what is read is
        # believed.
        here, there = socket.socketpair()
    except OSError as error:
        raise _not_begun(error) from error
    with here:
        with there:
            child = _forked(work, here, there, limits)
        is_ending = False
        try:
            if refused := _received(here, idle):
                report(
                    "this machine refuses limits to the process that compiles policies, so one policy can use up "
                    f"memory and time of all: {refused.decode()}"
                )
            answer = _received(here, idle)
            is_ending = answer is None
        finally:
            here.close()
            if not is_ending:  # it does nothing more that could be missed
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            code = _ended(child)
    if answer is None:
        raise WorkEnded(code)
    found: Any = pickle.loads(answer)  # noqa: S301 - from our own child
    if isinstance(found, EnforcerError):
        raise found
    made: _T = found
    return made


def _forked(
    work: Callable[[], object], here: socket.socket, there: socket.socket, limits: Limits | None
) -> int:
    # fork: what is read is what this process would read, and nothing is imported again. Not by multiprocessing.Process,
    # which keeps four descriptors open for good where there can be no process.
    parent = os.getpid()
    with _interrupts_wait():
        try:
            child = os.fork()
        except OSError as error:
            raise _not_begun(error) from error
        if not child:
            _serve(work, parent, here, there, limits)
    return child


def _not_begun(error: OSError) -> EnforcerError:
    return EnforcerError(
        f"a process that works on policies cannot be begun: {error.strerror}: "
        "are memory, processes or descriptors short?"
    )


@contextlib.contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C wait: it must not meet the new process before :func:`_serve` ignores it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _received(here: socket.socket, idle: Callable[[], None]) -> bytes | None:
    """Return the next message; None if whoever writes it ended before it was whole."""
    poll = select.poll()
    poll.register(here, select.POLLIN)
    while not poll.poll(_IDLE):
        idle()
    try:
        head = _exactly(here, _HEAD.size)
        return None if head is None else _exactly(here, _HEAD.unpack(head)[0])
    except OSError:
        return None


def _exactly(here: socket.socket, length: int) -> bytes | None:
    found = bytearray()
    while len(found) < length:
        piece = here.recv(min(_PIECE, length - len(found)))
        if not piece:
            return None
        found += piece
    return bytes(found)


def _ended(child: int) -> int | None:
    """Wait until *child* has ended, and return its exit code, or a signal as a number below zero."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except (
        ChildProcessError
    ):  # whoever started this process ignores SIGCHLD: it has ended all the same
        return None


def _ending(code: int | None) -> str:
    if code is None:
        return "nobody says how"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


# ---- In the process ---------------------------------------------------------------------------


def _serve(
    work: Callable[[], object],
    parent: int,
    here: socket.socket,
    there: socket.socket,
    limits: Limits | None,
) -> NoReturn:
    """Do *work*, write what comes of it, and end, whatever happens."""
    code = 1
    try:
        _settle(parent, here)
        _send(there, "; ".join(_limited(limits)).encode())
        answer: object
        try:
            answer = work()
        except EnforcerError as error:
            answer = error
        _send(there, pickle.dumps(answer))
        code = 0
    except BaseException as bug:  # noqa: BLE001 - it costs this process and nothing else
        if limits is not None and isinstance(bug, MemoryError):
            os._exit(code)  # as was to be expected
        import traceback  # noqa: PLC0415 (for bugs)

        # A standard error that nobody reads may never take this. So nobody waits for the answer any more, and then not
        # for long: the signal ends the process.
        there.close()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _LAST_WORDS)
        traceback.print_exception(bug)
    finally:
        os._exit(code)  # nothing of the parent's is to be ended in order here


def _settle(parent: int, here: socket.socket) -> None:
    """Be a process of its own."""
    # A daemon that is killed must not leave this with its lock, and with the programs that are attached. It would stay
    # for ever where it waits until somebody reads what it holds the other end of itself.
    here.close()
    end_with(parent)
    # The parent's wake-up socket is shared: a signal to this process must not look like one to it.
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # A model of ten thousand rules is millions of objects in no cycle, looked through again and again
    # while it grows: a fifth of the time. The process ends before that could be missed.
    gc.disable()


def _send(there: socket.socket, message: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
        there.sendall(_HEAD.pack(len(message)))
        there.sendall(message)


def _limited(limits: Limits | None) -> Iterator[str]:
    """Let this process have no more than *limits*, and be no dearer than others; yield what the machine refuses."""
    try:
        # The daemon may be the last that the kernel ends if memory is short. This process can be begun again.
        if int(_OOM_SCORE.read_text("ascii")) < 0:
            _OOM_SCORE.write_text("0", "ascii")
    except OSError as error:
        yield f"{_OOM_SCORE}: {error.strerror}"
    if limits is None:
        return
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)  # whoever started the daemon may ignore it
    for name, number in (
        ("RLIMIT_AS", address_space() + limits.memory),
        ("RLIMIT_CPU", limits.seconds),
        ("RLIMIT_CORE", 0),  # whoever exceeds the others leaves none
    ):
        kind = getattr(resource, name)
        try:
            hardest = resource.getrlimit(kind)[1]
            if hardest == resource.RLIM_INFINITY or number < hardest:
                # The hard limit of seconds stays: at that one the kernel kills, and does not say why.
                resource.setrlimit(kind, (number, hardest))
        except (OSError, ValueError) as error:
            yield f"{name}: {error}"
