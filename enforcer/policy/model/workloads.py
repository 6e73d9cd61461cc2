# SPDX-License-Identifier: MIT
"""
Containers and pods in policies: the fields, the facts, and whether conditions hold.

A workload is a known cgroup with everything below it. Conditions on workloads are decided here, when
policies are compiled, and become sets of cgroups. The kernel side only looks up in which of them a task is.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from enforcer.policy.language.kinds import Dim, FieldSpec, Kind
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.model.container_links import Links
from enforcer.policy.model.glob_match import accepts
from enforcer.policy.model.policy import (
    Condition,
    Policy,
    Process,
    Rule,
    Subject,
    Text,
    TextKind,
    Verb,
)
from enforcer.span import Span

__all__ = [
    "CERTAIN",
    "CONTAINER",
    "KUBELET_LABELS",
    "LABELS",
    "POD",
    "WORKLOAD_FIELDS",
    "Facts",
    "Workload",
    "against",
    "asked_containers",
    "by_root",
    "holds",
    "known_in_namespace",
    "may_hold",
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

KUBELET_LABELS: Final = "io.kubernetes."
"""
How labels begin that the kubelet gives to containers beside those of their pod.

What a runtime says of labels does not tell the kubelet's from the pod's. So none of them counts, and no policy selects on one.
"""

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
    """
    A container, or a pod.

    Attributes:
        cgroup: its path, to which everything below it belongs.
        root: where the host has the root of its file system, as its runtime says; empty: not known.
        links: those below it that policies ask for.
        number: the inode of its cgroup, which another one of that path has not.
        mounted: what its runtime shows in it of the host, by the host's name and its own; neither ends with a slash.
    """

    cgroup: bytes
    facts: Facts = attrs.field(factory=dict)
    root: bytes = b""
    links: Links = attrs.field(factory=dict)
    number: int = attrs.field(default=0, eq=False)
    mounted: tuple[tuple[bytes, bytes], ...] = attrs.field(default=(), eq=False)


def known_in_namespace(name: str, span: Span) -> Condition:
    """
    Return what holds in pods that are known to be in the namespace *name*, and nowhere else.

    Where that is not known it does not hold: a policy of one tenant must not be about another's pod.
    """
    value = Text(TextKind.EXACT, name.encode(), span)
    return Condition(POD["namespace"], (value,), index=CERTAIN, span=span)


def against(policy: Policy, rule: Rule) -> bool | None:
    """
    Tell whether *rule* gets stricter by each further name that it is about; None: that depends on others.

    A container makes links as it likes. So a rule is only about the names to which they lead if that is used
    against it. A rule that permits, or marks, is about the names that its author wrote.
    """
    if rule.mark and (rule.only_marks or rule.action.verb < Verb.DENY):
        return None
    if rule.action.verb == Verb.LOG:
        return not _refuses(policy)
    return rule.action.verb >= Verb.DENY


def _refuses(policy: Policy) -> bool:
    # It is asked for each rule of a policy in turn, and of thousands that only log all would be looked at each time.
    global _last  # noqa: PLW0603 (one place for what was asked last)
    known, answer = _last
    if known is None or known() is not policy:
        said = itertools.chain((rule.action for rule in policy.rules), policy.defaults.values())
        answer = any(action.verb >= Verb.DENY for action in said)
        _last = weakref.ref(policy), answer
    return answer


_last: tuple[weakref.ref[Policy] | None, bool] = None, False


def seen_inside(policy: Policy, rule: Rule | None = None) -> tuple[Process, Subject]:
    """
    Return the selector of *policy* and who acts in *rule*: by which links executables are named, too, and, if the
    rule asks for containers, as these see them.

    That is if they ask for containers. Elsewhere only the host's names count: what a mount namespace of one's
    own shows must not make another executable of a program.
    """
    selector, subject = policy.selector, rule.subject if rule else Subject()
    parts = [getattr(subject, part.attribute) for part in SUBJECT_PARTS.values()]
    if not any(
        each.field.dim == Dim.EXE for part in (selector, *parts) for each in part.conditions
    ):
        return selector, subject
    is_inside = bool(asked_containers(selector, subject))
    stricter = against(policy, rule) if rule else True
    inner = {}
    for part in SUBJECT_PARTS.values():
        process: Process = getattr(subject, part.attribute)
        more = None if stricter is None else stricter is not part.negate
        inner[part.attribute] = _seen(process, stricter=more, is_inside=is_inside)
    # Whom the policy selects in addition meets all of its rules, and none of them lifts what others refuse; but a mark
    # may.
    more = None if stricter is None else True
    return _seen(selector, stricter=more, is_inside=is_inside), Subject(**inner)


def asked_containers(selector: Process, subject: Subject) -> tuple[Condition, ...]:
    """Return the conditions on the container, or its pod, in which the process must be."""
    asked = (*selector.conditions, *subject.process.conditions)
    return tuple(condition for condition in asked if condition.field.dim == Dim.CONTAINER)


def _seen(process: Process, *, stricter: bool | None, is_inside: bool) -> Process:
    """*stricter*: more names do that to what asks; None: that is not known."""
    if not process.conditions:
        return process
    asked = () if is_inside else None
    found = (
        _named(each, stricter=stricter, is_inside=is_inside, asked=asked)
        if each.field.dim == Dim.EXE
        else each
        for each in process.conditions
    )
    return attrs.evolve(process, conditions=tuple(found))


def by_root(policy: Policy, rule: Rule) -> Rule:
    """
    Return *rule* with paths for which only links count that nobody but root can have made, where more names permit more.

    Else who may make a link where a policy permits something would be permitted what it leads to.
    """
    return _paths_named(policy, rule)


def named_inside(policy: Policy, rule: Rule) -> Rule:
    """
    Return *rule* as :func:`by_root`, with paths that are named as containers see them if it asks for containers.

    What a rule permits, and what one that refuses leaves out, it must find by a name that the host gives. What it
    refuses it finds by that as well, so that a container which mounts the file elsewhere gains nothing. All other
    names that a container sees are met as the process claims them, and by where its links lead.
    """
    asked = asked_containers(policy.selector, rule.subject)
    if rule.only_marks or not asked:
        return by_root(policy, rule)
    return _paths_named(policy, rule, asked)


def _paths_named(policy: Policy, rule: Rule, asked: tuple[Condition, ...] | None = None) -> Rule:
    """*asked*: conditions on the containers that have a say; None: none has."""
    if all(each.field.dim != Dim.PATH for each in rule.conditions):
        return rule
    refuses, stricter = rule.action.verb >= Verb.DENY, against(policy, rule)
    found = tuple(
        _named(
            each,
            stricter=stricter,
            is_inside=asked is not None and (refuses or not each.negate),
            asked=asked,
        )
        if each.field.dim == Dim.PATH
        else each
        for each in rule.conditions
    )
    return attrs.evolve(rule, conditions=found)


def _named(
    each: Condition,
    *,
    stricter: bool | None,
    is_inside: bool,
    asked: tuple[Condition, ...] | None,
) -> Condition:
    """Return *each* with the names that count; *asked*: conditions on the containers whose links do, None: none."""
    is_against = stricter is not None and stricter is not each.negate
    return attrs.evolve(
        each,
        by_root=not is_against,
        is_inside=is_inside,
        linked_in=asked if is_against else None,
    )


def may_hold(conditions: Iterable[Condition], facts: Facts) -> bool:
    """Tell whether all of *conditions* hold of a workload, as far as that is known."""
    return all(holds(condition, facts) is not False for condition in conditions)


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
