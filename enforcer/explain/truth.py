# SPDX-License-Identifier: MIT
"""
The values that a condition can have for somebody who only has the record.

Three of them the kernel side knows as well. The fourth is ours: the record does not say.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Gap", "Truth", "every", "negated", "some", "truth"]


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


def truth(value: object) -> Truth:
    """Return whether *value* is true."""
    return Truth.TRUE if value else Truth.FALSE


def negated(value: Truth) -> Truth:
    """Turn *value* round; what is not known stays so."""
    return {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(value, value)


def every(values: Iterable[Truth]) -> Truth:
    """Return whether all hold."""
    found = set(values)
    order = (Truth.FALSE, Truth.UNRECORDED, Truth.UNKNOWN)
    return next((value for value in order if value in found), Truth.TRUE)


def some(values: Iterable[Truth]) -> Truth:
    """Return whether any holds."""
    found = set(values)
    order = (Truth.TRUE, Truth.UNRECORDED, Truth.UNKNOWN)
    return next((value for value in order if value in found), Truth.FALSE)
