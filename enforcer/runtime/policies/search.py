# SPDX-License-Identifier: MIT
"""The search for the first of a row of things that is too much, where each attempt compiles policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["first_too_much"]

_T = TypeVar("_T")


def first_too_much(
    number: int, why: _T, problem: Callable[[int], _T | None], guess: int | None = None
) -> tuple[int, _T]:
    """
    Find how many of the first of *number* things have no problem, and the problem of one more.

    A right *guess* takes two attempts. From a wrong one, the steps double until the place is passed, and halve from
    there.

    Args:
        number: of things; all of them have the problem *why*.
        why: the answer if all but the last have none.
        problem: of the first so many; it is not asked for none of them, which counts as no problem.
        guess: how many may have none; None: any number.
    """
    fits, fails = 0, number
    at, step = number // 2 if guess is None else guess, 1
    first: bool | None = None
    has_turned = guess is None
    while fails - fits > 1:
        at = min(max(at, fits + 1), fails - 1)
        found = problem(at)
        if found is None:
            fits = at
        else:
            fails, why = at, found
        first = found is None if first is None else first
        has_turned = has_turned or first is not (found is None)
        at = (fits + fails) // 2 if has_turned else at + (step if first else -step)
        step *= 2
    return fits, why
