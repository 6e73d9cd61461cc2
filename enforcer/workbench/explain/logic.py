# SPDX-License-Identifier: MIT
"""
The values that a condition can have for a reader who has only the record.

The kernel side knows four of them. The fifth exists only here: the record does not say.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Gap", "Truth", "every", "negated", "of_views", "seen_by", "some", "truth"]


class Gap(enum.Enum):
    """Why an operand has no value here."""

    UNKNOWN = "unknown"  # the kernel side could not read it
    UNRECORDED = "unrecorded"  # the kernel side had it, the record does not


class Truth(enum.Enum):
    """What a condition is."""

    FALSE = "false"
    TRUE = "true"
    UNKNOWN = "unknown"
    UNRECORDED = "unrecorded"
    CLAIMED = "claimed"  # true or false by a name that the host does not show


def truth(value: object) -> Truth:
    """Return whether *value* is true."""
    return Truth.TRUE if value else Truth.FALSE


def negated(value: Truth) -> Truth:
    """Negate *value*; unknown stays unknown."""
    return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(value, value)


def every(values: Iterable[Truth]) -> Truth:
    """Return whether all hold."""
    found = set(values)
    order = (Truth.FALSE, Truth.CLAIMED, Truth.UNRECORDED, Truth.UNKNOWN)
    return next((value for value in order if value in found), Truth.TRUE)


def some(values: Iterable[Truth]) -> Truth:
    """Return whether any holds."""
    found = set(values)
    order = (Truth.TRUE, Truth.CLAIMED, Truth.UNRECORDED, Truth.UNKNOWN)
    return next((value for value in order if value in found), Truth.FALSE)


def of_views(claimed: Truth, bare: Truth, *, favours: bool) -> Truth:
    """
    Return what holds of the truths with a claimed name and without one.

    In favour of the subject counts only what holds in both, against it what holds in one, as ``enf_of_views``.
    """
    return every((claimed, bare)) if favours else some((claimed, bare))


def seen_by(value: Truth, *, favours: bool) -> Truth:
    """Return what *value* is worth for a rule that is in favour of the subject, or is not."""
    return truth(not favours) if value is Truth.CLAIMED else value
