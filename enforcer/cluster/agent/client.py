# SPDX-License-Identifier: MIT
"""
Requests to an API server over HTTPS. All that comes is bounded: in bytes, and in time.

One thread uses a client; another may only :meth:`Client.interrupt` it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

import attrs

from enforcer import __version__
from enforcer.cluster.agent.errors import (
    AnswerError,
    ExpiredError,
    GarbageError,
    KubeError,
    TooLargeError,
    UnreachableError,
    printable,
)
from enforcer.cluster.agent.list_reader import read_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from enforcer.cluster.agent.access import Access

__all__ = ["MAX_ANSWER", "Client", "parse"]

_T = TypeVar("_T")

MAX_ANSWER: Final = 8 << 20
"""
Bytes of an answer, or of one line of a watch. An object can have about 1.5 MiB (etcd), and an agent has 256 MiB of
memory, of which such an object may take fifty while it is read.
"""

_CONNECT: Final = 10.0  # seconds
_ANSWER: Final = 60.0  # seconds for all of it
_PIECE: Final = 1 << 16
_MAX_REFUSAL: Final = 1 << 20
_MAX_PAUSE: Final = 60.0
_BROKEN: Final = (OSError, http.client.HTTPException)
_JSON: Final = {"Content-Type": "application/json"}
_TOO_NEW: Final = "ResourceVersionTooLarge"

_LEVELS: Final = 256
_MARKS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
"""A text, which may have brackets in it, or a bracket."""


def parse(text: bytes) -> dict[str, Any]:
    """
    Read one JSON object. Of what is nested too deep for Python, the innermost is null.

    An API server takes objects that are nested some 10,000 deep, and Python reads less, its older versions 1,000. One
    such object in a list must not keep all others from the nodes. A policy stays deeper than an engine reads.

    Raises:
        GarbageError: it is none.
    """
    try:
        try:
            found = json.loads(text, parse_constant=_refuse)
        except RecursionError:
            found = json.loads(_shallow(text), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise GarbageError(f"not JSON: {printable(error)}") from None
    if not isinstance(found, dict):
        raise GarbageError("not an object of JSON")
    return found


def parse_list(text: bytes, kept: Callable[[Any], _T]) -> tuple[dict[str, Any], list[_T]]:
    """
    Read a list: return it without its objects, and what *kept* makes of each of these, one after the other.

    What is nested too deep is treated as by :func:`parse`.

    Raises:
        GarbageError: it is no list; or *kept* raises it.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse)
    try:
        try:
            found, items = read_list(text.decode("utf-8", "surrogatepass"), decoder, kept)
        except RecursionError:
            shallow = _shallow(text).decode("utf-8", "surrogatepass")
            found, items = read_list(shallow, decoder, kept)
    except (ValueError, RecursionError) as error:
        raise GarbageError(f"not JSON: {printable(error)}") from None
    # Of a list without objects, null is how some servers write them.
    kind = found.get("kind")
    is_list = isinstance(kind, str) and kind.endswith("List")
    if not is_list or found.get("items", "") is not None:
        raise GarbageError("not a list")
    return found, items


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _shallow(text: bytes) -> bytes:
    """Return *text* with null in place of what is more than :data:`_LEVELS` deep."""
    kept: list[bytes] = []
    depth = begin = 0
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark in {b"[", b"{"}:
            depth += 1
            if depth == _LEVELS + 1:
                kept += (text[begin : found.start()], b"null")
        elif mark in {b"]", b"}"}:
            if depth == _LEVELS + 1:
                begin = found.end()
            depth -= 1
    if depth > _LEVELS:
        raise ValueError("brackets without an end")
    return b"".join((*kept, text[begin:]))


