# SPDX-License-Identifier: MIT
"""
As much of a client of the Container Runtime Interface as it takes to run a pod.

Messages are dictionaries from the numbers of fields to values, as ``runtime.v1`` numbers them; curl speaks HTTP/2.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs
from patience import scaled

__all__ = ["Client", "CriError", "Fields"]

Value = int | str | bytes | Mapping[int, "Value"] | Sequence["Value"]
Fields = Mapping[int, Value]

_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}  # wire types of numbers without a length, which no answer here has
_FRAME = 5  # one byte says whether it is compressed, four how long it is


class CriError(Exception):
    """The runtime refused a call; the text is its own."""


@attrs.frozen
class Client:
    """Calls over the socket of a runtime."""

    socket: Path

    def call(self, method: str, request: Fields, *, service: str = "Runtime") -> dict[int, bytes]:
        """
        Call *method*, and return the answer's fields; the last of each number, and numbers as decimal digits.

        Raises:
            CriError: when the runtime says no.
        """
        body = encoded(request)
        with tempfile.TemporaryDirectory() as folder:
            headers, answer = Path(folder) / "headers", Path(folder) / "answer"
            done = subprocess.run(
                [
                    *("curl", "--silent", "--show-error", "--http2-prior-knowledge"),
                    *("--unix-socket", str(self.socket), "--max-time", str(scaled(120))),
                    *("--header", "content-type: application/grpc", "--header", "te: trailers"),
                    *("--data-binary", "@-", "--dump-header", str(headers)),
                    *("--output", str(answer)),
                    f"http://localhost/runtime.v1.{service}Service/{method}",
                ],
                input=b"\0" + len(body).to_bytes(_FRAME - 1) + body,
                capture_output=True,
                check=False,
            )
            said = headers.read_text(errors="replace") if headers.exists() else ""
            if done.returncode or "grpc-status: 0" not in said:
                raise CriError(f"{method}: {done.stderr.decode()}{said}")
            return dict(decoded(answer.read_bytes()[_FRAME:]))


def encoded(fields: Fields) -> bytes:
    """Write a message."""
    return b"".join(_field(number, value) for number, value in fields.items())


def _field(number: int, value: Value) -> bytes:
    match value:
        case int():
            return _varint(number << 3 | _VARINT) + _varint(value)
        case str():
            content = value.encode()
        case bytes():
            content = value
        case Mapping():
            content = encoded(value)
        case _:
            return b"".join(_field(number, each) for each in value)
    return _varint(number << 3 | _BYTES) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def decoded(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Read the fields of a message."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            number, at = _read_varint(message, at)
            yield key >> 3, str(number).encode()
            continue
        length, at = _read_varint(message, at) if kind == _BYTES else (_FIXED[kind], at)
        yield key >> 3, message[at : at + length]
        at += length


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
