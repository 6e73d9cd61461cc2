# SPDX-License-Identifier: MIT
"""What can go wrong with an API server. Nothing of it removes a file: what is enforced stays."""

from __future__ import annotations

from enforcer.errors import EnforcerError

__all__ = [
    "AnswerError",
    "ExpiredError",
    "GarbageError",
    "KubeError",
    "TooLargeError",
    "UnreachableError",
    "printable",
]

_SHOWN = 300


class KubeError(EnforcerError):
    """Base of all: the API server did not say what was asked for."""


class UnreachableError(KubeError):
    """There is no connection, it broke, or nothing came in time."""


class GarbageError(KubeError):
    """What came is not what an API server says."""


class TooLargeError(KubeError):
    """The answer is longer than the limit."""


class ExpiredError(KubeError):
    """The server does not know the version any more that was named (410), or not yet: list again."""


class AnswerError(KubeError):
    """
    The server refused.

    Attributes:
        status: of HTTP.
        retry_after: seconds that the server asks to wait; 0: it does not.
    """

    def __init__(self, message: str, status: int, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def printable(text: object) -> str:
    """Return *text* of others in one line for people, without what would move the cursor."""
    shown = "".join(c if c.isprintable() else " " for c in str(text)[: 2 * _SHOWN])
    return " ".join(shown.split())[:_SHOWN]
