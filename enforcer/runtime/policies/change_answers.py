# SPDX-License-Identifier: MIT
"""What is answered to a change of the active policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.runtime.policies.difference import describe
from enforcer.runtime.policies.unattended import nothing_to_confirm

if TYPE_CHECKING:
    from enforcer.runtime.control.answers import ChangeAnswer, ChangeSeconds, Confirmation
    from enforcer.runtime.policies.commit import Commit
    from enforcer.runtime.policies.compile_process import CompiledChange
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["changed", "confirmed", "unchanged"]


def changed(
    enforcement: Enforcement,
    made: CompiledChange,
    previous: int,
    done: Commit,
    seconds: ChangeSeconds,
) -> ChangeAnswer:
    """Say that *made* was *done* by *enforcement*, in place of the generation *previous*."""
    pending = enforcement.pending
    return {
        "generation": made.now.generation,
        "previous": previous,
        "unchanged": False,
        "change": made.change.as_dict(),
        "lines": describe(made.change),
        "warnings": [*made.warnings, *done.warnings],
        "refused": [each.as_dict() for each in made.now.refused],
        "rules": made.now.n_rules,
        "posture": enforcement.posture().as_dict(),
        "seconds": seconds,
        "successor": done.is_successor,
        "confirmWithin": None if pending is None else pending.seconds,
    }


def unchanged(
    enforcement: Enforcement, made: CompiledChange, *, is_to_confirm: bool
) -> ChangeAnswer:
    """Say that *made* is what *enforcement* has made active already; *is_to_confirm*: a confirmation was asked for."""
    now, files = enforcement.now, enforcement.files
    watch_acts = files is not None and files.acts_for_good
    unconfirmed = [nothing_to_confirm(watch_acts=watch_acts)] if is_to_confirm else []
    return {
        "generation": now.generation,
        "previous": now.generation,
        "unchanged": True,
        "change": made.change.as_dict(),
        "lines": [],
        "warnings": [*made.warnings, *unconfirmed],
        "refused": [each.as_dict() for each in made.now.refused],
        "rules": now.n_rules,
        "posture": enforcement.posture().as_dict(),
    }


def confirmed(enforcement: Enforcement, *, waited: bool) -> Confirmation:
    """Say that what *enforcement* has made active stays; *waited*: until now that was open."""
    return {
        "generation": enforcement.now.generation,
        "unchanged": not waited,
        "posture": enforcement.posture().as_dict(),
    }
