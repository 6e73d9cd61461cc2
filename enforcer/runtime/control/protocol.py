# SPDX-License-Identifier: MIT
"""
The words of the control socket, and the client's side of it.

One JSON object per line in both directions. The client sends ``{"command": NAME, …}`` with the fields
of the command; the answer is ``{"ok": true, …}`` or ``{"ok": false, "error": SENTENCE}``, with ``errors``
if policies are wrong. After ``events`` records follow, one line each, and after ``watch`` beats, at most
one each second, until either side closes. After ``stop`` the connection closes when enforcement has ended.
"""

from __future__ import annotations

import errno
import json
import select
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast

from enforcer.errors import ControlError, PolicyError, PolicyErrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from enforcer.events.document_types import RecordDocument, SkippedDocument
    from enforcer.runtime.control.answers import (
        ChangeAnswer,
        Confirmation,
        EventsAnswer,
        RecentAnswer,
        RecordAnswer,
        Refusal,
        SourcesAnswer,
        StatusAnswer,
    )
    from enforcer.runtime.control.container_answers import MetAnswer
    from enforcer.runtime.control.policy_answers import PolicyAnswer, PolicyListAnswer
    from enforcer.runtime.control.stop_answer import StopAnswer
    from enforcer.runtime.control.watch_answers import Opening

__all__ = [
    "CONFIRM",
    "CONFIRM_LEAST",
    "CONFIRM_MOST",
    "CONTAINER_BEGINS",
    "EVENTS",
    "LINE_LIMIT",
    "POLICY_ADD",
    "POLICY_DISABLE",
    "POLICY_ENABLE",
    "POLICY_LIST",
    "POLICY_REMOVE",
    "POLICY_SET_MODE",
    "POLICY_SHOW",
    "RECENT",
    "RECENT_MOST",
    "RECORD",
    "RELOAD",
    "SOURCES",
    "STATUS",
    "STOP",
    "WAIT_MOST",
    "WATCH",
    "AnswerT",
    "Client",
    "KeyNeededError",
    "NoDaemonError",
    "UnsaidError",
    "Word",
    "encode",
    "refused",
]

CONFIRM_LEAST = 1.0  # seconds; nobody types a confirmation faster
CONFIRM_MOST = 3600.0  # seconds; longer is not waiting but forgetting

RECENT_MOST = 500  # records; the daemon's loop is busy for as long as it takes to write them

WAIT_MOST = 60.0  # seconds for which a container may be kept from starting

LINE_LIMIT = 16 << 20
"""Bytes of the longest answer that is taken."""

_PATIENCE = 5.0  # seconds, with a daemon that has too many callers

AnswerT = TypeVar("AnswerT", bound="Mapping[str, object]")


class Word(str, Generic[AnswerT]):
    """The name of a command, and the type of its answer."""

    __slots__ = ()


STATUS: Final[Word[StatusAnswer]] = Word("status")
EVENTS: Final[Word[EventsAnswer]] = Word("events")
WATCH: Final[Word[Opening]] = Word("watch")
RECENT: Final[Word[RecentAnswer]] = Word("recent")
RECORD: Final[Word[RecordAnswer]] = Word("record")
SOURCES: Final[Word[SourcesAnswer]] = Word("sources")
CONTAINER_BEGINS: Final[Word[MetAnswer]] = Word("container-begins")
STOP: Final[Word[StopAnswer]] = Word("stop")
RELOAD: Final[Word[ChangeAnswer]] = Word("reload")
CONFIRM: Final[Word[Confirmation]] = Word("confirm")
POLICY_LIST: Final[Word[PolicyListAnswer]] = Word("policy-list")
POLICY_SHOW: Final[Word[PolicyAnswer]] = Word("policy-show")
POLICY_ADD: Final[Word[ChangeAnswer]] = Word("policy-add")
POLICY_REMOVE: Final[Word[ChangeAnswer]] = Word("policy-remove")
POLICY_ENABLE: Final[Word[ChangeAnswer]] = Word("policy-enable")
POLICY_DISABLE: Final[Word[ChangeAnswer]] = Word("policy-disable")
POLICY_SET_MODE: Final[Word[ChangeAnswer]] = Word("policy-set-mode")


class NoDaemonError(ControlError):
    """No daemon listens on the control socket."""


class KeyNeededError(ControlError):
    """A change needs the key: *nonce* and *salt*, of which the proof is made, are hex digits."""

    def __init__(self, error: str, *, nonce: str, salt: str) -> None:
        super().__init__(error)
        self.nonce, self.salt = nonce, salt


class UnsaidError(ControlError, KeyError):
    """An answer lacks what this program knows of: the daemon is of another version."""

    def __str__(self) -> str:
        return (
            f"the daemon does not say {self.args[0]!r}: if it is of another version than this "
            "command, restart it: systemctl restart enforcer"
        )


class _Answer(dict[str, object]):
    """A part of an answer."""

    def __missing__(self, key: str) -> object:
        raise UnsaidError(key)


