# SPDX-License-Identifier: MIT
"""
The first denial of each policy in each pod, for whoever tells the pod's owners: the agent of a cluster.

It is known from records, so what found no room for one is not counted here; the kernel's own counts have it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypedDict

import attrs

from enforcer.events.operations import OPERATIONS
from enforcer.events.types import Record
from enforcer.policy.model.policy import Verb

if TYPE_CHECKING:
    from enforcer.events.types import Lost

__all__ = ["MAX_DENIALS", "FirstDenial", "FirstDenials"]

MAX_DENIALS: Final = 1000
"""
Pairs of a policy and a pod. Beyond that, one of the namespace with most of them is forgotten: the one of which nothing
came for the longest time. So a namespace with many pods takes the room of no other.
"""

_NS: Final = 1_000_000_000


class FirstDenial(TypedDict):
    """The first time that a policy refused something in a pod, and how often since."""

    policy: Annotated[str, "Name of the policy."]
    rule: Annotated[str, "The rule that refused first."]
    action: Annotated[Literal["deny", "kill"], "What became of that operation."]
    operation: Annotated[str, "What it was, as records name it; not on what."]
    podUid: Annotated[str, "The pod."]
    podName: Annotated[str, "Its name."]
    podNamespace: Annotated[str, "Its namespace."]
    first: Annotated[float, "When, seconds since 1970."]
    last: Annotated[float, "When it was for the last time."]
    count: Annotated[int, "How often the policy refused something there, by records."]


@attrs.define(eq=False, repr=False)
class FirstDenials:
    """
    Observes records.

    Attributes:
        has_news: whether there is a pair that was not told; who tells it sets this back.
    """

    has_news: bool = False
    _known: dict[tuple[str, str], FirstDenial] = attrs.field(factory=dict, init=False)

    def observe(self, record: Record | Lost) -> None:
        """Take *record* into account."""
        if isinstance(record, Record):  # losses name nobody
            self.count(record, record.event.times)

    def count(self, record: Record, number: int) -> None:
        """Take into account that *number* records like *record* came."""
        event = record.event
        if event.action < Verb.DENY or not event.is_enforced or not record.pod_uid:
            return
        if record.pod_name is None or record.pod_namespace is None:
            return  # nobody could be told; with the next record the pod may be known
        key, now = (record.origin.policy, record.pod_uid), record.time_ns / _NS
        found = self._known.pop(key, None)
        if found is None:
            self.has_news = True
            found = {
                "policy": record.origin.policy,
                "rule": record.origin.rule,
                "action": "kill" if event.action is Verb.KILL else "deny",
                "operation": OPERATIONS[event.op].full,
                "podUid": record.pod_uid,
                "podName": record.pod_name,
                "podNamespace": record.pod_namespace,
                "first": now,
                "last": now,
                "count": 0,
            }
        found["last"], found["count"] = max(found["last"], now), found["count"] + number
        self._known[key] = found  # last in order, so that those of long ago are first
        if len(self._known) > MAX_DENIALS:
            self._forget_one()

    def _forget_one(self) -> None:
        held = Counter(each["podNamespace"] for each in self._known.values())
        most = max(held.values())
        full = {namespace for namespace, number in held.items() if number == most}
        oldest = next(key for key, each in self._known.items() if each["podNamespace"] in full)
        del self._known[oldest]

    def all(self) -> list[FirstDenial]:
        """List what is known, that of the longest ago first."""
        return [FirstDenial(**each) for each in self._known.values()]
