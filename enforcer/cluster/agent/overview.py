# SPDX-License-Identifier: MIT
"""
All policies and all nodes as the API server has them, and which policy's status does not say what is so.

Reports are kept small: of 5,000 nodes with 200 policies each there are a million entries, most of them alike.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.node_status import rfc3339
from enforcer.cluster.agent.policy_text import generation_of, short_uid
from enforcer.cluster.agent.policy_totals import (
    OnNode,
    Said,
    facts_of,
    said_of,
    sum_up,
    verdict_of,
    with_times,
)
from enforcer.cluster.agent.resource import NODES, POLICIES, Deleted, Found, Listed
from enforcer.cluster.agent.rollout import text_of
from enforcer.policy.language.kube import POLICY, TETRAGON_POLICY

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.cluster.agent.resource import Key, News, Resource

__all__ = ["Keeper", "Overview", "Wanted"]

_MAX_ALIKE: Final = 10_000
_KEPT: Final = ("namespace", "name", "generation", "uid")
_UNKNOWN: Final = ("Ready", "Unknown")
_FIRST: Final = POLICY.kind
_SECOND: Final = TETRAGON_POLICY.kind


@attrs.frozen
class Wanted:
    """
    A status that a policy should have and has not.

    Attributes:
        status: without what others may have written there.
        before: what it has.
        uid: of the policy; empty: it is not known.
        is_verdict: more than counts differ, or the policy itself has changed, or what a node says of it.
    """

    resource: Resource
    key: Key
    status: dict[str, Any]
    is_verdict: bool = True
    before: dict[str, Any] = attrs.field(factory=dict)
    uid: str = ""


@attrs.define(eq=False)
class _Policy:
    resource: Resource
    key: Key
    generation: int
    status: dict[str, Any]
    rollout: str
    uid: str = ""

    @property
    def label(self) -> str:
        namespace, name = self.key
        return f"{namespace}/{name}" if namespace else name


@attrs.define(eq=False)
class _Node:
    last_seen: object
    changed_at: float
    said: dict[str, Said] = attrs.field(factory=dict)
    denials: dict[str, int] = attrs.field(factory=dict)
    is_silent: bool = False
    is_mute: bool = False


@attrs.define(eq=False, repr=False)
class Keeper:
    """Makes objects smaller as they come: a list of them all is held at once. For one thread."""

    _known: dict[Said, Said] = attrs.field(factory=dict, init=False)

    def kept(self, item: dict[str, Any], resource: Resource) -> dict[str, Any]:
        """Return what an :class:`Overview` needs of *item*."""
        meta, status = item["metadata"], item.get("status")
        told = status if isinstance(status, dict) else {}
        kept = {"metadata": {key: meta[key] for key in _KEPT if key in meta}}
        if resource == NODES:
            return {**kept, "status": self._report(told)}
        return {**kept, "status": told, "rollout": text_of(item)}

    def _report(self, status: dict[str, Any]) -> dict[str, Any]:
        said, denials = {}, {}
        told = status.get("policies")
        for entry in told if isinstance(told, list) else ():
            if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
                continue  # no server takes that; towards nothing is said
            label = sys.intern(entry["name"])
            said[label] = self._alike(said_of(entry))
            count = entry.get("denials")
            if isinstance(count, int) and count > 0:
                denials[label] = count
        is_mute = _is_mute(status.get("conditions"))
        seen = status.get("lastSeen")
        return {"lastSeen": seen, "said": said, "denials": denials, "isMute": is_mute}

    def _alike(self, said: Said) -> Said:
        """Return one object for all that are equal."""
        if len(self._known) > _MAX_ALIKE:
            self._known.clear()
        return self._known.setdefault(said, said)


@attrs.define(eq=False, repr=False)
class Overview:
    """
    Takes news, and says what is to be written.

    Attributes:
        silence: seconds after which a node that has not reported is silent. That is judged by when this
            agent saw its last report, since clocks differ. So an agent that has just begun takes every node
            for one that has reported just now.
        clock: for that.
        wall: seconds since 1970, for what is written.
    """

    silence: float = 900.0
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _policies: dict[tuple[str, Key], _Policy] = attrs.field(factory=dict, init=False)
    _nodes: dict[str, _Node] = attrs.field(factory=dict, init=False)
    _listed: set[str] = attrs.field(factory=set, init=False)
    _touched: dict[tuple[str, Key], bool] = attrs.field(factory=dict, init=False)
    _changed: set[tuple[str, Key]] = attrs.field(factory=set, init=False)

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self._nodes)

    # ---- News ----------------------------------------------------------------------------------

    def take(self, news: News) -> None:
        """Remember what *news* says, of objects that went through :meth:`Keeper.kept`."""
        is_node = news.resource == NODES
        match news:
            case Listed():
                self._listed.add(news.resource.path)
                for key, item in news.objects.items():
                    self._found(news.resource, key, item)
                for key in self._keys(news.resource) - news.objects.keys():
                    self._gone(news.resource, key)
            case Found():
                self._found(news.resource, news.key, news.object)
            case Deleted():
                self._gone(news.resource, news.key)
        if is_node and isinstance(news, Listed):
            self._touch_all()

    def _keys(self, resource: Resource) -> set[Key]:
        if resource == NODES:
            return {("", name) for name in self._nodes}
        return {key for path, key in self._policies if path == resource.path}

    def _found(self, resource: Resource, key: Key, item: dict[str, Any]) -> None:
        if resource == NODES:
            self._reported(key[1], item["status"])
            return
        place = (resource.path, key)
        if place not in self._policies:
            self._touch_other(resource, key)
        uid = str(item["metadata"].get("uid", ""))
        generation, old = generation_of(item), self._policies.get(place)
        self._policies[place] = _Policy(
            resource, key, generation, item["status"], item["rollout"], uid
        )
        self._touched[place] = True
        before = old and (old.uid, old.generation, old.rollout)
        if before != (uid, generation, item["rollout"]):
            self._changed.add(place)  # and not if it only has the status that was written

    def _reported(self, name: str, report: dict[str, Any]) -> None:
        old = self._nodes.get(name)
        seen, said, denials = (report.get(key) for key in ("lastSeen", "said", "denials"))
        is_mute = report.get("isMute") is True
        new = _Node(seen, self.clock(), said or {}, denials or {}, is_mute=is_mute)
        if old is not None and old.last_seen == seen:
            new.changed_at, new.is_silent = old.changed_at, old.is_silent
        self._nodes[name] = new
        known = old and (old.is_silent, old.is_mute)
        if old is None or known != (new.is_silent, is_mute):
            self._touch_all()
            return
        for label in old.said.keys() | new.said.keys():
            if old.said.get(label) != new.said.get(label):
                self._touch(label, is_urgent=True)
        for label in old.denials.keys() | new.denials.keys():
            if old.denials.get(label) != new.denials.get(label):
                self._touch(label, is_urgent=False)

    def _gone(self, resource: Resource, key: Key) -> None:
        if resource == NODES:
            if self._nodes.pop(key[1], None) is not None:
                self._touch_all()
        elif self._policies.pop((resource.path, key), None) is not None:
            self._touch_other(resource, key)

    # ---- What differs --------------------------------------------------------------------------

    def _touch_all(self) -> None:
        self._touched.update(dict.fromkeys(self._policies, True))

    def _touch(self, label: str, *, is_urgent: bool) -> None:
        namespace, _, name = label.rpartition("/")
        for each in POLICIES:
            place = (each.path, (namespace, name))
            if place in self._policies:
                self._touched[place] = self._touched.get(place, False) or is_urgent
                if is_urgent:
                    self._changed.add(place)

    def _touch_other(self, resource: Resource, key: Key) -> None:
        """Of two kinds under one name, the second hangs on whether there is the first."""
        if resource.kind == _FIRST:
            places = [(each.path, key) for each in POLICIES if each.kind == _SECOND]
            self._touched.update({place: True for place in places if place in self._policies})

    def look(self) -> None:
        """Look which nodes have become silent."""
        now, has_changed = self.clock(), False
        for node in self._nodes.values():
            if not node.is_silent and now - node.changed_at >= self.silence:
                node.is_silent = has_changed = True
        if has_changed:
            self._touch_all()

    def touched(self) -> list[tuple[tuple[str, Key], bool]]:
        """
        List the policies that may have a wrong status, the longest first, and whether more than a count may differ.

        Nothing is said before all nodes are listed, and the policies of the first kind: half of the nodes
        would be told as all.
        """
        needed = {each.path for each in (NODES, *POLICIES) if not each.is_optional}
        return list(self._touched.items()) if needed <= self._listed else []

    def wanted(self, place: tuple[str, Key]) -> Wanted | None:
        """Return what the policy at *place* should have as its status; None: it has that, or there is none."""
        policy = self._policies.get(place)
        if policy is None:
            self.settle(place)
            return None
        status = self._sum(policy)
        is_same = facts_of(status) == facts_of(policy.status)
        if is_same and status["denials"] == policy.status.get("denials"):
            self.settle(place)
            return None
        timed = with_times(status, policy.status, rfc3339(self.wall()))
        is_verdict = place in self._changed or verdict_of(status) != verdict_of(policy.status)
        return Wanted(policy.resource, policy.key, timed, is_verdict, policy.status, policy.uid)

    def settle(self, place: tuple[str, Key]) -> None:
        """Look no more at *place* until something changes."""
        self._touched.pop(place, None)
        self._changed.discard(place)

    def defer(self, place: tuple[str, Key]) -> None:
        """Only counts differ at *place*: let them wait, until something else changes."""
        self._touched[place] = False

    def written(self, wanted: Wanted) -> None:
        """Remember that the policy has the status *wanted*, which the server may tell much later."""
        policy = self._policies.get((wanted.resource.path, wanted.key))
        if policy is not None:
            policy.status = wanted.status
        self.settle((wanted.resource.path, wanted.key))

    def _sum(self, policy: _Policy) -> dict[str, Any]:
        label = policy.label
        # A report names no kind, and of two kinds under one name it has the first. Of the other, nothing is known.
        is_hidden = policy.resource.kind == _SECOND and self._has_first(policy.key)
        nodes = sorted(self._nodes.items())
        return sum_up(
            policy.generation,
            (
                OnNode(
                    name,
                    None if is_hidden else node.said.get(label),
                    is_silent=node.is_silent,
                    is_mute=node.is_mute,
                )
                for name, node in nodes
            ),
            0 if is_hidden else sum(node.denials.get(label, 0) for _, node in nodes),
            policy.rollout,
            short_uid(policy.uid),
        )

    def _has_first(self, key: Key) -> bool:
        return any(each.kind == _FIRST and (each.path, key) in self._policies for each in POLICIES)


def _is_mute(conditions: Any) -> bool:
    """Whether a node reports that it does not know how its engine is: what it says of policies is old then."""
    return any(
        isinstance(each, dict) and (each.get("type"), each.get("status")) == _UNKNOWN
        for each in (conditions if isinstance(conditions, list) else ())
    )
