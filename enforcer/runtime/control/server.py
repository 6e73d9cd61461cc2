# SPDX-License-Identifier: MIT
"""
The daemon's side of the control socket: root only, never in the way of the loop.

Everything is non-blocking and bounded. A follower that reads too slowly loses records and is told how
many; others are not affected. Requests are limited in size and time. A client that does not read its
answer is not served until it does. Every change is reported, with the process that asked for it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import time
from collections import deque
from typing import TYPE_CHECKING, cast

import attrs

from enforcer.errors import ControlError, EnforcerError
from enforcer.events.document import rfc3339
from enforcer.runtime.control.commands import REQUEST_LIMIT, Desk, Request, parse_request, refusal
from enforcer.runtime.control.peer import Peer, peer_of
from enforcer.runtime.control.protocol import encode
from enforcer.runtime.control.record_filter import RecordFilter
from enforcer.runtime.listener import Listener
from enforcer.runtime.protection.gate import Visit
from enforcer.safe_text import neutral
from enforcer.sinks.jsonl import json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from enforcer.events.types import Lost, Record
    from enforcer.runtime.control.answers import (
        DaemonState,
        DoneChange,
        Outcome,
        Refusal,
        SourcesDocument,
        Status,
    )
    from enforcer.runtime.control.overview import Overview
    from enforcer.runtime.control.stop_answer import StopAnswer
    from enforcer.runtime.ports import PolicyControl
    from enforcer.runtime.protection.gate import Gate
    from enforcer.runtime.reactor import Reactor, Timer

__all__ = ["ControlServer"]

_HELD_LIMIT = 2 * REQUEST_LIMIT  # bytes of unfinished requests, over all connections
_REQUEST_SECONDS = 10.0
_BACKLOG_LIMIT = 4 << 20
_MAX_CONNECTIONS = 64
_WRONG_SECONDS = 1.0
_REMEMBERED = 20  # changes that status shows


@attrs.define(eq=False, repr=False)
class _Connection:
    socket: socket.socket
    peer: Peer
    request: bytearray = attrs.field(factory=bytearray)
    searched: int = 0  # bytes of the request that are known to hold no end of a line
    deadline: Timer | None = None
    outgoing: deque[bytes] = attrs.field(factory=deque)
    held: int = 0
    sent: int = 0  # bytes of the first outgoing line
    lost: int = 0
    wanted: RecordFilter | None = None  # what a follower wants
    is_watcher: bool = False
    is_ending: bool = False
    is_held_back: bool = False  # a wrong proof: the next is heard a little later
    visit: Visit = attrs.field(factory=Visit)

    def next_line(self) -> bytearray | None:
        """Take the next complete line of the request."""
        end = self.request.find(b"\n", self.searched)
        if end < 0:
            self.searched = len(self.request)
            return None
        line = self.request[:end]
        del self.request[: end + 1]
        self.searched = 0
        return line


@attrs.define(eq=False, repr=False)
class ControlServer:
    """
    Listens at *path*.

    Args:
        status: makes the answer to ``status``.
        stop: called at the command ``stop``; makes the answer to it.
        policies: carries out changes; None if nothing can be changed.
        report: gets a sentence for every change, and for what went wrong.
        overview: shown to dashboards; None if nothing can be watched.
        sources: describes the sources of the active policies.
        gate: decides who may change them; None: everybody who may ask.
    """

    path: Path
    reactor: Reactor
    status: Callable[[], DaemonState]
    stop: Callable[[], StopAnswer]
    policies: PolicyControl | None
    report: Callable[[str], None] = attrs.field(kw_only=True)
    overview: Overview | None = attrs.field(default=None, kw_only=True)
    sources: Callable[[], SourcesDocument] | None = attrs.field(default=None, kw_only=True)
    gate: Gate | None = attrs.field(default=None, kw_only=True)
    refused: int = attrs.field(default=0, init=False)
    failures: int = attrs.field(default=0, init=False)
    _done: deque[DoneChange] = attrs.field(factory=lambda: deque(maxlen=_REMEMBERED), init=False)
    _listener: Listener | None = attrs.field(default=None, init=False)
    _connections: set[_Connection] = attrs.field(factory=set, init=False)

    def open(self) -> None:
        """
        Listen. A socket left over by a dead daemon is replaced: the caller holds the instance lock.

        There is no moment without one: who finds none takes the daemon for ended.

        Raises:
            OSError: the socket cannot be made.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unheard = self.path.with_name(f".{self.path.name}")
        unheard.unlink(missing_ok=True)
        listener = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        previous = os.umask(0o177)  # the socket is 0600 from its first moment
        try:
            listener.bind(str(unheard))
            listener.listen(16)
            unheard.rename(self.path)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(previous)
        self._listener = Listener(listener, self.reactor, self._take)
        self._listener.begin()

    @property
    def has_followers(self) -> bool:
        """Whether anybody wants records."""
        return any(c.wanted is not None for c in self._connections)

    def publish(self, record: Record | Lost) -> None:
        """Send *record* to every follower that wants it."""
        line = b""
        for connection in list(self._connections):
            if connection.wanted is None or not connection.wanted.wants(record):
                continue
            if connection.held > _BACKLOG_LIMIT:
                connection.lost += 1
            else:
                line = line or json_line(record)
                self._send(connection, line)

    @property
    def has_watchers(self) -> bool:
        """Whether anybody takes beats."""
        return any(c.is_watcher for c in self._connections)

    def beat(self, line: bytes) -> None:
        """Send one beat to every watcher that has taken what it got before."""
        for connection in [c for c in self._connections if c.is_watcher and not c.outgoing]:
            self._send(connection, line)

    def close(self) -> None:
        """Stop listening, end every connection. Idempotent."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        for connection in list(self._connections):
            self._drop(connection)

    def _take(self, accepted: socket.socket) -> None:
        connection = _Connection(accepted, peer_of(accepted))
        self._connections.add(connection)
        self._watch(connection, selectors.EVENT_READ)
        if connection.peer.refusal:
            self._turn_away(connection)
        elif len(self._connections) > _MAX_CONNECTIONS:
            self._finish(connection, "too many connections: close some followers of events")

    def _turn_away(self, connection: _Connection) -> None:
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # 1, 2, 4, …: nobody floods the log with this
            many = f" ({self.refused} so far)" if self.refused > 1 else ""
            self.report(
                f"the control socket refused {connection.peer}{many}: {connection.peer.refusal}"
            )
        self._finish(connection, connection.peer.refusal)

    def _ready(self, connection: _Connection, events: int) -> None:
        if connection not in self._connections:
            return  # closed by another call of the same round
        if events & selectors.EVENT_WRITE:
            self._push(connection)
        if events & selectors.EVENT_READ and connection in self._connections:
            self._read(connection)
        self._heed(connection)

    def _read(self, connection: _Connection) -> None:
        try:
            raw = connection.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            raw = b""
        if not raw:
            self._drop(connection)
        elif not (connection.is_ending or connection.wanted or connection.is_watcher):
            connection.request += raw  # else a refusal is on its way, or records: nothing is heard

    def _heed(self, connection: _Connection) -> None:
        """Answer what was asked, one by one: the next when the answer before it was taken."""
        while self._is_listened_to(connection):
            line = connection.next_line()
            if line is None:
                self._await_rest(connection)
                return
            self._forget_deadline(connection)
            self._handle(connection, line)

    def _await_rest(self, connection: _Connection) -> None:
        """Let the rest of a request come, if it is neither too long nor too slow."""
        if len(connection.request) > REQUEST_LIMIT:
            self._finish(connection, f"the request is too long: the limit is {REQUEST_LIMIT} bytes")
        elif sum(len(each.request) for each in self._connections) > _HELD_LIMIT:
            self._finish(connection, "too many large requests at once: try again")
        elif connection.request and connection.deadline is None:
            connection.deadline = self.reactor.after(
                _REQUEST_SECONDS, lambda: self._finish_late(connection)
            )

    def _finish_late(self, connection: _Connection) -> None:
        if self._is_open(connection):
            self._finish(connection, f"the request was not complete after {_REQUEST_SECONDS:g} s")

    def _handle(self, connection: _Connection, line: bytearray) -> None:
        try:
            request = parse_request(line)
        except ControlError as error:
            self._finish(connection, str(error))
            return
        if (refused := self._refused(connection, request)) is not None:
            self._send(connection, encode(refused))
            return
        self._send(connection, self._answer(request, connection.peer))
        # After ``stop`` the connection stays open: its end tells that enforcement has ended.
        if request.command.follows or request.command.watches:
            if request.command.follows:
                connection.wanted = RecordFilter.of(request.fields["filter"])
            connection.is_watcher = request.command.watches and self.overview is not None
            connection.request.clear()

    def _refused(self, connection: _Connection, request: Request) -> Refusal | None:
        """Ask the gate; after a wrong proof this connection, and no other, is not heard for a while."""
        if self.gate is None or not request.command.deed:
            return None
        visit, peer = connection.visit, connection.peer
        refused = self.gate.refusal(visit, peer, request.name, request.text, request.proof)
        if refused is not None and refused.get("isWrong"):
            connection.is_held_back = True
            self.reactor.after(_WRONG_SECONDS, lambda: self._hear_again(connection))
        return refused

    def _hear_again(self, connection: _Connection) -> None:
        connection.is_held_back = False
        if connection in self._connections:
            self._push(
                connection
            )  # first the refusal, should it still wait; only then the next request
            self._heed(connection)

    def _answer(self, request: Request, peer: Peer) -> bytes:
        try:
            answer = request.serve(
                Desk(self._status, self.stop, self.policies, self.overview, self.sources)
            )
            line = encode({"ok": True, **answer})
        except EnforcerError as error:
            said = refusal(error)
            if request.deed:
                self._tell_failure(request, peer, [said["error"], *said.get("errors", ())[:1]])
            return encode(said)
        except Exception as error:  # noqa: BLE001 (a mistake of ours costs this request, not the loop)
            self.failures += 1
            why = f"internal error: {type(error).__name__}: {error}: this is a bug"
            self._tell_failure(request, peer, [why])
            return encode({"ok": False, "error": f"{why}; enforcer status shows what is active"})
        if request.deed:
            self._tell(request.deed, peer, _outcome(answer))
        return line

    def _tell(self, deed: str, peer: Peer, outcome: str) -> None:
        now = rfc3339(time.time_ns())
        self._done.append({"time": now, "what": f"{deed}{outcome}", "by": str(peer)})
        self.report(f"{deed} by {peer}{outcome}")

    def _tell_failure(self, request: Request, peer: Peer, why: list[str]) -> None:
        self.report(f"{request.words}, asked for by {peer}, failed: {neutral('; '.join(why))}")

    def _status(self) -> Status:
        return {
            **self.status(),
            "control": {
                "connections": len(self._connections),
                "followers": sum(c.wanted is not None for c in self._connections),
                "watchers": sum(c.is_watcher for c in self._connections),
                "refused": self.refused,
                "failures": self.failures,
                "changes": list(self._done),
            },
        }

    def _is_listened_to(self, connection: _Connection) -> bool:
        is_waiting = bool(connection.outgoing) or connection.is_held_back
        return self._is_open(connection) and not is_waiting

    def _is_open(self, connection: _Connection) -> bool:
        return connection in self._connections and not connection.is_ending

    def _finish(self, connection: _Connection, error: str) -> None:
        connection.is_ending = True
        connection.request.clear()
        connection.searched = 0
        self._send(connection, encode({"ok": False, "error": error}))

    def _forget_deadline(self, connection: _Connection) -> None:
        if connection.deadline is not None:
            connection.deadline.cancel()
            connection.deadline = None

    def _send(self, connection: _Connection, line: bytes) -> None:
        connection.outgoing.append(line)
        connection.held += len(line)
        self._push(connection)

    def _push(self, connection: _Connection) -> None:
        try:
            while connection.outgoing:
                first = connection.outgoing[0]
                connection.sent += connection.socket.send(first[connection.sent :])
                if connection.sent == len(first):
                    connection.outgoing.popleft()
                    connection.held -= len(first)
                    connection.sent = 0
        except BlockingIOError:
            # Whoever does not take what it was sent is not heard: its requests wait with the kernel.
            self._watch(connection, selectors.EVENT_WRITE)
            return
        except OSError:
            self._drop(connection)
            return
        if connection.lost:
            lost, connection.lost = connection.lost, 0
            self._send(connection, encode({"kind": "skipped", "records": lost}))
        elif connection.is_ending:
            self._drop(connection)
        elif connection.is_held_back:
            self.reactor.forget(connection.socket)
        else:
            self._watch(connection, selectors.EVENT_READ)

    def _watch(self, connection: _Connection, events: int) -> None:
        self.reactor.watch(connection.socket, events, lambda ev: self._ready(connection, ev))

    def _drop(self, connection: _Connection) -> None:
        self._forget_deadline(connection)
        self._connections.discard(connection)
        self.reactor.forget(connection.socket)
        connection.socket.close()


def _outcome(answer: Mapping[str, object]) -> str:
    found = cast("Outcome", answer)
    if found.get("unchanged"):
        return ": nothing differs"
    if "generation" not in found:
        return ""
    within, posture = found.get("confirmWithin"), found.get("posture")
    what = f": {posture['sentence']}" if posture is not None else ""
    pending = f", for {within:g} s unless confirmed" if within else ""
    return f": generation {found['generation']}{what}{pending}"
