# SPDX-License-Identifier: MIT
"""
What nodes would say of a policy, before it is stored: the agent's own readers of an object, then the engine's.

It knows this one object. What depends on other policies (names, room, quotas of a namespace together, marks of
others) and on a node (its kernel, its users, its labels) is left to the nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.errors import GarbageError
from enforcer.cluster.agent.field_path import field_at
from enforcer.cluster.agent.policy_text import policy_text
from enforcer.cluster.agent.resource import POLICIES, key_of
from enforcer.cluster.agent.rollout import Rollout, RolloutError, annotations_of
from enforcer.cluster.webhook.node_facts import AskedTypes, AskedUsers
from enforcer.cluster.webhook.verdict import Outcome, Verdict
from enforcer.errors import LimitError, PolicyError, PolicyErrors
from enforcer.policy.lint.linter import Severity
from enforcer.policy.model.policy import PolicySet
from enforcer.policy.store import read_texts
from enforcer.runtime.policies.compilation import prepare, without_marks
from enforcer.runtime.policies.namespace_shares import OF_ONE, WHOLE, alone, is_shared
from enforcer.runtime.policies.quotas import Quota
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enforcer.cluster.agent.resource import Key, Resource
    from enforcer.cluster.webhook.review import Review
    from enforcer.compiler import Counts
    from enforcer.runtime.policies.compilation import Prepared
    from enforcer.span import Span

__all__ = ["decide"]

_BY_KIND: Final = {
    (*each.api_version.split("/"), each.kind): each for each in POLICIES if "/" in each.api_version
}
_CHANGES: Final = frozenset({"CREATE", "UPDATE"})
_POINTS: Final = frozenset({"lsm", "kprobe", "tracepoint"})
_TOLD: Final = 10
"""Errors that are told, as many as the engine tells of a file."""

_PLACED: Final = 20
"""Errors whose field is looked up."""

_UID: Final = "not-known-yet"
_GENERATED: Final = "xxxxx"


@attrs.frozen
class _Fault:
    """Something that nodes would refuse, and the field that it is about; empty: the object."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


@attrs.frozen
class _Checked:
    """What was found in what an object says: what nodes refuse, and what whoever wrote it may want to know."""

    faults: tuple[_Fault, ...] = ()
    warnings: tuple[str, ...] = ()


def decide(review: Review) -> Verdict:
    """Answer *review*. What is refused would be refused by agents or engines, with the same reason."""
    # A policy must be removable whatever is wrong with it, and a subresource has nothing that decides.
    if review.operation not in _CHANGES or review.subresource:
        return Verdict(Outcome.UNCHECKED)
    resource = _BY_KIND.get(review.kind)
    if resource is None:
        # Whoever asks about other kinds has configured it; agents do not look at these.
        return Verdict.undecided(f"{neutral('/'.join(review.kind))} is no policy of enforcer")
    if review.object is None:
        return Verdict.undecided("the question has no object")
    item = _completed(review.object)
    try:
        key = key_of(item, resource)
    except GarbageError as error:
        # An agent takes a list with such an object for garbage, and keeps all that it had: no server stores one.
        return _refused([_Fault("metadata", neutral(str(error)))], ())
    changed = _changes(review.old, item, key, resource)
    if not any(changed):
        return Verdict(Outcome.UNCHECKED)
    rollout, text = _rollout(item), _text(item, key, resource)
    return _verdict(zip(changed, (rollout, text), strict=True))


