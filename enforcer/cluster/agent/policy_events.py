# SPDX-License-Identifier: MIT
"""
What changed in the totals of a policy, as events of the policy.

They come from the one agent that sums up. If each node told of a refusal, a policy with a mistake would make as many
events as there are nodes. They name no pod: who may see a policy may not see all pods.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from enforcer.cluster.agent.object_event import ObjectEvent, Told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.cluster.agent.overview import Wanted

__all__ = ["policy_events"]

_REFUSED: Final = "False"
_ACCEPTED: Final = "Accepted"
_DENIES: Final = "Denies"


def policy_events(wanted: Wanted) -> Iterator[tuple[ObjectEvent, Told | None]]:
    """
    Yield what is worth an event in a status that was written, with how often it happened; None: once more.

    Args:
        wanted: the status, with the one before it.
    """
    if not wanted.uid:
        return  # nobody would find it
    now = _accepted(wanted.status)
    before = _accepted(wanted.before)
    if now.get("status") == _REFUSED and _facts(now) != _facts(before):
        failures = wanted.status.get("failures") or [{}]
        nodes = wanted.status.get("nodes", {})
        where = f"refused by {nodes.get('refused')} of {nodes.get('total')} nodes"
        message = f"{where}: {now.get('message')}"
        path = str(failures[0].get("path", ""))
        yield _event(wanted, str(now.get("reason")), message, path), None
    count, counted = (_count(each) for each in (wanted.status, wanted.before))
    # Later the count of an event that is there changes; it is limited as all are.
    if count > counted:
        moment = time.time()
        message = "operations were denied, or processes killed: kubectl enforcer events shows which"
        yield _event(wanted, _DENIES, message), Told(count, moment, moment)


def _event(wanted: Wanted, reason: str, message: str, field: str = "") -> ObjectEvent:
    namespace, name = wanted.key
    return ObjectEvent(
        api_version=wanted.resource.api_version,
        kind=wanted.resource.kind,
        key=wanted.key,
        uid=wanted.uid,
        reason=reason,
        message=message,
        field=field,
        about=f"{namespace}/{name}" if namespace else name,
    )


def _accepted(status: dict[str, Any]) -> dict[str, Any]:
    found = status.get("conditions")
    items = found if isinstance(found, list) else []
    return next(
        (each for each in items if isinstance(each, dict) and each.get("type") == _ACCEPTED), {}
    )


def _facts(condition: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(
        condition.get(key) for key in ("status", "reason", "message", "observedGeneration")
    )


def _count(status: dict[str, Any]) -> int:
    found = status.get("denials")
    return found if isinstance(found, int) else 0
