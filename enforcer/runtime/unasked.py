# SPDX-License-Identifier: MIT
"""Changes that nobody waits for: by the watch, by a signal, by containers that come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["try_to"]


def try_to(change: Callable[[], dict[str, Any]], report: Callable[[str], None]) -> None:
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
