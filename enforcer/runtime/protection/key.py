# SPDX-License-Identifier: MIT
"""
The key to a protected engine: derived from a passphrase, and proven to the daemon without showing it.

This follows SCRAM (RFC 5802). The daemon keeps SHA-256 of the key. The client sends the key under a
mask, which is made of this hash, a nonce and the request, so the daemon can remove it. A proof cannot
be used again or for another request, and what the daemon keeps is not a key.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LEAST", "SALT_BYTES", "canonical", "is_proof", "key_of", "proof_of", "stored_of"]

LEAST: Final = 12
"""Characters of the shortest passphrase: who reads what is kept can try passphrases elsewhere."""

SALT_BYTES: Final = 16

# Fixed here, so that nobody at the other end can ask for a cheaper one: 64 MiB and some tenths of a second.
_COST: Final = 1 << 16
_BLOCK: Final = 8
_ROOM: Final = 2 * 128 * _BLOCK * _COST
_PURPOSE: Final = b"enforcer: the key to a protected engine"
_REQUEST: Final = b"enforcer: a request\0"


def key_of(passphrase: str, salt: bytes) -> bytes:
    """Return the key of *passphrase*: 32 bytes, after some tenths of a second."""
    import hashlib  # noqa: PLC0415 (the library behind it is large)
    import hmac  # noqa: PLC0415 (the library behind it is large)

    slow = hashlib.scrypt(
        passphrase.encode("utf-8", "surrogateescape"),
        salt=salt, n=_COST, r=_BLOCK, p=1, maxmem=_ROOM, dklen=32,
    )  # fmt: skip
    return hmac.digest(slow, _PURPOSE, "sha256")


def stored_of(key: bytes) -> bytes:
    """Return what is kept of *key*."""
    import hashlib  # noqa: PLC0415 (the library behind it is large)

    return hashlib.sha256(key).digest()


def canonical(request: Mapping[str, Any]) -> bytes:
    """Write *request* as both sides do, without its proof and what was not given."""
    given = {k: v for k, v in request.items() if v is not None and k != "proof"}
    return json.dumps(given, sort_keys=True, separators=(",", ":")).encode("ascii")


def proof_of(key: bytes, nonce: bytes, request: bytes) -> bytes:
    """Return the proof that who knows *key* makes *request*, in answer to *nonce*."""
    return _masked(key, stored_of(key), nonce, request)


def is_proof(proof: bytes, stored: bytes, nonce: bytes, request: bytes) -> bool:
    """Tell whether *proof* was made by the key of *stored* for *nonce* and *request*."""
    if len(proof) != len(stored):
        return False
    import hmac  # noqa: PLC0415 (the library behind it is large)

    key = _masked(proof, stored, nonce, request)
    return hmac.compare_digest(stored_of(key), stored)


def _masked(text: bytes, stored: bytes, nonce: bytes, request: bytes) -> bytes:
    import hmac  # noqa: PLC0415 (the library behind it is large)

    mask = hmac.digest(stored, _REQUEST + nonce + request, "sha256")
    return bytes(a ^ b for a, b in zip(text, mask, strict=True))
