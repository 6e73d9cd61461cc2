# SPDX-License-Identifier: MIT
"""
Arguments whose numbers say what a hook is called for: filters on them choose operations.

What a filter means and no operation decides on is an error, and not left out: a rule would be narrower than
what was written, and nothing would say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from enforcer.errors import PolicyError
from enforcer.policy.foreign.tracing.filters import Filter
from enforcer.policy.foreign.tracing.hooks import Choices, Hook
from enforcer.policy.foreign.tracing.numbers import NUMBER_OPERATORS, bits, ranges

__all__ = ["chosen", "undecided"]

_WIDTH = 32
_BITS = tuple(1 << n for n in range(_WIDTH))


def chosen(filter_: Filter, choices: Choices, name: str) -> frozenset[str]:
    """
    Return the operations that the numbers stand for which *filter_* holds for, at the hook called *name*.

    Raises:
        PolicyError: there are none, or it also holds for numbers that none of them decides on.
    """
    known = ", ".join(f"{key} ({word})" for key, word in choices.words.items())
    decided = (
        f"argument {filter_.argument.index} of {name} is decided on where it is one of {known}"
    )
    kept = _holding(filter_, choices.words)
    if not kept:
        raise PolicyError(f"{decided}, so the rule would never match", filter_.span)
    if missed := _missed(filter_, choices, kept):
        can_mask = choices.is_bits and all(_is_of(number, choices.words) for number in missed)
        hint = ": compare it with Mask" if can_mask else ""
        msg = f"{decided}, so {', '.join(map(str, missed))} would be missed{hint}"
        raise PolicyError(msg, filter_.span)
    return frozenset(word for key in kept for word in choices.words[key].split())


def undecided(filters: Sequence[Filter], hook: Hook) -> Iterator[str]:
    """Name what *hook* is called for, *filters* mean and no operation decides on, though it is known what it is."""
    for index, operand in hook.args.items():
        if not isinstance(operand, Choices) or not operand.undecided:
            continue
        meant = set(operand.undecided)
        for filter_ in filters:
            if filter_.argument.index == index:
                meant.intersection_update(_holding(filter_, meant))
        yield from (operand.undecided[key] for key in sorted(meant))


def _holding(filter_: Filter, numbers: Iterable[int]) -> list[int]:
    """Return those of *numbers* that *filter_* holds for."""
    if filter_.operator == "Mask":
        masks = [mask for mask, _ in bits(filter_, _WIDTH)]
        return [number for number in numbers if any(number & mask for mask in masks)]
    found, negate = ranges(filter_).of, NUMBER_OPERATORS[filter_.operator]
    return [number for number in numbers if _is_in(number, found) is not negate]


def _missed(filter_: Filter, choices: Choices, kept: Sequence[int]) -> list[int]:
    """Return numbers that *filter_* holds for, and no operation of *kept*; bits of its masks if it is one."""
    if filter_.operator == "Mask":
        masks = [mask for mask, _ in bits(filter_, _WIDTH)]
        return [bit for bit in _BITS if choices.is_bits and _is_lost(bit, masks, choices.words)]
    # Of numbers without an end, those count that the kernel passes; what is listed counts as it is written.
    listed = {low for low, high in ranges(filter_).of if low is not None and low == high}
    meant = _holding(filter_, sorted(listed.union(choices.passed)))
    if choices.is_bits:
        return [number for number in meant if not any(number & key for key in kept)]
    return [number for number in meant if number not in {*choices.words, *choices.undecided}]


def _is_lost(bit: int, masks: Sequence[int], known: Iterable[int]) -> bool:
    return any(bit & mask for mask in masks) and bit not in known


def _is_of(number: int, known: Iterable[int]) -> bool:
    """Tell whether *number* has no other bits than those *known*."""
    return not number & ~sum(known)


def _is_in(number: int, found: Sequence[tuple[int | None, int | None]]) -> bool:
    return any(
        (low is None or low <= number) and (high is None or number <= high) for low, high in found
    )
