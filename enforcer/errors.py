# SPDX-License-Identifier: MIT
"""
Every exception of enforcer, in three families.

:class:`PolicyError` is about the user's text and carries a place; :class:`KernelError` is about the
machine and is an :class:`OSError`; :class:`EnforcerBug` is ours. Messages say what failed, why, and
what to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from enforcer.span import Span

__all__ = [
    "ControlError",
    "EnforcerBug",
    "EnforcerError",
    "FileError",
    "HeldError",
    "KernelError",
    "LimitError",
    "PolicyError",
    "PolicyErrors",
    "TextError",
    "TrustError",
    "UnsupportedError",
    "VerifierError",
]


class EnforcerError(Exception):
    """Base of all."""


class PolicyError(EnforcerError):
    """Something in a policy file is wrong; *span* is where, if it has a place."""

    kind: ClassVar = "invalid-policy"
    """What tools call errors of this class. It stays."""

    is_of_text: ClassVar = True
    """It is about what stands at its place, and not about the whole file."""

    def __init__(self, message: str, span: Span | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.span = span

    def __str__(self) -> str:
        return f"{self.span}: {self.message}" if self.span else self.message


class FileError(PolicyError):
    """A file or directory of policies cannot be opened or read; nothing is known of what is in it."""

    kind = "unreadable-file"
    is_of_text = False


class LimitError(PolicyError):
    """A policy exceeds a limit of the image; the message names the limit, and *limit* is its name, mostly that of the ABI."""

    kind = "exceeded-limit"

    limit: str = ""


class TextError(PolicyError):
    """A file is not the text that it should be: not UTF-8, not YAML, or YAML that policies do without."""

    kind = "invalid-text"


class TrustError(PolicyError):
    """A file or directory could have been written by somebody other than root."""

    kind = "untrusted-file"
    is_of_text = False


class PolicyErrors(EnforcerError):
    """All errors of one load together, in file order."""

    def __init__(self, errors: Iterable[PolicyError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(e) for e in self.errors))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errors,)


class KernelError(EnforcerError, OSError):
    """The kernel refused something; ``errno`` is kept."""

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(errno, message)
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.errno)

    def __str__(self) -> str:
        return f"{self.message}: {os.strerror(self.errno)}" if self.errno else self.message


class HeldError(KernelError):
    """Another daemon holds what is for one at a time; the message says how to end it."""


class UnsupportedError(KernelError):
    """This kernel or machine cannot do what was asked; the message says what would help."""


class VerifierError(KernelError):
    """The kernel's verifier refused a program; *log* is everything that it said."""

    def __init__(self, message: str, errno: int, log: str) -> None:
        super().__init__(message, errno)
        self.log = log

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.errno, self.log)


class ControlError(EnforcerError):
    """The daemon could not be reached, or answered with an error."""


class EnforcerBug(EnforcerError):
    """An invariant of ours does not hold."""
