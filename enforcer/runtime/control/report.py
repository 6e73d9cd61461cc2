# SPDX-License-Identifier: MIT
"""What ``status`` says: the daemon's state as one JSON object."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from enforcer.own_memory import resident
from enforcer.policy.language.vocabulary import Dim
from enforcer.policy.model.policy import Verb

if TYPE_CHECKING:
    from enforcer.policy.model.policy import PolicySet, Rule
    from enforcer.runtime.control.answers import DaemonState, Health, PoliciesState
    from enforcer.runtime.control.policy_answers import PolicyState
    from enforcer.runtime.policies.runtime_changes import Overlay
    from enforcer.runtime.ports import Hits, KernelSession, PolicyControl
    from enforcer.runtime.records.pipeline import Pipeline

__all__ = ["PolicyFacts", "facts_of", "status"]


@attrs.frozen
class PolicyFacts:
    """
    One policy that is known.

    Attributes:
        origin: "file", or "added" at run time.
        is_enabled: whether it is active.
        is_mode_set: whether its mode was set at run time.
        degraded: names of rules that can be recorded but not prevented.
        permitting: names of rules and defaults that refuse nothing.
        refuses: whether a rule or default refuses.
    """

    name: str
    mode: str
    file: str
    place: str
    rules: int
    origin: str = "file"
    is_enabled: bool = True
    is_mode_set: bool = False
    degraded: tuple[str, ...] = ()
    permitting: tuple[str, ...] = ()
    refuses: bool = True

    def as_dict(self, counts: Hits, refused: int, *, is_older: bool = False) -> PolicyState:
        """
        Describe it in JSON.

        Args:
            counts: how often it decided.
            refused: how often of these it denied or killed.
            is_older: its file says something else by now.
        """
        return {
            "name": self.name,
            "mode": self.mode,
            "file": self.file,
            "place": self.place,
            "rules": self.rules,
            "enabled": self.is_enabled,
            "origin": self.origin,
            "modeSet": self.is_mode_set,
            "older": is_older,
            "degraded": list(self.degraded),
            "enforced": counts.enforced,
            "refused": refused,
            "audited": counts.audited,
        }


def facts_of(policies: PolicySet, overlay: Overlay) -> tuple[PolicyFacts, ...]:
    """Remember what there is to say of *policies*, those that are disabled included."""
    return tuple(
        PolicyFacts(
            name=policy.name,
            mode=policy.mode.value,
            file=policy.span.file,
            place=str(policy.span),
            rules=len(policy.rules),
            origin="added" if policy.span.file in overlay.added else "file",
            is_enabled=policy.name not in overlay.disabled,
            is_mode_set=policy.name in overlay.modes,
            degraded=tuple(rule.name for rule in policy.rules if _is_degraded(rule)),
            permitting=policy.permitting,
            refuses=len(policy.permitting) < len(policy.rules) + len(policy.defaults),
        )
        for policy in policies.policies
    )


def _is_degraded(rule: Rule) -> bool:
    """Tell whether *rule* refuses by what is known only when it has happened."""
    has_args = any(condition.field.dim == Dim.ARG_ANY for condition in rule.conditions)
    return rule.event == "exec" and rule.action.verb is Verb.DENY and has_args


def status(
    session: KernelSession, pipeline: Pipeline, policies: PolicyControl | None, uptime: float
) -> DaemonState:
    """Describe the active policies and what they did."""
    map_bytes = session.map_bytes()
    found = health(session, pipeline, uptime)
    known: PoliciesState = policies.describe() if policies is not None else {}
    return {
        **found,
        **known,
        "memory": {
            "residentBytes": resident(),
            "mapBytes": sum(map_bytes.values()),
            "maps": map_bytes,
        },
    }


def health(session: KernelSession, pipeline: Pipeline, uptime: float) -> Health:
    """Describe what runs and what it lost: what costs little, and changes all the time."""
    counted = session.stats()
    return {
        "pid": os.getpid(),
        "uptimeSeconds": round(uptime, 1),
        "generation": session.generation,
        "programs": len({p for programs in session.operations.values() for p in programs}),
        "missing": list(session.missing),
        "enforcesAt": session.enforces_at,
        "rings": session.ring_use(),
        "records": {
            "total": pipeline.stats.records,
            "byOutcome": dict(pipeline.stats.by_outcome),
            "lostDecisions": counted.get("LOST_DECISIONS", 0),
            "lostActivity": counted.get("LOST_ACTIVITY", 0),
            "malformed": pipeline.stats.malformed,
            "unreadCommandLines": pipeline.enricher.resolver.processes.readers.unanswered,
        },
        "sinks": [
            {
                "name": outlet.sink.name,
                "failing": outlet.is_failing,
                "failures": outlet.failures,
                "dropped": outlet.sink.dropped,
            }
            for outlet in pipeline.fanout.outlets
        ],
        "kernel": {name.lower(): count for name, count in counted.items()},
    }
