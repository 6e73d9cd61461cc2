# SPDX-License-Identifier: MIT
"""
Requests of HTTP/1.1 as API servers and kubelets send them: with a length, and nothing else that is hard to read.

What could be understood in two ways is refused.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_BODY", "MAX_HEAD", "Head", "HttpError", "response"]

MAX_HEAD: Final = 16 << 10
MAX_BODY: Final = 8 << 20
"""Bytes. A question about a change has the object twice, and an API server takes 3 MiB for one."""

_LINE: Final = re.compile(rb"([A-Z]{1,16}) (/[!-~]{0,1024}) HTTP/1\.([01])")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_LENGTH: Final = re.compile(rb"[0-9]{1,10}")
_MAX_FIELDS: Final = 64


class HttpError(EnforcerError):
    """
    A request that gets no other answer.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@attrs.frozen
class Head:
    """
    What comes in front of a body.

    Attributes:
        path: without what stands behind a question mark.
        length: of the body, in bytes.
        media_type: of the body, without parameters, in lower case.
        is_last: no other request is to follow.
    """

    method: str
    path: str
    length: int
    media_type: str
    is_last: bool

    @classmethod
    def read(cls, text: bytes) -> Head:
        """
        Read a head, with the empty line at its end.

        Raises:
            HttpError: it is none, or asks for what is not offered here.
        """
        first, *lines = text.removesuffix(b"\r\n\r\n").split(b"\r\n")
        found = _LINE.fullmatch(first)
        if found is None or len(lines) > _MAX_FIELDS:
            raise HttpError(HTTPStatus.BAD_REQUEST, "no request of HTTP/1.1")
        fields = _fields(lines)
        if b"transfer-encoding" in fields:
            raise HttpError(HTTPStatus.NOT_IMPLEMENTED, "a body needs Content-Length")
        if b"expect" in fields:
            raise HttpError(HTTPStatus.EXPECTATION_FAILED, "no expectation is met")
        length = fields.get(b"content-length", b"0")
        if not _LENGTH.fullmatch(length):
            raise HttpError(HTTPStatus.BAD_REQUEST, "Content-Length is no number")
        if int(length) > MAX_BODY:
            raise HttpError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {MAX_BODY} bytes"
            )
        if found[1] == b"POST" and b"content-length" not in fields:
            raise HttpError(HTTPStatus.LENGTH_REQUIRED, "a body needs Content-Length")
        options = {each.strip().lower() for each in fields.get(b"connection", b"").split(b",")}
        return cls(
            found[1].decode(),
            found[2].partition(b"?")[0].decode(),
            int(length),
            fields.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1"),
            b"close" in options or (found[3] == b"0" and b"keep-alive" not in options),
        )


def _fields(lines: list[bytes]) -> Mapping[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise HttpError(HTTPStatus.BAD_REQUEST, "a header that is none")
        name = found[1].lower()
        if name in fields and name in {b"content-length", b"content-type"}:
            raise HttpError(HTTPStatus.BAD_REQUEST, "a header that is there twice")
        fields[name] = found[2]
    return fields


def response(status: int, body: bytes, media_type: str, *, is_last: bool, allow: str = "") -> bytes:
    """Return an answer, head and body; *allow* is the method that the path takes."""
    lines = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Type: {media_type}",
        f"Content-Length: {len(body)}",
        "X-Content-Type-Options: nosniff",
        *((f"Allow: {allow}",) if allow else ()),
        *(("Connection: close",) if is_last else ()),
    )
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body
