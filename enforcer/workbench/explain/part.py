# SPDX-License-Identifier: MIT
"""One part of a rule, with what it asks for, what it found, and whether it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer.workbench.explain.logic import Gap, Truth, every, seen_by

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.policy.model.policy import Condition, Flag, Value, Within
    from enforcer.span import Span
    from enforcer.workbench.explain.access import Operand

__all__ = ["GAPS", "Part", "as_one", "nearest", "together"]

GAPS: Final = frozenset((Truth.UNKNOWN, Truth.UNRECORDED))


@attrs.frozen
class Part:
    """
    One thing that must hold.

    Attributes:
        where: the words of the policy that lead to it, ``process.binary``.
        condition: what is asked for; a condition, a fact, or the names that a guard keeps.
        found: the operand; None: there is none.
        value: the value that matched, if any.
        is_turned: it stands below a ``not…`` and must not hold as a whole.
    """

    where: str
    condition: Condition | Flag | Within | None
    found: Operand | tuple[bytes, ...] | None
    holds: Truth
    value: Value | None = None
    is_turned: bool = False
    span: Span | None = None


def as_one(word: str, parts: list[Part], holds: Truth, *, is_turned: bool = True) -> Part:
    """Combine *parts* that hold or fail together into the most telling one."""
    shown = next((p for p in parts if p.holds is not Truth.TRUE), parts[0] if parts else None)
    if shown is None:
        return Part(word, None, Gap.UNRECORDED, holds, is_turned=is_turned)
    return attrs.evolve(shown, holds=holds, is_turned=is_turned)


def together(parts: Iterable[Part]) -> list[Part]:
    """Let claimed facts of the subject outweigh unknown ones, as the kernel side does."""
    found = list(parts)
    if every(part.holds for part in found) is not Truth.CLAIMED:
        return found
    return [
        attrs.evolve(part, holds=Truth.CLAIMED) if part.holds in GAPS else part for part in found
    ]


def nearest(ways: Iterable[list[Part]], *, favours: bool) -> list[Part]:
    """Return the parts of that one of *ways* to match which does, or which comes closest; the first of equals."""
    order = (Truth.TRUE, Truth.UNRECORDED, Truth.UNKNOWN, Truth.FALSE)
    return min(
        ways,
        key=lambda parts: order.index(seen_by(every(p.holds for p in parts), favours=favours)),
    )
