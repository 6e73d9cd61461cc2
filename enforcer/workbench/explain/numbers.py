# SPDX-License-Identifier: MIT
"""Which numbers a value accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.policy.model.policy import Address, CapabilityMask, Interval, Mask, Text

if TYPE_CHECKING:
    from enforcer.policy.model.policy import Value

__all__ = ["accepts_any"]


def accepts_any(value: Value, counted: tuple[int, ...]) -> bool:
    """Tell it of an operand that *counted* are the numbers of; a mask is about its own bits."""
    if isinstance(value, Mask):
        return _accepts_number(value, counted[0])
    return any(_accepts_number(value, number) for number in counted)


def _accepts_number(value: Value, number: int) -> bool:
    match value:
        case Interval(low, high) | Address(low, high):
            return low <= number <= high
        case Mask(mask, None) | CapabilityMask("any", mask):
            return bool(number & mask)
        case Mask(mask, wanted):
            return number & mask == wanted
        case CapabilityMask("all", mask):
            return number & mask == mask
        case CapabilityMask(_, mask):
            return not number & mask
        case Text():
            return False
