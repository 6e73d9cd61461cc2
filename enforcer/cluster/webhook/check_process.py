# SPDX-License-Identifier: MIT
"""
Checks in processes of their own: each text gets one, with a limit of memory, of time, and no more.

What comes may be made to take long, or to meet a mistake of ours. It costs its own process then. The processes are
forked from one that has never had the key of the server, nor a connection: this module's :func:`serve`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import attrs

from enforcer.cluster.agent.errors import printable
from enforcer.cluster.webhook.checker import decide
from enforcer.cluster.webhook.review import Review, ReviewError, answer
from enforcer.cluster.webhook.verdict import Outcome, Verdict
from enforcer.own_memory import address_space

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HEAD", "CheckAnswer", "Limits", "serve"]

HEAD: Final = struct.Struct("!I")
"""In front of each message between server and checker: its length in bytes."""

_PIECE: Final = 1 << 16
_LONGEST: Final = 1 << 20  # bytes of an answer; its parts have limits of their own
_FIRST_TO_GO: Final = "1000"


class CheckAnswer(TypedDict):
    """
    What came of a check: the answer to HTTP, and how it is counted.

    *told* is for the log; empty: nothing is. Of the object it has names and the path of a field, and no value.
    """

    status: int
    outcome: str
    body: str
    told: str


@attrs.frozen
class Limits:
    """
    What one check may take.

    Attributes:
        seconds: from when it begins; a policy of a namespace that uses up its quota takes less than one.
        memory: bytes beside what the process has when it begins. A policy of 4,000 rules takes some 30 MiB.
    """

    seconds: float = 3.0
    memory: int = 256 << 20


def serve(connection: socket.socket, limits: Limits) -> None:
    """Check each text that comes by *connection*, one after the other, until it is closed. Never raises."""
    # If memory is short, the kernel ends a check, and not who serves. What it ends is allowed, and counted.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, "ascii")
    with contextlib.suppress(OSError):  # the other side is gone, and this process is to end
        while (text := _received(connection)) is not None:
            reply = json.dumps(checked(text, limits)).encode()
            connection.sendall(HEAD.pack(len(reply)) + reply)


def _received(connection: socket.socket) -> bytes | None:
    head = _exactly(connection, HEAD.size)
    return None if head is None else _exactly(connection, HEAD.unpack(head)[0])


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    found = bytearray()
    while len(found) < length:
        piece = connection.recv(min(_PIECE, length - len(found)))
        if not piece:
            return None
        found += piece
    return bytes(found)


def checked(
    text: bytes, limits: Limits, check: Callable[[Review], Verdict] = decide
) -> CheckAnswer:
    """Answer the question *text*, by a process that is killed when it has used up its time."""
    until = time.monotonic() + limits.seconds
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(text, writing, limits, check)
    os.close(writing)
    try:
        lines = _lines(reading, until)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)  # at its end it does nothing that could be missed
        _, status = os.waitpid(child, 0)
    if len(lines) > 1:
        found: CheckAnswer = json.loads(lines[1])
        return found
    is_late = time.monotonic() >= until
    why = f"it takes more than {limits.seconds:g} s" if is_late else "the check came to no end"
    told = why if is_late else f"{why} (wait status {status:#x}): is memory short?"
    return _undecided(json.loads(lines[0]) if lines else None, why, told)


def _lines(reading: int, until: float) -> list[bytes]:
    """Return the whole lines that come by the pipe *reading* until its end, or until it is time."""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    found = bytearray()
    while (left := until - time.monotonic()) > 0 and poll.poll(left * 1000):
        piece = os.read(reading, _PIECE)
        found += piece
        if not piece or len(found) > _LONGEST:
            break
    return bytes(found).split(b"\n")[:-1]


def _undecided(uid: str | None, why: str, told: str) -> CheckAnswer:
    if uid is None:
        # Without the uid there is no answer: the server goes by its failurePolicy, Ignore in the chart.
        return {
            "status": HTTPStatus.SERVICE_UNAVAILABLE,
            "outcome": Outcome.UNDECIDED.value,
            "body": why,
            "told": told,
        }
    return _reply(uid, Verdict.undecided(why), told)


def _reply(uid: str, verdict: Verdict, told: str) -> CheckAnswer:
    body = answer(uid, verdict).decode()
    return {"status": HTTPStatus.OK, "outcome": verdict.outcome.value, "body": body, "told": told}


# ---- In the process of a check ------------------------------------------------------------------


def _child(text: bytes, writing: int, limits: Limits, check: Callable[[Review], Verdict]) -> None:
    """Write the uid as soon as it is known, then the answer, each a line; then end."""
    code = 1
    try:
        _limit(limits)
        gc.disable()  # it ends before that could be missed
        _write(writing, _answers(text, writing, check))
        code = 0
    finally:
        os._exit(code)  # nothing of the parent's is to be ended in order here


def _answers(text: bytes, writing: int, check: Callable[[Review], Verdict]) -> CheckAnswer:
    try:
        review = Review.read(text)
    except ReviewError as error:
        _write(writing, None)
        return {
            "status": HTTPStatus.BAD_REQUEST,
            "outcome": Outcome.UNDECIDED.value,
            "body": str(error),
            "told": f"not understood: {error}",
        }
    _write(writing, review.uid)
    try:
        verdict = check(review)
    except Exception as bug:  # noqa: BLE001 - it is told, and the object is allowed
        kind = type(bug).__name__
        return _reply(
            review.uid, Verdict.undecided(f"the check failed ({kind})"), f"check failed: {kind}"
        )
    told = ""
    if verdict.outcome is Outcome.REFUSED:
        told = f"refused {review.label}, because of {printable(verdict.field) or 'the object'}"
    return _reply(review.uid, verdict, told)


def _write(writing: int, found: object) -> None:
    left = memoryview(json.dumps(found).encode() + b"\n")
    while left:
        left = left[os.write(writing, left) :]


def _limit(limits: Limits) -> None:
    """Let this process have no more than *limits*, and write no file."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    most = address_space() + limits.memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    seconds = int(limits.seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    for kind in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(kind, (0, 0))
