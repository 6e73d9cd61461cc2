# SPDX-License-Identifier: MIT
"""
The pods of a policy: its namespace and its selector, and whether two policies may share a pod.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

import attrs

from enforcer.policy.foreign.pods import any_pod, in_namespace, listed_names, texts
from enforcer.policy.model.policy import Condition, Process, Text, TextKind
from enforcer.policy.model.workloads import CONTAINER, LABELS, POD
from enforcer.policy.readers.labels import read_label_selector
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.text.nodes import Entry, List, Map, Scalar
from enforcer.span import Span

if TYPE_CHECKING:
    from enforcer.policy.readers.context import Context
    from enforcer.policy.readers.metadata import Metadata

__all__ = ["PolicyScope", "cluster_whom", "pod_whom"]

_CONTAINER_NAME = "kubearmor.io/container.name"
_EXPRESSION_KEYS = ("key", "operator", "values")


@attrs.frozen
class PolicyScope:
    """
    Whom a policy is for.

    *known* says of pods what they must be, as far as two policies can be compared by it; None: the policy
    is for the host.
    """

    selector: Process = attrs.field(factory=Process)
    known: str | None = None

    def may_meet(self, other: Self) -> bool:
        """Tell whether both may be for one process."""
        if self.known is None or other.known is None:
            return self.known is None and other.known is None
        return _may_meet(self.known, other.known)

    def place(self, section: str) -> str:
        """Name what the policy has a list of."""
        return f"KubeArmor {section}" + (f" in pods {self.known}" if self.known is not None else "")

    def meeting(self, section: str, lists: dict[str, Span]) -> Span | None:
        """Return where another list of *section* is that may be for the same processes."""
        if self.known is None:
            return lists.get(self.place(section))
        head = f"KubeArmor {section} in pods "
        for place, span in lists.items():
            if place.startswith(head) and _may_meet(self.known, place.removeprefix(head)):
                return span
        return None


def _may_meet(one: str, other: str) -> bool:
    """Tell whether a pod can be meant by both: not if they want different values of one thing."""
    first, second = json.loads(one), json.loads(other)
    return all(set(first[key]) & set(second[key]) for key in first.keys() & second.keys())


def _whom(conditions: tuple[Condition, ...]) -> PolicyScope:
    known: dict[str, list[str]] = {}
    for condition in conditions:
        values = [v for v in condition.values if isinstance(v, Text) and v.kind is TextKind.EXACT]
        if condition.negate or len(values) != len(condition.values):
            continue  # it excludes little: taken as if it excluded nothing
        key = condition.field.name
        if condition.field == LABELS:
            key += " " + values[0].value.partition(b"=")[0].decode()
        known[key] = [value.value.decode() for value in values]
    return PolicyScope(Process(conditions), json.dumps(known, sort_keys=True))


def pod_whom(top: Map, metadata: Metadata, spec: Map, context: Context) -> PolicyScope:
    """Read the namespace and the selector of a KubeArmorPolicy."""
    found: tuple[Condition, ...] = (in_namespace(metadata, top.span, context),)
    entry = spec.get("selector")
    selector = context.map(entry.value, "selector") if entry else None
    if selector is not None:
        refuse_unknown(selector, "key of selector", ("matchLabels",), {}, context)
        found += _labels(selector, context)
    return _whom(found)


def _labels(selector: Map, context: Context) -> tuple[Condition, ...]:
    given = selector.get("matchLabels")
    labels = context.map(given.value, "matchLabels") if given else None
    if given is None or labels is None:
        return ()
    found: tuple[Condition, ...] = ()
    name = labels.get(_CONTAINER_NAME)
    if name is not None and isinstance(name.value, Scalar):
        names = listed_names(name.value, context)
        found += (texts(CONTAINER["name"], names, name.value.span),) if names else ()
    elif name is not None:
        context.text(name.value, _CONTAINER_NAME)
    rest = {key: label for key, label in labels.entries.items() if key != _CONTAINER_NAME}
    others = attrs.evolve(given, value=attrs.evolve(labels, entries=rest))
    whole = attrs.evolve(selector, entries={"matchLabels": others})
    return found + read_label_selector(whole, "selector", context, is_glob=False)


def cluster_whom(top: Map, spec: Map, context: Context) -> PolicyScope:
    """Read the selector of a KubeArmorClusterPolicy: expressions on namespaces and labels."""
    entry = spec.get("selector")
    selector = context.map(entry.value, "selector") if entry else None
    found: tuple[Condition, ...] = ()
    if selector is not None:
        refuse_unknown(selector, "key of selector", ("matchExpressions",), {}, context)
        given = selector.get("matchExpressions")
        items = context.list(given.value, "matchExpressions") if given else None
        for item in items or List((), top.span):
            node = context.map(item, "an expression")
            if node is not None:
                found += _expression(node, context)
    return _whom(found or (any_pod(entry.span if entry else top.span),))


def _expression(node: Map, context: Context) -> tuple[Condition, ...]:
    refuse_unknown(node, "key of an expression", _EXPRESSION_KEYS, {}, context)
    key, operator, values = (node.get(word) for word in _EXPRESSION_KEYS)
    if key is None or operator is None or values is None:
        context.add("an expression needs a key, an operator and values", node.span)
        return ()
    about = context.word(key.value, "key", ("namespace", "label"))
    word = context.word(operator.value, "operator", ("In", "NotIn"))
    words = _words(values, context)
    if about is None or word is None or not words:
        return ()
    field = POD["namespace"] if about == "namespace" else LABELS
    if field == LABELS:
        keys = {text.partition("=")[0] for text in words}
        if len(keys) > 1 or not all(all(text.partition("=")[::2]) for text in words):
            context.add("label takes values KEY=VALUE, of one KEY in one expression", values.span)
            return ()
    return (texts(field, words, node.span, negate=word == "NotIn"),)


def _words(values: Entry, context: Context) -> tuple[str, ...]:
    items = context.list(values.value, "values")
    if items is None:
        return ()
    if not items.items:
        context.add("values is an empty list, which nothing could satisfy", values.span)
    found = (context.text(item, "each of values") for item in items)
    return tuple(text for text in found if text is not None)
