# SPDX-License-Identifier: MIT
"""
The status of one policy, summed up from what the nodes say of it.

Whatever is not known counts against ``Enforced``, and is told as not known: a node that is silent or behind
may enforce the policy, and nobody has said so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.errors import printable
from enforcer.cluster.agent.policy_text import short_uid
from enforcer.cluster.agent.rollout import EVERYWHERE
from enforcer.policy.schema.kube_status import MAX_FAILURES, POLICY_CONDITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["OnNode", "Said", "facts_of", "said_of", "sum_up", "verdict_of", "with_times"]

_REFUSED: Final = frozenset({"refused", "older"})
_DECIDES: Final = frozenset({"active", "audit"})
_SILENT: Final = ("Silent", "reports no more")
_MUTE: Final = ("EngineSilent", "its engine says no more")
_NO_NODES: Final = ("NoNodes", "no node has reported")


@attrs.frozen
class Said:
    """
    What a node says of a policy, without counts.

    Attributes:
        generation: of the object that is meant; None: nobody knows.
        rollout: by which the node decided whether it enforces.
        is_held: it only records by that.
        uid: the beginning of the object's; empty: the agent is of a version that does not tell it.
    """

    state: str
    generation: int | None
    reason: str = ""
    message: str = ""
    path: str = ""
    rollout: str = EVERYWHERE
    is_held: bool = False
    uid: str = ""

    def is_of(self, generation: int, uid: str) -> bool:
        """Whether this is about the object of *uid*, and about its *generation*."""
        return self.generation == generation and (not uid or self.uid in {"", uid})


@attrs.frozen
class OnNode:
    """
    A policy on a node.

    Attributes:
        said: None: nothing yet.
        is_silent: the node has not reported for long.
        is_mute: it reports, and its engine says nothing: of what has come since, nothing is known either.
    """

    node: str
    said: Said | None
    is_silent: bool = False
    is_mute: bool = False


@attrs.define
class _Sums:
    total: int = 0
    active: int = 0
    audit: int = 0
    held: int = 0
    elsewhere: int = 0
    degraded: int = 0
    refused: int = 0
    behind: int = 0
    silent: int = 0
    mute: int = 0


def said_of(entry: dict[str, Any]) -> Said:
    """Return what *entry* of a node's report says."""
    generation = entry.get("observedGeneration")
    reason, message, path = (printable(entry.get(key, "")) for key in ("reason", "message", "path"))
    return Said(
        str(entry.get("state")),
        generation if isinstance(generation, int) else None,
        reason,
        message,
        path,
        printable(entry.get("rollout") or EVERYWHERE),
        is_held=entry.get("held") is True,
        uid=short_uid(str(entry.get("uid") or "")),
    )


def sum_up(
    generation: int,
    nodes: Iterable[OnNode],
    denials: int,
    rollout: str = EVERYWHERE,
    uid: str = "",
) -> dict[str, Any]:
    """
    Return the status of the policy whose newest generation is *generation*, without times.

    Args:
        generation: what a node says of another one does not count: that node is behind.
        nodes: all of them, in the order in which failures are to be told.
        denials: on all of them.
        rollout: of the policy. A node that went by another one decides as it says, and is to say it anew.
        uid: the beginning of the policy's. A node that speaks of another is behind, too: that policy was deleted.
    """
    sums, present = _Sums(), printable(rollout)
    refusals: list[dict[str, str]] = []
    limits: list[dict[str, str]] = []
    silent: list[dict[str, str]] = []
    for each in nodes:
        sums.total += 1
        said = each.said
        if each.is_silent or each.is_mute:
            # Not active, and not refused either: what it last said may be true or not.
            sums.silent += each.is_silent
            sums.mute += not each.is_silent
            if len(silent) < MAX_FAILURES:
                reason, message = _SILENT if each.is_silent else _MUTE
                silent.append({"node": each.node, "reason": reason, "message": message})
        elif said is None or not said.is_of(generation, uid):
            sums.behind += 1
        elif said.state in _REFUSED:
            sums.refused += 1
            if len(refusals) < MAX_FAILURES:
                refusals.append(_failure(each.node, said))
        elif said.state in _DECIDES:
            sums.active += 1
            sums.audit += said.state == "audit"
            sums.held += said.is_held
            sums.elsewhere += said.rollout != present
        else:
            # Degraded, or a word of a newer version: towards less is enforced.
            sums.degraded += 1
            if len(limits) < MAX_FAILURES:
                limits.append(_failure(each.node, said))
    failures = [*refusals, *limits, *silent][:MAX_FAILURES]
    says = _conditions(sums, failures[0] if failures else {})
    return {
        "nodes": {
            "total": sums.total,
            "active": sums.active,
            "enforcing": sums.active - sums.audit,
            "held": sums.held,
            "degraded": sums.degraded,
            "refused": sums.refused,
        },
        "rollout": rollout,
        "denials": denials,
        "failures": failures,
        "conditions": [
            {
                "type": name,
                "status": says[name][0],
                "reason": says[name][1],
                "message": says[name][2],
                "observedGeneration": generation,
            }
            for name in POLICY_CONDITIONS
        ],
    }