def encode(message: Mapping[str, object]) -> bytes:
    """Write *message* as one line."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


class Client:
    """
    A connection to a running daemon.

    Not of attrs: importing that takes as long as everything else that a short command needs.
    """

    __slots__ = ("_rest", "_socket")

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._rest = b""

    @classmethod
    def connect(cls, path: Path, *, timeout: float | None = 10.0) -> Client:
        """
        Connect to the daemon that listens at *path*.

        Raises:
            NoDaemonError: no daemon listens.
            ControlError: the caller may not ask.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            _connect(connection, str(path))
        except OSError as error:
            connection.close()
            raise refused(path, error) from error
        return cls(connection)

    def ask(self, command: Word[AnswerT], **fields: object) -> AnswerT:
        """
        Send *command* with those *fields* that are not None; return the answer.

        Raises:
            PolicyErrors: policies are wrong; every error with its place.
            KeyNeededError: ask again on this connection, with the field *proof*.
            ControlError: the answer is another error, or none came. The answer itself raises
                UnsaidError where it lacks something.
        """
        given = {key: value for key, value in fields.items() if value is not None}
        try:
            self._socket.sendall(encode({"command": command, **given}))
        except ConnectionError:
            pass  # a daemon that refuses to hear more says why before it closes
        except OSError as error:
            why = error.strerror or "it does not read"
            raise ControlError(f"the daemon does not take the command: {why}") from error
        answer = self._next(_Answer)
        if answer is None:
            raise ControlError("the daemon closed the connection without an answer")
        if answer.get("ok"):
            return cast("AnswerT", answer)
        refusal = cast("Refusal", answer)
        if errors := refusal.get("errors"):
            raise PolicyErrors([_error(str(each)) for each in errors])
        if challenge := refusal.get("challenge"):
            raise KeyNeededError(str(refusal["error"]), **challenge)
        raise ControlError(str(refusal.get("error", "the daemon refused without a reason")))

    def follow(self, reader: int | None = None) -> Iterator[RecordDocument | SkippedDocument]:
        """
        Yield the records that come after ``events`` until the daemon closes the connection.

        *reader* is the descriptor to which the caller writes them.

        Raises:
            BrokenPipeError: the process at the other end of *reader* has gone. This is noticed at once, and not
                only at the next record.
        """
        self._socket.settimeout(None)
        while True:
            if reader is not None:
                self._await_more(reader)
            if (message := self.next_message()) is None:
                return
            yield cast("RecordDocument | SkippedDocument", message)

    def _await_more(self, reader: int) -> None:
        if b"\n" in self._rest:
            return
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(reader, 0)  # poll reports a hangup or an error in any case
        if any(descriptor == reader for descriptor, _ in poll.poll()):
            raise BrokenPipeError(errno.EPIPE, "the reader has gone")

    def wait_closed(self, timeout: float) -> bool:
        """Wait until the daemon closes the connection; False if it did not in time."""
        self._socket.settimeout(timeout)
        try:
            while self._socket.recv(4096):
                pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    def next_message(self) -> dict[str, object] | None:
        """
        Wait for the next message; None if the daemon closed the connection.

        Raises:
            ControlError: nothing came in time, or no message.
        """
        return self._next(None)

    def _next(
        self, kind: Callable[[dict[str, object]], dict[str, object]] | None
    ) -> dict[str, object] | None:
        while b"\n" not in self._rest:
            try:
                more = self._socket.recv(65536)
            except TimeoutError:
                raise ControlError(
                    "the daemon does not answer: it is overloaded or stopped"
                ) from None
            except ConnectionError:
                more = b""
            if not more:
                return None
            self._rest += more
            if len(self._rest) > LINE_LIMIT:
                raise ControlError("the daemon sent an unfinished line")
        line, _, self._rest = self._rest.partition(b"\n")
        try:
            message = json.loads(line, object_hook=kind)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            raise ControlError("what answers there is not a daemon of enforcer: check the --socket")
        return message

    def close(self) -> None:
        """Close the connection. Idempotent."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _error(text: str) -> PolicyError:
    """Return what the daemon found, with its place again if something stands there that can be shown."""
    from enforcer.span import Span  # noqa: PLC0415 (slow to import, rarely needed)

    # Only a whole path leads to the same file here. At the start of a file, an error mostly is about the file.
    span = Span.before(text)
    if span is None or not span.file.startswith("/") or (span.line, span.column) == (1, 1):
        return PolicyError(text)
    return PolicyError(text.removeprefix(f"{span}: "), span)


def _connect(connection: socket.socket, path: str) -> None:
    try:
        connection.connect(path)
    except BlockingIOError:
        # More callers at once than the daemon lets wait: it is there, so ask again.
        from enforcer.runtime.retry import while_busy  # noqa: PLC0415 (slow to import, rarely needed)

        while_busy(_PATIENCE)(connection.connect, path)


def refused(path: Path, error: OSError) -> ControlError:
    """Say why there is no connection to *path*."""
    if error.errno is None:  # of Python itself, which finds no room for the name
        return ControlError(
            f"the name of the socket has {len(str(path))} characters: 107 are the limit"
        )
    if error.errno == errno.ECONNREFUSED and path.exists() and not path.is_socket():
        return ControlError(f"{path} is not a socket: name the control socket of a daemon")
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ECONNREFUSED}:
        return NoDaemonError("no daemon is running: start it with: enforcer start")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return ControlError(f"{path} can be used only by root: run this as root")
    return ControlError(f"cannot connect to {path}: {error.strerror or error}")
