# SPDX-License-Identifier: MIT
"""What is answered to a change of the active policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.runtime.policies.difference import describe
from enforcer.runtime.policies.unattended import nothing_to_confirm

if TYPE_CHECKING:
    from enforcer.runtime.control.answers import ChangeAnswer, ChangeSeconds
    from enforcer.runtime.policies.active import ActiveSet
    from enforcer.runtime.policies.commit import Commit
    from enforcer.runtime.policies.compile_process import CompiledChange

__all__ = ["changed", "unchanged"]


def changed(
    made: CompiledChange,
    previous: int,
    done: Commit,
    seconds: ChangeSeconds,
    confirm_within: float | None,
) -> ChangeAnswer:
    """Say that *made* was *done*, in place of the generation *previous*."""
    return {
        "generation": made.now.generation,
        "previous": previous,
        "unchanged": False,
        "change": made.change.as_dict(),
        "lines": describe(made.change),
        "warnings": [*made.warnings, *done.warnings],
        "refused": [each.as_dict() for each in made.now.refused],
        "rules": made.now.n_rules,
        "seconds": seconds,
        "successor": done.is_successor,
        "confirmWithin": confirm_within,
    }


def unchanged(made: CompiledChange, now: ActiveSet, *, watch_acts: bool | None) -> ChangeAnswer:
    """
    Say that *made* is what is active *now*.

    Args:
        made: what was asked for.
        now: what is active.
        watch_acts: whether the watch activates changes for good; None: no confirmation was asked for.
    """
    unconfirmed = [] if watch_acts is None else [nothing_to_confirm(watch_acts=watch_acts)]
    return {
        "generation": now.generation,
        "previous": now.generation,
        "unchanged": True,
        "change": made.change.as_dict(),
        "lines": [],
        "warnings": [*made.warnings, *unconfirmed],
        "refused": [each.as_dict() for each in made.now.refused],
        "rules": now.n_rules,
    }
