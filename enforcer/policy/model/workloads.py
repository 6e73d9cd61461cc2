# SPDX-License-Identifier: MIT
"""
Containers and pods in policies: the fields, the facts, and whether conditions hold.

A workload is a known cgroup with everything below it. Conditions on workloads are decided here, when
policies are compiled, and become sets of cgroups. The kernel side only looks up in which of them a task is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import attrs

from enforcer.policy.language.kinds import Dim, FieldSpec, Kind
from enforcer.policy.model.glob_match import accepts
from enforcer.policy.model.policy import Condition, Process, Rule, Subject, Text, TextKind, Verb
from enforcer.span import Span

__all__ = [
    "CERTAIN",
    "CONTAINER",
    "LABELS",
    "POD",
    "WORKLOAD_FIELDS",
    "Facts",
    "Workload",
    "holds",
    "known_in_namespace",
    "named_inside",
    "seen_inside",
]

CERTAIN: Final = 1
"""``Condition.index`` of a condition on a pod that does not hold where it is not known."""


def _field(name: str, doc: str) -> FieldSpec:
    return FieldSpec(name, Kind.STRING, doc, Dim.CONTAINER)


CONTAINER: dict[str, FieldSpec] = {
    "id": _field("container.id", "Its id, 64 hexadecimal digits."),
    "name": _field("container.name", "Its name in the pod, or the one that the runtime gave it."),
    "image": _field("container.image", "The image as requested, with its tag."),
    "runtime": _field("container.runtime", "docker, containerd, cri-o, podman, lxc, …"),
}
"""Fields under ``container``."""

LABELS = _field("pod.labels", "Its labels: a mapping, or matchLabels and matchExpressions.")
"""The values of its conditions are texts ``KEY=VALUE``, as those of its facts are."""

POD: dict[str, FieldSpec] = {
    "name": _field("pod.name", "Its name."),
    "namespace": _field("pod.namespace", "The namespace that it is in."),
    "labels": LABELS,
}
"""Fields under ``pod``."""

WORKLOAD_FIELDS: dict[str, dict[str, FieldSpec]] = {"container": CONTAINER, "pod": POD}
"""Words under ``selector``, ``process`` and ``notProcess`` that have fields of their own."""

Facts = Mapping[str, "tuple[bytes, ...] | None"]
"""
Values by the name of the field. None: there is one, but it is not known. What is left out is not there:
a container outside of pods has no ``pod.name``.
"""


@attrs.frozen
class Workload:
    """A container, or a pod; *cgroup* is its path, to which everything below it belongs."""

    cgroup: bytes
    facts: Facts = attrs.field(factory=dict)


def known_in_namespace(name: str, span: Span) -> Condition:
    """
    Return what holds in pods that are known to be in the namespace *name*, and nowhere else.

    Where that is not known it does not hold: a policy of one tenant must not be about another's pod.
    """
    value = Text(TextKind.EXACT, name.encode(), span)
    return Condition(POD["namespace"], (value,), index=CERTAIN, span=span)


def seen_inside(selector: Process, subject: Subject) -> tuple[Process, Subject]:
    """
    Return both with executables named as containers see them, if they ask for containers.

    Elsewhere only the host's names count: what a mount namespace of one's own shows must not make
    another executable of a program.
    """
    if not _asks_for_containers(selector, subject):
        return selector, subject
    parts = {field.name: getattr(subject, field.name) for field in attrs.fields(Subject)}
    inner = Subject(**{name: _seen_inside(process) for name, process in parts.items()})
    return _seen_inside(selector), inner


def _asks_for_containers(selector: Process, subject: Subject) -> bool:
    asked = (*selector.conditions, *subject.process.conditions)
    return any(condition.field.dim == Dim.CONTAINER for condition in asked)


def _seen_inside(process: Process) -> Process:
    return attrs.evolve(process, conditions=tuple(_inside(process.conditions, Dim.EXE)))


def _inside(conditions: Iterable[Condition], dim: Dim) -> Iterator[Condition]:
    for each in conditions:
        yield attrs.evolve(each, is_inside=True) if each.field.dim == dim else each


def named_inside(selector: Process, rule: Rule) -> Rule:
    """
    Return *rule* with paths that are named as containers see them, if it asks for containers.

    What a rule permits, and what one that refuses leaves out, it must find by a name that the host gives. All
    other names that a container sees are met as the process claims them.
    """
    if rule.only_marks or not _asks_for_containers(selector, rule.subject):
        return rule
    refuses = rule.action.verb >= Verb.DENY
    found = tuple(
        named
        for each in rule.conditions
        for named in (_inside((each,), Dim.PATH) if each.negate == refuses else (each,))
    )
    return attrs.evolve(rule, conditions=found)


def holds(condition: Condition, facts: Facts) -> bool | None:
    """
    Tell whether *condition* holds of a workload; None: that is not known.

    Of several values (labels) one must be accepted, and by a negated condition none. About something
    that the workload has not, neither a condition nor its negation holds.
    """
    known = facts.get(condition.field.name, ())
    if condition.field.name not in facts:
        return False
    if known is None:
        return None
    found = any(
        isinstance(value, Text) and accepts(value, text, is_path=False)
        for value in condition.values
        for text in known
    )
    return found is not condition.negate
