# SPDX-License-Identifier: MIT
"""
A document to a Policy of the model: its selector, its rules in order, and the posture.

Rules that refuse come first, then those that record, those that allow, and the default for the rest. So
what any rule refuses is refused, in any order of the file. One exception: a rule for some programs
(``fromSource``) that allows comes before those that refuse for everybody.
"""

from __future__ import annotations

import attrs

from enforcer.policy.foreign.kubearmor.drafts import Draft, Item
from enforcer.policy.foreign.kubearmor.keys import (
    HOST_SPEC_KEYS,
    METADATA_KEYS,
    METADATA_REFUSED,
    POD_SPEC_KEYS,
    POSTURES,
    REFUSED,
    SECTION_KEYS,
)
from enforcer.policy.foreign.kubearmor.order import note_other_policies, ordered
from enforcer.policy.foreign.kubearmor.sections import read_section
from enforcer.policy.foreign.kubearmor.settings import Settings
from enforcer.policy.foreign.kubearmor.whom import PolicyScope, cluster_whom, pod_whom
from enforcer.policy.foreign.kubernetes import TOP_REFUSED, read_nodes
from enforcer.policy.foreign.pods import of_namespace
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import FIELDS
from enforcer.policy.model.policy import Condition, Interval, Mode, Policy, Rule, Verb
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import Metadata, read_metadata, refuse_unknown
from enforcer.policy.text.nodes import Entry, Map

__all__ = ["read_cluster_policy", "read_host_policy", "read_pod_policy"]


_TOP_KEYS = ("apiVersion", "kind", "metadata", "spec")
# What a posture is called by, and what it is about. Programs go by that of files.
_POSTURE_OF = {
    "process": "file",
    "file": "file",
    "network": "network",
    "capabilities": "capabilities",
}
_REST = {
    "process": ("exec", ("exec",)),
    "file": ("file", ("any",)),
    "network": ("network", ("any",)),
    "capabilities": ("process", ("capability",)),
}
# The kernel side looks at the use of capabilities that are named, so all are.
_ANY_CAPABILITY = Condition(FIELDS["capability"], (Interval(0, max(CAPABILITIES.values())),))
_ANNOTATIONS = {f"kubearmor-{name}-posture": name for name in _POSTURE_OF.values()}


def read_host_policy(top: Map, context: Context) -> Policy | None:
    """Read a KubeArmorHostPolicy; None after an error that leaves nothing to look at."""
    metadata, postures = _head(top, METADATA_REFUSED, context)
    spec = _spec(top, HOST_SPEC_KEYS, context)
    if spec is None:
        return None
    nodes = read_nodes(spec, context)
    return Policy(
        name=metadata.name,
        mode=Mode.ENFORCE,
        rules=tuple(_rules(spec, postures, context, PolicyScope())),
        span=top.span,
        description=f"A KubeArmorHostPolicy{nodes}.",
        notes=context.take_notes(),
    )


def read_pod_policy(top: Map, context: Context) -> Policy | None:
    """Read a KubeArmorPolicy, for pods of its namespace; None as for the host's."""
    refused = {k: why for k, why in METADATA_REFUSED.items() if k != "namespace"}
    metadata, postures = _head(top, refused, context, also=("namespace",))
    spec = _spec(top, POD_SPEC_KEYS, context)
    if spec is None:
        return None
    whom = pod_whom(top, metadata, spec, context)
    rules = _rules(spec, postures, context, whom)
    policy = _of_pods("A KubeArmorPolicy.", top, metadata, rules, whom)
    policy = of_namespace(policy, metadata, context)
    return attrs.evolve(policy, notes=context.take_notes())


def read_cluster_policy(top: Map, context: Context) -> Policy | None:
    """Read a KubeArmorClusterPolicy, for pods of any namespace; None as for the host's."""
    refused = {**METADATA_REFUSED, "namespace": "a KubeArmorClusterPolicy has no namespace"}
    metadata, postures = _head(top, refused, context)
    spec = _spec(top, POD_SPEC_KEYS, context)
    if spec is None:
        return None
    whom = cluster_whom(top, spec, context)
    rules = _rules(spec, postures, context, whom)
    policy = _of_pods("A KubeArmorClusterPolicy.", top, metadata, rules, whom)
    return attrs.evolve(policy, notes=context.take_notes())


def _of_pods(
    what: str, top: Map, metadata: Metadata, rules: list[Rule], whom: PolicyScope
) -> Policy:
    return Policy(
        name=metadata.name,
        mode=Mode.ENFORCE,
        rules=tuple(rules),
        span=top.span,
        selector=whom.selector,
        description=what,
    )


