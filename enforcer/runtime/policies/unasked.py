# SPDX-License-Identifier: MIT
"""Changes that nobody waits for: by the watch, by a signal, by containers that come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.runtime.control.answers import ChangeAnswer

__all__ = ["nothing_to_confirm", "try_to"]


def try_to(change: Callable[[], ChangeAnswer], report: Callable[[str], None]) -> None:
    """Make a change that nobody waits for; what it does, or what is wrong, is reported."""
    try:
        answer = change()
    except EnforcerError as error:
        for each in getattr(error, "errors", (error,)):
            report(f"{each}")
        report("policies were not put in force: what is in force stays")
        return
    for line in (*answer["lines"], *answer["warnings"]):
        report(line)
    if answer["unchanged"]:
        report(f"nothing differs, generation {answer['generation']} stays in force")
        return
    within = answer["confirmWithin"]
    unless = f"; for {within:g} s unless confirmed: enforcer confirm" if within else ""
    report(f"generation {answer['generation']} in force{unless}")


def nothing_to_confirm(*, watch_acts: bool) -> str:
    """Say that a change that should be confirmed changed nothing, and whether the watch may be why."""
    said = "there is nothing to confirm: what the files say is in force"
    if not watch_acts:
        return said
    return (
        f"{said} (the watch may have seen to that: --watch-confirm-within TIME lets what it "
        "puts in force be taken back)"
    )
