# SPDX-License-Identifier: MIT
"""What a record says, or does not say, of one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.policy.language.vocabulary import SubjectFlag
from enforcer.policy.model import glob_match
from enforcer.policy.model.policy import Text
from enforcer.policy.model.workloads import CERTAIN
from enforcer.workbench.explain.logic import Gap, Truth, truth
from enforcer.workbench.explain.part import Part

if TYPE_CHECKING:
    from enforcer.policy.model.policy import Condition, Flag
    from enforcer.workbench.explain.access import ProcessFacts

__all__ = ["of_code", "of_gap", "of_workload"]


def of_code(flag: Flag, known: int | Gap) -> int | Gap:
    """Whether the code of a process is trusted may be unknown where all other facts are known."""
    is_asked = (flag.field.flag or 0) & SubjectFlag.TRUSTED_CODE
    if isinstance(known, Gap) or not is_asked or not known & SubjectFlag.CODE_UNKNOWN:
        return known
    return Gap.UNKNOWN


def of_workload(where: str, condition: Condition, who: ProcessFacts) -> Part:
    """Compare what is known of the container or the pod: of several labels one has to do."""
    known = who.of_workload(condition.field.name)
    if known is None:
        return Part(where, condition, None, Truth.FALSE, span=condition.span)
    if isinstance(known, Gap):
        is_certain = condition.index == CERTAIN and known is Gap.UNKNOWN
        so = Truth.FALSE if is_certain else of_gap(known)
        return Part(where, condition, known, so, span=condition.span)
    met = next(
        (
            value
            for value in condition.values
            if isinstance(value, Text)
            and any(glob_match.accepts(value, text, is_path=False) for text in known)
        ),
        None,
    )
    found = truth((met is not None) != condition.negate)
    return Part(where, condition, known, found, met, span=condition.span)


def of_gap(gap: Gap) -> Truth:
    """Return what a condition is on something that is not known."""
    return Truth.UNKNOWN if gap is Gap.UNKNOWN else Truth.UNRECORDED