def _completed(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *item* with what the server gives it when it stores it, if it has not yet: a uid, and a name that it makes."""
    meta = item.get("metadata")
    if not isinstance(meta, dict):
        return item
    prefix = meta.get("generateName")
    more = {"uid": meta.get("uid") or _UID}
    if not meta.get("name") and isinstance(prefix, str):
        more["name"] = f"{prefix}{_GENERATED}"
    return {**item, "metadata": {**meta, **more}}


def _changes(
    old: Mapping[str, Any] | None, new: Mapping[str, Any], key: Key, resource: Resource
) -> tuple[bool, bool]:
    """Tell whether the rollout of a policy changes, and whether its text does. All is new if there was none before."""
    try:
        is_same = old is not None and key_of(old, resource) == key
    except GarbageError:
        is_same = False
    if old is None or not is_same:
        return True, True
    rollout = annotations_of(old) != annotations_of(new)
    return rollout, policy_text(old, key, resource) != policy_text(new, key, resource)


def _verdict(found: Iterable[tuple[bool, _Checked]]) -> Verdict:
    """
    Refuse what a change brings. What was wrong before is a warning.

    Else nobody could take a rollout back, or add a finalizer, where the spec was wrong already.
    """
    faults: list[_Fault] = []
    warnings: list[str] = []
    for is_changed, checked in found:
        if is_changed:
            faults += checked.faults
        else:
            warnings += (f"enforcer: nodes refuse it as before: {each}" for each in checked.faults)
        warnings += (f"enforcer: {each}" for each in checked.warnings)
    return (
        _refused(faults, tuple(warnings))
        if faults
        else Verdict(Outcome.ALLOWED, "", tuple(warnings))
    )


def _refused(faults: Sequence[_Fault], warnings: tuple[str, ...]) -> Verdict:
    lines = [str(each) for each in faults[:_TOLD]]
    if len(faults) > _TOLD:
        lines.append(f"and {len(faults) - _TOLD} more")
    return Verdict(Outcome.REFUSED, "; ".join(lines), warnings, faults[0].field)


# ---- The agent's part ---------------------------------------------------------------------------


def _rollout(item: Mapping[str, Any]) -> _Checked:
    """Read the annotations as the agent does. Which nodes they reach is for the nodes."""
    try:
        Rollout.of(item)
    except RolloutError as error:
        return _Checked((_Fault(neutral(error.path), neutral(str(error))),))
    return _Checked()


# ---- The engine's part --------------------------------------------------------------------------


@attrs.frozen
class _Text:
    """The text of a policy's file, as the agent of a node writes it, with the object that it is of."""

    item: Mapping[str, Any]
    lines: str

    def field(self, span: Span | None) -> str:
        """Return the path of the field at *span*; empty: the object."""
        return "" if span is None else neutral(field_at(self.lines, span.line))

    def is_at_point(self, field: str) -> bool:
        """Whether *field* is of a rule at a point of the kernel."""
        spec = self.item.get("spec")
        rules = spec.get("rules") if isinstance(spec, dict) else None
        for number, rule in enumerate(rules if isinstance(rules, list) else ()):
            place = f"spec.rules[{number}]"
            if field == place or field.startswith(f"{place}."):
                return isinstance(rule, dict) and not _POINTS.isdisjoint(rule)
        return False


def _text(item: Mapping[str, Any], key: Key, resource: Resource) -> _Checked:
    """Read and compile the policy as the engine of a node does with what its agent writes."""
    content = policy_text(item, key, resource)
    text = _Text(item, content.decode("utf-8", "replace"))
    users, types = AskedUsers(), AskedTypes()
    (file,) = read_texts([(resource.word, content)], users, types)
    errors: Sequence[PolicyError] = file.errors
    prepared = None
    if not errors:
        try:
            prepared = _prepared(PolicySet(file.policies), types)
        except PolicyErrors as found:
            errors = found.errors
        except PolicyError as found:
            errors = (found,)
    if prepared is not None:
        return _Checked((), (*_about_nodes(users), *_warnings(prepared, text)))
    faults: list[_Fault] = []
    elsewhere: list[_Fault] = []
    for number, error in enumerate(errors):
        # To find the field takes a look at all lines, and the reader tells of a hundred errors.
        field = text.field(error.span) if number < _PLACED else ""
        fault = _Fault(field, neutral(error.message))
        is_local = types.is_cause(error.message) and (not field or text.is_at_point(field))
        (elsewhere if is_local else faults).append(fault)
    notes = (f"{each}; on the machine of this webhook, nodes may differ" for each in elsewhere)
    return _Checked(tuple(faults), (*_about_nodes(users), *notes))


def _prepared(policies: PolicySet, types: AskedTypes) -> Prepared:
    """
    Compile *policies* alone, as an engine does with a file that is new to it.

    Raises:
        PolicyErrors, PolicyError: what is wrong with them.
    """
    if over := list(Quota().exceeding(policies.policies)):
        raise PolicyErrors(over)
    counted: Counts | LimitError
    try:
        prepared = _compiled(policies, types)
        counted = prepared.image.counts
    except LimitError as error:
        if not is_shared(error):
            raise
        counted = error
    if over := list(alone(policies.policies, lambda *_: counted)):
        raise PolicyErrors(over)
    return prepared


def _compiled(policies: PolicySet, types: AskedTypes) -> Prepared:
    share = OF_ONE if all(policy.namespace for policy in policies.policies) else WHOLE
    without = PolicySet(tuple(map(without_marks, policies.policies)))
    return prepare(without, is_thorough=True, types=types, most_work=share.work)


def _warnings(prepared: Prepared, text: _Text) -> Iterator[str]:
    for issue in prepared.issues:
        if issue.severity is Severity.WARNING:
            yield str(_Fault(text.field(issue.span), neutral(issue.message)))
    for note in prepared.image.warnings:
        yield str(_Fault(text.field(note.span), neutral(note.text)))


def _about_nodes(users: AskedUsers) -> Iterator[str]:
    for name in users.unknown:
        yield f"nodes that have no user or group {name!r} refuse it"