@attrs.define(eq=False, repr=False)
class Client:
    """
    One connection at a time, kept as long as it works.

    Attributes:
        max_answer: bytes that an answer, or a line of a watch, may have.
        silence: seconds after which an answer without another byte is given up.
        accept: in which form objects and lists are asked for.
        accept_events: in which form those are that a watch tells of, none of which is a list.
    """

    access: Access
    max_answer: int = MAX_ANSWER
    silence: float = 30.0
    accept: str = "application/json"
    accept_events: str = "application/json"
    _connection: http.client.HTTPSConnection | None = attrs.field(default=None, init=False)
    _socket: socket.socket | None = attrs.field(default=None, init=False)
    _token: str = attrs.field(default="", init=False)
    _is_interrupted: bool = attrs.field(default=False, init=False)

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        """
        Get an object.

        Raises:
            KubeError: it did not come, or not as a whole.
        """
        return self._whole("GET", f"{path}?{urlencode(query)}" if query else path, None, {})

    def get_list(
        self, path: str, query: Mapping[str, str], kept: Callable[[Any], _T]
    ) -> tuple[dict[str, Any], list[_T]]:
        """
        Get a list, or a part of one, as :func:`parse_list` returns it.

        Raises:
            KubeError: it did not come, or not as a whole; or *kept* raises it.
        """
        response = self._ask("GET", f"{path}?{urlencode(query)}", None, {})
        return parse_list(self._body(response, self.max_answer), kept)

    def apply(self, path: str, manager: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """
        Let the object at *path* have what *document* says, as the field manager *manager*.

        Raises:
            KubeError: the server refused, or it is not known what it did.
        """
        query = urlencode({"fieldManager": manager, "force": "true"})
        # JSON is YAML, and every server takes this type; it has no other for an apply before 1.34.
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self._whole("PATCH", f"{path}?{query}", json.dumps(document).encode(), headers)

    def create(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """
        Make the object *document* in the collection at *path*.

        Raises:
            KubeError: the server refused, as where there is one (409), or it is not known what it did.
        """
        return self._whole("POST", path, json.dumps(document).encode(), _JSON)

    def replace(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """
        Let the object at *path* be *document*, if the version that it names is still the newest.

        Raises:
            KubeError: the server refused, as where there is a newer one (409), or it is not known what it did.
        """
        return self._whole("PUT", path, json.dumps(document).encode(), _JSON)

    def lines(
        self, path: str, query: Mapping[str, str], *, silence: float, longest: float
    ) -> Iterator[bytes]:
        """
        Yield the lines of an answer as they come, until the server ends it.

        Args:
            path: what is asked for.
            query: how.
            silence: seconds after which a line must have come.
            longest: seconds that all of it may take.

        Raises:
            KubeError: it was refused, broke, or fell silent.
        """
        headers = {"Accept": self.accept_events}
        response = self._ask("GET", f"{path}?{urlencode(query)}", None, headers)
        try:
            yield from self._split(response, silence, time.monotonic() + longest)
        finally:
            self._drop()  # what is left of the answer would be taken for the next one

    def close(self) -> None:
        """End the connection. Idempotent."""
        self._drop()

    def interrupt(self) -> None:
        """End what is going on, and let nothing begin. Any thread may call it."""
        self._is_interrupted = True
        end = self._socket
        if end is not None:
            with contextlib.suppress(OSError):
                # Below TLS: its own way would take the state away from who reads.
                socket.socket.shutdown(end, socket.SHUT_RDWR)

    # ---- Answers -------------------------------------------------------------------------------

    def _whole(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        response = self._ask(method, target, body, headers)
        return parse(self._body(response, self.max_answer))

    def _body(self, response: http.client.HTTPResponse, limit: int) -> bytes:
        pieces, size = [], 0
        end = time.monotonic() + _ANSWER
        while piece := self._piece(response, self.silence, end):
            size += len(piece)
            if size > limit:
                self._drop()
                raise TooLargeError(f"the answer has more than {limit:,} bytes")
            pieces.append(piece)
        if response.length:  # so much was promised besides, and the connection has ended
            self._drop()
            raise UnreachableError("the answer was cut off")
        if response.will_close:
            self._drop()
        return b"".join(pieces)

    def _split(
        self, response: http.client.HTTPResponse, silence: float, end: float
    ) -> Iterator[bytes]:
        buffer = bytearray()
        due = time.monotonic() + silence
        while piece := self._piece(response, silence, min(due, end)):
            start = len(buffer)
            buffer += piece
            while (found := buffer.find(b"\n", start)) >= 0:
                line = bytes(buffer[:found])
                del buffer[: found + 1]
                start = 0
                due = time.monotonic() + silence
                if line.strip():
                    yield line
            if len(buffer) > self.max_answer:
                raise TooLargeError(f"a line has more than {self.max_answer:,} bytes")
        if buffer.strip():
            raise UnreachableError("the last line was cut off")

    def _piece(self, response: http.client.HTTPResponse, silence: float, end: float) -> bytes:
        left = end - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError("nothing whole came in time")
            if self._socket is not None:
                self._socket.settimeout(min(silence, left))
            # read1() takes what is there; before Python 3.13 it forgets how much of a length is left.
            return response.read1(_PIECE) if response.length is None else response.read(_PIECE)
        except (*_BROKEN, ValueError) as error:  # ValueError: the length of a chunk is no number
            self._drop()
            raise UnreachableError(f"the answer broke off: {_why(error)}") from error

    # ---- Requests ------------------------------------------------------------------------------

    def _ask(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Send a request; once more if an idle connection had ended, or the token was renewed meanwhile."""
        was_open = self._connection is not None
        try:
            response = self._send(method, target, body, headers)
        except UnreachableError:
            if not was_open:
                raise
            response = self._send(method, target, body, headers)
        if response.status == http.HTTPStatus.UNAUTHORIZED:
            used = self._token
            self._drop()
            if self.access.token() != used:
                response = self._send(method, target, body, headers)
        if response.status not in {http.HTTPStatus.OK, http.HTTPStatus.CREATED}:
            raise self._refusal(response)
        return response

    def _send(
        self, method: str, target: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        try:
            connection = self._connected()
            connection.request(
                method,
                target,
                body,
                {
                    "Authorization": f"Bearer {self._token}",
                    "Accept": self.accept,
                    "User-Agent": f"enforcer/{__version__}",
                    **headers,
                },
            )
            return connection.getresponse()
        except _BROKEN as error:
            self._drop()
            raise UnreachableError(
                f"cannot reach https://{self.access.host}:{self.access.port}: {_why(error)}"
            ) from error

    def _connected(self) -> http.client.HTTPSConnection:
        if self._is_interrupted:
            raise UnreachableError("it is to end")
        if self._connection is None:
            self._token = self.access.token()
            made = http.client.HTTPSConnection(
                self.access.host, self.access.port, timeout=_CONNECT, context=self.access.context()
            )
            self._connection = made
            made.connect()
            self._socket = made.sock
        if self._socket is not None:
            self._socket.settimeout(self.silence)
        return self._connection

    def _refusal(self, response: http.client.HTTPResponse) -> KubeError:
        """Read why the server refused."""
        status = response.status
        pause = response.getheader("Retry-After", "")
        try:
            said = parse(self._body(response, _MAX_REFUSAL))
        except KubeError:
            said = {}
            self._drop()
        message = printable(said.get("message") or http.client.responses.get(status, "no reason"))
        if status == http.HTTPStatus.GONE or is_too_new(said):
            return ExpiredError(message)
        seconds = min(float(pause), _MAX_PAUSE) if pause.isdecimal() else 0.0
        return AnswerError(f"{status}: {message}", status, seconds)

    def _drop(self) -> None:
        """End the connection; the next request begins another."""
        connection, self._connection, self._socket = self._connection, None, None
        if connection is not None:
            connection.close()


def is_too_new(status: Mapping[str, Any]) -> bool:
    """Whether *status* says that a version was named which the server has not reached, as after a restore."""
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    return isinstance(causes, list) and any(
        isinstance(each, dict) and each.get("reason") == _TOO_NEW for each in causes
    )


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "nothing came in time"
    return printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)
