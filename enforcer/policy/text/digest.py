# SPDX-License-Identifier: MIT
"""By what those who have the same text of a policy file know it: the engine, its results, the agent of a cluster."""

from __future__ import annotations

import hashlib

__all__ = ["digest_of"]


def digest_of(text: bytes) -> str:
    """Return the SHA-256 of *text*, as hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()
