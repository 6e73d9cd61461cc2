# SPDX-License-Identifier: MIT
"""
Digests: of what others have as well, and of what one process compares.

hashlib loads OpenSSL, which would be a tenth of what a daemon has in memory. So it waits until there is a digest to make.
"""

from __future__ import annotations

__all__ = ["digest_of", "fingerprint"]


def digest_of(text: bytes) -> str:
    """
    Return the SHA-256 of *text*, as hexadecimal digits.

    By it the engine, its results and the agent of a cluster know that they have the same text of a policy file.
    """
    import hashlib  # noqa: PLC0415 (see above)

    return hashlib.sha256(text).hexdigest()


def fingerprint(plain: object, size: int = 16) -> bytes:
    """Return *size* bytes by which *plain* is told from what prints otherwise (BLAKE2b)."""
    import hashlib  # noqa: PLC0415 (see above)

    return hashlib.blake2b(repr(plain).encode(), digest_size=size).digest()
