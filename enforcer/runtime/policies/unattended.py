# SPDX-License-Identifier: MIT
"""Changes without a caller: from the watch, a signal, or containers that come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.runtime.control.answers import ChangeAnswer, Confirmation

__all__ = ["attempt", "nothing_to_confirm", "try_to", "try_to_confirm"]


def try_to(change: Callable[[], ChangeAnswer], report: Callable[[str], None]) -> None:
    """Make a change without a caller; report what it does, or what is wrong."""
    attempt(change, report)


def attempt(
    change: Callable[[], ChangeAnswer], report: Callable[[str], None]
) -> EnforcerError | None:
    """Do :func:`try_to`, and return what is wrong, if anything."""
    try:
        answer = change()
    except EnforcerError as error:
        for each in getattr(error, "errors", (error,)):
            report(f"{each}")
        report("policies were not activated: the active policies do not change")
        return error
    for line in (*answer["lines"], *answer["warnings"]):
        report(line)
    posture = answer["posture"]
    if answer["unchanged"]:
        report(
            f"nothing differs, generation {answer['generation']} stays active: {posture['sentence']}"
        )
        return None
    unless = ""
    if within := answer["confirmWithin"]:
        how = posture["confirm"]
        unless = f"; for {within:g} s unless confirmed: {how}"
        unless = unless if how is not None else f"; for {within:g} s, and nothing can confirm it"
    report(f"generation {answer['generation']} active: {posture['sentence']}{unless}")
    return None


def try_to_confirm(confirm: Callable[[], Confirmation], report: Callable[[str], None]) -> None:
    """Keep the active policies, as a signal asks, and report what comes of it."""
    try:
        answer = confirm()
    except EnforcerError as error:
        report(f"SIGUSR2 confirms nothing: {error}")
        return
    said = "nothing awaits confirmation" if answer["unchanged"] else "confirmed by SIGUSR2"
    sentence = answer["posture"]["sentence"]
    report(f"{said}: generation {answer['generation']} stays active: {sentence}")


def nothing_to_confirm(*, watch_acts: bool) -> str:
    """Say that a change that should be confirmed changed nothing, and whether the watch may be why."""
    said = "nothing awaits confirmation: what the files say is active already"
    if not watch_acts:
        return said
    return (
        f"{said} (the watch may have activated them: with --watch-confirm-within TIME, such "
        "changes await confirmation, too)"
    )
