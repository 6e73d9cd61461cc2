# SPDX-License-Identifier: MIT
"""
A dashboard's side of the control socket: it never blocks, and reconnects when the daemon is back.

One connection receives the beats. Every question has its own connection, so that no answer waits
behind a beat.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
from typing import TYPE_CHECKING, cast

import attrs

from enforcer.errors import ControlError
from enforcer.runtime.control.protocol import LINE_LIMIT, WATCH, encode, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from enforcer.runtime.control.answers import Refusal
    from enforcer.runtime.control.protocol import AnswerT, Word
    from enforcer.runtime.control.watch_answers import Beat, Opening
    from enforcer.runtime.reactor import Reactor, Timer

__all__ = ["Conversation", "Feed"]

_AGAIN = 1.0  # seconds between two tries to connect
_PATIENCE = 120.0  # seconds: a change compiles everything
_AT_ONCE = 1 << 20


@attrs.define(eq=False)
class Conversation:
    """
    One request and the messages that come after it.

    Attributes:
        hear: called with each message.
        ended: called once when it is over for a reason of the other side, which is passed.
    """

    reactor: Reactor
    hear: Callable[[dict[str, object]], None]
    ended: Callable[[str], None]
    _socket: socket.socket
    _outgoing: bytes
    _incoming: bytearray = attrs.field(factory=bytearray)
    _is_closed: bool = False

    @classmethod
    def begin(
        cls,
        path: Path,
        reactor: Reactor,
        request: Mapping[str, object],
        *,
        hear: Callable[[dict[str, object]], None],
        ended: Callable[[str], None],
    ) -> Conversation:
        """
        Connect to the daemon that listens at *path* and send *request*.

        Raises:
            ControlError: it is not there, has no room for callers, or we may not ask.
        """
        connection = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            raise refused(path, error) from error
        begun = cls(reactor, hear, ended, connection, encode(request))
        begun._ready(selectors.EVENT_WRITE)
        return begun

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be heard."""
        return self._is_closed

    def close(self) -> None:
        """Stop receiving. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self.reactor.forget(self._socket)
            self._socket.close()

    def _end(self, why: str) -> None:
        if not self._is_closed:
            self.close()
            self.ended(why)

    def _ready(self, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._push()
            if events & selectors.EVENT_READ:
                self._pull()
        except (ControlError, ValueError) as error:
            self._end(str(error))
        except OSError as error:
            self._end(error.strerror or str(error))

    def _push(self) -> None:
        # A daemon that refuses to hear more says why before it closes: what it said is read next.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._outgoing = self._outgoing[self._socket.send(self._outgoing) :]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        self.reactor.watch(self._socket, wanted, self._ready)

    def _pull(self) -> None:
        try:
            more = self._socket.recv(_AT_ONCE)
        except BlockingIOError:
            return
        if not more:
            self._end("the daemon closed the connection")
            return
        self._incoming += more
        if len(self._incoming) > LINE_LIMIT:
            raise ControlError("the daemon sent an unfinished line")
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = rest
        for line in lines:
            message = json.loads(line)
            if not isinstance(message, dict):
                raise ControlError("the daemon sent something that is not a message")
            if self._is_closed:
                return
            self.hear(message)


@attrs.define(eq=False)
class Feed:
    """
    Beats of the daemon at *path*, and answers to questions.

    Attributes:
        opened: called with what was before, whenever the daemon has been reached.
        beat: called with each beat.
        gone: called with the reason, whenever it cannot be reached (any more).
    """

    path: Path
    reactor: Reactor
    opened: Callable[[Opening], None]
    beat: Callable[[Beat], None]
    gone: Callable[[str], None]
    _watch: Conversation | None = None
    _asking: set[Conversation] = attrs.field(factory=set)
    _again: Timer | None = None

    def start(self) -> None:
        """Connect to the daemon; try again until it is there."""
        self._again = None
        try:
            self._watch = Conversation.begin(
                self.path, self.reactor, {"command": WATCH}, hear=self._hear, ended=self._lost
            )
        except ControlError as error:
            self._lost(str(error))

    def ask(
        self,
        command: Word[AnswerT],
        answered: Callable[[AnswerT | Refusal], None],
        **fields: object,
    ) -> None:
        """
        Send *command* with *fields*; *answered* is called once, with ``ok`` false if it failed.
        """
        held: list[Conversation] = []
        timers: list[Timer] = []

        def over(answer: dict[str, object]) -> None:
            for timer in timers:
                timer.cancel()
            for conversation in held:
                self._asking.discard(conversation)
                conversation.close()
            answered(cast("AnswerT | Refusal", answer))

        def failed(why: str) -> None:
            over({"ok": False, "error": why})

        try:
            conversation = Conversation.begin(
                self.path, self.reactor, {"command": command, **fields}, hear=over, ended=failed
            )
        except ControlError as error:
            failed(str(error))
            return
        if conversation.is_over:
            return
        held.append(conversation)
        self._asking.add(conversation)
        timers.append(self.reactor.after(_PATIENCE, lambda: failed("the daemon does not answer")))

    def close(self) -> None:
        """Let go of the daemon. Idempotent."""
        if self._again is not None:
            self._again.cancel()
        if self._watch is not None:
            self._watch.close()
        for conversation in self._asking:
            conversation.close()
        self._asking.clear()

    def _hear(self, message: dict[str, object]) -> None:
        if message.get("kind") == "beat":
            self.beat(cast("Beat", message))
        elif message.get("ok"):
            self.opened(cast("Opening", message))
        elif self._watch is not None:
            self._watch.close()
            self._lost(str(message.get("error", "the daemon refused without a reason")))

    def _lost(self, why: str) -> None:
        self._watch = None
        self._again = self.reactor.after(_AGAIN, self.start)
        self.gone(why)