def _head(
    top: Map, refused: dict[str, str], context: Context, *, also: tuple[str, ...] = ()
) -> tuple[Metadata, dict[str, Verb]]:
    """Read everything in front of spec."""
    refuse_unknown(top, "key of a policy", _TOP_KEYS, TOP_REFUSED, context)
    metadata = read_metadata(top, (*METADATA_KEYS, *also), refused, context)
    given = metadata.node.get("annotations") if metadata.node else None
    postures: dict[str, Verb] = {}
    for entry in (context.map(given.value, "annotations") if given else None) or ():
        if entry.key not in _ANNOTATIONS:
            hint = f"known are {', '.join(_ANNOTATIONS)}"
            context.add(f"annotation {entry.key!r} is not supported: {hint}", entry.span)
        elif word := context.word(entry.value, entry.key, POSTURES):
            postures[_ANNOTATIONS[entry.key]] = POSTURES[word]
    return metadata, postures


def _spec(top: Map, known: tuple[str, ...], context: Context) -> Map | None:
    entry = top.get("spec")
    if entry is None:
        context.missing(top, "spec", "the policy has no spec")
        return None
    spec = context.map(entry.value, "spec")
    if spec is None:
        return None
    refuse_unknown(spec, "key of spec", known, REFUSED, context)
    is_known = all(key in known for key in spec.entries)
    if is_known and not any(key in SECTION_KEYS for key in spec.entries):
        context.add(f"the policy is empty: give it one of {', '.join(SECTION_KEYS)}", spec.span)
    return spec


def _rules(spec: Map, postures: dict[str, Verb], context: Context, whom: PolicyScope) -> list[Rule]:
    """Read all sections of a policy for *whom*."""
    settings = Settings().refine(spec, context)
    drafts: list[Draft] = []
    rest: list[Draft] = []
    for entry in spec:
        if entry.key not in SECTION_KEYS:
            continue
        own, found = read_section(entry, settings, context)
        allowing = [d for d in found if d.decided is Verb.ALLOW and not d.beside_allow]
        if allowing:
            posture = postures.get(_POSTURE_OF[entry.key], Verb.LOG)
            rest.append(_rest(entry, allowing, attrs.evolve(own, verb=posture), context))
            _refuse_second_list(entry, allowing[0], context, whom)
        is_refused = any(draft.refuses_everybody for draft in found)
        drafts += [d for d in found if not d.beside_allow or allowing or (d.lifts and is_refused)]
    _refuse_records(drafts, rest, context)
    note_other_policies(drafts, whom, context)
    return [draft.rule() for draft in (*ordered(drafts, context), *rest)]


def _rest(section: Entry, allowing: list[Draft], settings: Settings, context: Context) -> Draft:
    """Return what becomes of what no rule of *section* is about: a rule, so that it has a message."""
    first = allowing[0].item
    for draft in allowing:
        if draft.item.settings.message != first.settings.message:
            context.add(
                f"the default for what no rule allows has the message of line {first.span.line}: "
                f"give {section.key} a message instead",
                draft.item.span,
            )
            break
    item = Item(
        name=f"posture.{section.key}",
        section=section.key,
        span=section.span,
        settings=attrs.evolve(settings, message=first.settings.message),
    )
    event, operations = _REST[section.key]
    conditions = (_ANY_CAPABILITY,) if section.key == "capabilities" else ()
    return Draft(item, event, operations, conditions)


def _refuse_second_list(section: Entry, first: Draft, context: Context, whom: PolicyScope) -> None:
    """What any policy allows is allowed there; here the posture of each would refuse it."""
    other = whom.meeting(section.key, context.allow_lists)
    context.allow_lists.setdefault(whom.place(section.key), first.item.span)
    if other is not None:
        context.add(
            f"the policy of {other} also allows something under {section.key}, and each policy "
            "would refuse or record what only the other one allows: put both into one policy",
            first.item.span,
        )


def _refuse_records(drafts: list[Draft], rest: list[Draft], context: Context) -> None:
    """A rule that records permits; there, what is only recorded is not allowed by that."""
    blocked = {draft.event: draft.item.section for draft in rest if draft.decided is Verb.DENY}
    for draft in drafts:
        if draft.decided is Verb.LOG and draft.event in blocked:
            section = blocked[draft.event]
            context.add(
                f"Audit beside rules that allow, with the posture block, would permit what is only "
                f"recorded: put what is audited under {draft.item.section} and what is allowed under "
                f"{section} into two policies",
                draft.item.span,
            )
