# SPDX-License-Identifier: MIT
"""How long a certificate is valid: the standard library tells it of peers, and not of what it shows itself (RFC 5280, 4.1)."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from typing import Final

__all__ = ["validity_of"]

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_LONG: Final = 0x80
_FORMATS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
_BEFORE_VALIDITY: Final = 3  # serial number, algorithm and issuer
_CENTURY: Final = 2050  # the years of two digits are those from 1950 to 2049


def validity_of(pem: str) -> tuple[datetime, datetime]:
    """
    Return when the first certificate of *pem* begins and ends: ``notBefore`` and ``notAfter``.

    Raises:
        ValueError: there is none, or it is not written as RFC 5280 says.
    """
    begin = pem.find(ssl.PEM_HEADER)
    end = pem.find(ssl.PEM_FOOTER, begin)
    if begin < 0 or end < 0:
        raise ValueError("there is no certificate in it")
    der = ssl.PEM_cert_to_DER_cert(pem[begin : end + len(ssl.PEM_FOOTER)])
    try:
        return _validity(der)
    except IndexError:
        raise ValueError("the certificate is cut off") from None


def _validity(der: bytes) -> tuple[datetime, datetime]:
    certificate, _ = _content(der, 0, _SEQUENCE)
    signed, _ = _content(certificate, 0, _SEQUENCE)
    at = _behind(signed, 0) if signed[0] == _VERSION else 0
    for _ in range(_BEFORE_VALIDITY):
        at = _behind(signed, at)
    validity, _ = _content(signed, at, _SEQUENCE)
    return _time(validity, 0), _time(validity, _behind(validity, 0))


def _time(validity: bytes, at: int) -> datetime:
    kind = validity[at]
    if kind not in _FORMATS:
        raise ValueError(f"there is a tag {kind:#x} where a time must be")
    text, _ = _content(validity, at, kind)
    # It ends with Z: the specification knows no other zone here.
    found = datetime.strptime(text.decode("ascii"), _FORMATS[kind]).replace(tzinfo=UTC)
    if kind == _UTC_TIME and found.year >= _CENTURY:
        found = found.replace(year=found.year - 100)
    return found


def _content(der: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """Return what the element *at* holds, and where the next one is."""
    if der[at] != tag:
        raise ValueError(f"there is a tag {der[at]:#x} where {tag:#x} must be")
    length, begin = der[at + 1], at + 2
    if length & _LONG:
        count = length & ~_LONG
        length, begin = int.from_bytes(der[begin : begin + count]), begin + count
    if begin + length > len(der):
        raise IndexError
    return der[begin : begin + length], begin + length


def _behind(der: bytes, at: int) -> int:
    return _content(der, at, der[at])[1]
