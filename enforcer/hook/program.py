# SPDX-License-Identifier: MIT
"""
The hook that container runtimes run before the first program of a container.

    python3 -I -S program.py --socket=PATH --wait=SECONDS --on-failure=start|refuse

It is a hook at ``createRuntime`` of the specification of the Open Container Initiative: the cgroup and the first
process of the container are there, and nothing of the container has run. The state of the container comes on
standard input. The hook tells the daemon of enforcer, and ends when the kernel knows the container.

It runs as root for each container, so it imports nothing of enforcer, and little else. It says which container and
which process, and no facts: the daemon takes these from where it takes them anyway.

If the daemon is not there, is too slow or refuses, ``--on-failure`` decides. With ``start`` the container starts
and is unknown for a moment, as without the hook. With ``refuse`` the exit code is 1, and the runtime does not start
it. Either way a line goes to standard error and to syslog. Arguments that cannot be read refuse: a choice that is
not understood must not be the lax one.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time

__all__ = ["REFUSE", "STAGE", "START", "WAIT_MOST", "Failure", "main"]

STAGE = "createRuntime"
START, REFUSE = "start", "refuse"
WAIT_MOST = 60.0  # seconds
_STATE_LIMIT = 4 << 20  # bytes; annotations of one pod may have 256 KiB
_ANSWER_LIMIT = 1 << 16
_PAUSE = 0.05  # seconds between two attempts to reach a daemon that is just beginning
_WARNING = b"<28>"  # of a daemon: RFC 3164
_WHOLE_HOST = ["0", "0", "4294967295"]  # /proc/self/uid_map outside of user namespaces


class Failure(Exception):
    """The daemon does not say that the kernel knows the container; the text says why."""


def main(words: list[str]) -> int:
    """Announce the container whose state is on standard input; return the exit code."""
    began = time.monotonic()
    options = _options(words)
    if options is None:
        _tell(f"its arguments {words} cannot be read, so no container starts")
        return 1
    path, wait, on_failure = options
    if _is_in_user_namespace():
        return 0  # a rootless container is its user's process: the daemon would not hear this one
    who = "a container"
    try:
        state = _state()
        who = f"container {state['id']}"
        _announce(path, state, began, wait)
    except Failure as failure:
        if on_failure == REFUSE:
            _tell(f"{who} is not started: {failure}")
            return 1
        _tell(f"{who} is unknown at its start, so onError decides in it: {failure}")
    return 0


def _options(words: list[str]) -> tuple[str, float, str] | None:
    """Read socket, seconds and choice; None if they are not all there, or are something else."""
    found = dict(word.removeprefix("--").partition("=")[::2] for word in words)
    try:
        path, wait, on_failure = (found.pop(name) for name in ("socket", "wait", "on-failure"))
        seconds = float(wait)
    except (KeyError, ValueError):
        return None
    is_whole = not found and 0 <= seconds <= WAIT_MOST and on_failure in {START, REFUSE}
    return (path, seconds, on_failure) if is_whole else None


def _state() -> dict[str, object]:
    raw = sys.stdin.buffer.read(_STATE_LIMIT + 1)
    if len(raw) > _STATE_LIMIT:
        raise Failure(f"the runtime describes it with more than {_STATE_LIMIT} bytes")
    try:
        state = json.loads(raw)
        return {"id": str(state["id"]), "pid": int(state["pid"])}
    except (KeyError, TypeError, ValueError, RecursionError):
        raise Failure("the runtime does not say its id and its process") from None


def _announce(path: str, state: dict[str, object], began: float, wait: float) -> None:
    request = {"command": "container-begins", **state, "began": began, "wait": wait}
    deadline = began + wait
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            _connect(connection, path, deadline)
            connection.settimeout(_left(deadline))
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(_line(connection, deadline))
        except OSError as error:
            raise Failure(f"the daemon does not answer: {error.strerror or error}") from None
        except (ValueError, RecursionError):
            answer = None
    if not isinstance(answer, dict):
        raise Failure("what answers is not the daemon of enforcer")
    if answer.get("ok") is not True:
        raise Failure(f"the daemon refuses: {answer.get('error')}")
    if answer.get("outcome") not in {"known", "unasked"}:
        raise Failure("no file of the host describes it")


def _connect(connection: socket.socket, path: str, deadline: float) -> None:
    """Reach the daemon. One that ended in order took its socket away: then nobody is waited for."""
    while True:
        connection.settimeout(_left(deadline))
        try:
            connection.connect(path)
        except FileNotFoundError:
            raise Failure("no daemon is running") from None
        except (BlockingIOError, ConnectionRefusedError):  # it is busy, or dead and about to return
            if time.monotonic() + _PAUSE >= deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _line(connection: socket.socket, deadline: float) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        connection.settimeout(_left(deadline))
        more = connection.recv(_ANSWER_LIMIT)
        if not more or len(line) > _ANSWER_LIMIT:
            raise Failure("the daemon ends the connection")
        line += more
    return line


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise Failure("the daemon is too slow")
    return left


def _is_in_user_namespace() -> bool:
    try:
        with open("/proc/self/uid_map", encoding="ascii") as file:  # noqa: PTH123 - pathlib is slow to import
            return file.read().split() != _WHOLE_HOST
    except OSError:
        return False  # then the daemon says what it thinks of the caller


def _tell(sentence: str) -> None:
    """Say it to the runtime and to syslog; names are others', so no character of them moves a terminal."""
    line = ascii(sentence)[1:-1]
    sys.stderr.write(f"enforcer: {line}\n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as log:
        try:
            log.sendto(_WARNING + f"enforcer-hook[{os.getpid()}]: {line}".encode(), "/dev/log")
        except OSError as error:  # nobody listens, or too slowly: the runtime has the line
            sys.stderr.write(f"enforcer: syslog does not take this: {error.strerror}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
