# SPDX-License-Identifier: MIT
"""What ``status`` says of the active policies beside the numbers of the kernel's session."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from enforcer.runtime.control.posture import Posture, Tally
from enforcer.runtime.sessions.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.runtime.control.answers import PoliciesState
    from enforcer.runtime.control.policy_answers import PolicyState
    from enforcer.runtime.control.report import PolicyFacts
    from enforcer.runtime.policies.active import ActiveSet
    from enforcer.runtime.policies.enforcement import Enforcement
    from enforcer.runtime.sessions.counts import Ledger

__all__ = ["policies_state", "policy_states", "posture_of"]


def posture_of(enforcement: Enforcement) -> Posture:
    """Compute what *enforcement* enforces now: the one value that all outlets tell."""
    now, pending, sessions = enforcement.now, enforcement.pending, enforcement.sessions
    return Posture(
        tally=Tally.of(now.facts),
        rules=now.n_rules,
        programs=len({name for names in sessions.operations.values() for name in names}),
        refused_files=len(now.refused),
        confirm="enforcer confirm" if pending is not None and enforcement.is_confirmable else None,
        confirm_until=None if pending is None else round(time.time() + pending.left, 1),
        returned=now.is_return,
        outlives=enforcement.store is not None and sessions.current.is_kept,
    )


def policy_states(
    now: ActiveSet, which: Iterable[PolicyFacts], counts: Ledger
) -> list[PolicyState]:
    """Describe the policies of *now* that *which* has, with how often they decided by *counts*."""
    decided = counts.by_policy()
    refused = counts.enforced_without({facts.name: facts.permitting for facts in now.facts})
    return [
        facts.as_dict(
            decided.get(facts.name, Counts()),
            refused.get(facts.name, 0),
            is_older=now.is_older(facts),
        )
        for facts in which
    ]


def policies_state(enforcement: Enforcement) -> PoliciesState:
    """Describe what *enforcement* has made active, and what became of the containers that it met."""
    now, session, pending = enforcement.now, enforcement.sessions.current, enforcement.pending
    base = None if enforcement.store is None else str(enforcement.store.base)
    is_kept = session.is_kept
    return {
        "policies": enforcement.policies(),
        "posture": enforcement.posture().as_dict(),
        "generationSeconds": round(now.age, 1),
        "pending": None
        if pending is None
        else {"confirmWithin": pending.seconds, "left": round(max(0.0, pending.left), 1)},
        "unknownContainers": list(enforcement.workloads.unknown)
        if now.workloads is not None
        else [],
        "unfollowedContainers": sorted(
            {*now.unfollowed, *map(os.fsdecode, enforcement.containers.mounts.incomplete)}
        ),
        "metContainers": {**enforcement.containers.met},
        "protected": session.is_protected,
        "keyed": (guard := session.guard) is not None and guard.verifier is not None,
        "pinned": base if is_kept else None,
        "unpinned": None if is_kept else base,
        "runtimeChanges": list(now.overlay.describe()),
        "notActive": "" if enforcement.files is None else enforcement.files.wrong,
        "refusedFiles": [each.as_dict() for each in now.refused],
    }