def _failure(node: str, said: Said) -> dict[str, str]:
    parts = {"reason": said.reason, "message": said.message, "path": said.path}
    return {"node": node, **{key: text for key, text in parts.items() if text}}


def _conditions(sums: _Sums, first: dict[str, str]) -> dict[str, tuple[str, str, str]]:
    """Return of each condition its status, reason and message."""
    unknown = _unknown(sums)
    limited = ("WithLimits", f"nodes on which it decides with limits: {sums.degraded}")
    if sums.refused:
        why = (first.get("reason") or "Refused", _place(first))
        no = ("False", *why)
        return {"Accepted": no, "Enforced": no, "Degraded": ("True", *why)}
    known = sums.active + sums.degraded
    # No text is empty: see the status of a node.
    read = ("True", "Read", "nodes have read it")
    accepted = read if known else ("Unknown", *(unknown or _NO_NODES))
    held = None
    if sums.held:
        # It is the writer's own order, and whoever counts on the policy must see it, whatever else is not known.
        where = f"by its rollout it only records on {sums.held} of {sums.total} nodes"
        held = ("False", "Rollout", where)
    if sums.degraded:
        return {
            "Accepted": accepted,
            "Enforced": ("False", *limited),
            "Degraded": ("True", *limited),
        }
    if unknown is not None:
        rest = ("Unknown", *unknown)
        return {"Accepted": accepted, "Enforced": held or rest, "Degraded": rest}
    active = "all nodes that reported decide by it"
    audits = f"nodes on which it only records: {sums.audit}" if sums.audit else active
    return {
        "Accepted": accepted,
        "Enforced": held or ("True", "Active", audits),
        "Degraded": ("False", "AsWritten", "all nodes that reported decide as it is written"),
    }


def _unknown(sums: _Sums) -> tuple[str, str] | None:
    """Return why not all is known, and in how many cases; None: all is."""
    if not sums.total:
        return _NO_NODES
    if sums.behind:
        return "NodesBehind", f"nodes that have not said anything of this generation: {sums.behind}"
    if sums.elsewhere:
        return "NodesBehind", f"nodes that have not said anything of this rollout: {sums.elsewhere}"
    if sums.silent:
        return "NodesSilent", f"nodes that report no more: {sums.silent}"
    if sums.mute:
        return "EnginesSilent", f"nodes whose engine says no more: {sums.mute}"
    return None


def _place(failure: dict[str, str]) -> str:
    path = f"{failure['path']}: " if "path" in failure else ""
    return f"{failure['node']}: {path}{failure.get('message', '')}"


def with_times(status: dict[str, Any], old: dict[str, Any], now: str) -> dict[str, Any]:
    """Return *status* with the time at which each condition's status changed: *now*, unless *old* has the same."""
    known = {each["type"]: each for each in _told(old)}
    conditions = []
    for each in status["conditions"]:
        before = known.get(each["type"], {})
        is_same = before.get("status") == each["status"]
        since = before.get("lastTransitionTime") if is_same else None
        conditions.append({**each, "lastTransitionTime": since or now})
    return {**status, "conditions": conditions}


def facts_of(status: dict[str, Any]) -> dict[str, Any]:
    """Return what is told at once when it changes: *status* without the count of denials, and without times."""
    conditions = {
        each["type"]: {key: value for key, value in each.items() if key != "lastTransitionTime"}
        for each in _told(status)
    }
    facts = {key: status.get(key) for key in ("nodes", "rollout", "failures")}
    return {**facts, "conditions": {name: conditions.get(name) for name in POLICY_CONDITIONS}}


def verdict_of(status: dict[str, Any]) -> dict[str, Any]:
    """Return what is told without delay in the largest cluster: *status* without counts, and without what has them."""
    told = ("status", "reason", "observedGeneration")
    conditions = {
        each["type"]: [each.get(key) for key in told]
        for each in _told(status)
        if each["type"] in POLICY_CONDITIONS
    }
    return {**{key: status.get(key) for key in ("rollout", "failures")}, "conditions": conditions}


def _told(status: dict[str, Any]) -> list[dict[str, Any]]:
    found = status.get("conditions")
    items = found if isinstance(found, list) else []
    return [each for each in items if isinstance(each, dict) and isinstance(each.get("type"), str)]
