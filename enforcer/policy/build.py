# SPDX-License-Identifier: MIT
"""
A document to a Policy of the model, collecting every error.
"""

from __future__ import annotations

from enforcer.policy.foreign import DIALECTS
from enforcer.policy.language.kube import CLUSTER_POLICY, POLICY, TETRAGON_POLICY
from enforcer.policy.language.unsupported import (
    EVENT_WORDS,
    KINDS,
    METADATA_WORDS,
    OTHER_KINDS,
    SPEC_WORDS,
)
from enforcer.policy.language.vocabulary import EVENTS
from enforcer.policy.model.policy import Action, Mode, Policy, Process, Rule
from enforcer.policy.readers.actions import (
    ACTIONS_KEYS,
    VERBS,
    ListedAction,
    read_action,
    read_actions,
    read_message,
)
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.marks import check_marks
from enforcer.policy.readers.metadata import Metadata, read_metadata, refuse_unknown
from enforcer.policy.readers.process import read_process
from enforcer.policy.readers.rules import read_rule
from enforcer.policy.readers.tenants import confine, read_namespace
from enforcer.policy.text.nodes import Entry, Map, Node, Scalar, describe
from enforcer.policy.text.problems import closest, suggest

__all__ = ["API_VERSIONS", "SPEC_KEYS", "build"]

API_VERSIONS = {
    POLICY.kind: ("enforcer/v1", POLICY.api_version),
    CLUSTER_POLICY.kind: (CLUSTER_POLICY.api_version,),
    TETRAGON_POLICY.kind: (TETRAGON_POLICY.api_version,),
}
"""Kinds of the language with what may stand as apiVersion of each; all are the same language."""

TOP_KEYS = ("apiVersion", "kind", "metadata", "spec")
METADATA_KEYS = ("name", "namespace", "labels", "description")
SPEC_KEYS = (
    "mode",
    "message",
    "selector",
    "default",
    "rules",
    *ACTIONS_KEYS,
    "recordAllowed",
    "allowDegraded",
)
MODES = tuple(mode.value for mode in Mode)
_OF_SPEC = {key: "is a key of spec: indent it below spec" for key in SPEC_KEYS if key.isascii()}
_OPERATIONS = {
    f"{event}.{operation}": f"is an operation, and a default is for a whole event: write {event}, or a rule"
    for event, spec in EVENTS.items()
    for operation in spec.operations
}
_ALIKE = 0.8
"""How alike words must be that name whole documents: ``NetworkPolicy`` is no misspelt ``TetragonPolicy``."""


def build(document: Node, context: Context) -> Policy | None:
    """
    Read one document.

    Returns:
        The policy, or None after an error that leaves nothing to look at. It must only be used if
        *context* has collected no error.
    """
    top = context.map(document, "a policy")
    if top is None:
        return None
    kind = _kind(top, context)
    if kind is None:
        return None
    if kind in DIALECTS:
        return DIALECTS[kind].read(top, context)
    refuse_unknown(top, "key of a policy", TOP_KEYS, {}, context, elsewhere=_OF_SPEC)
    metadata = read_metadata(top, METADATA_KEYS, METADATA_WORDS, context)
    entry = top.get("spec")
    is_empty = entry is None or (isinstance(entry.value, Scalar) and entry.value.is_null)
    if is_empty and any(each.key in _OF_SPEC for each in top):
        return None  # what belongs there stands beside it, which was said
    if entry is None:
        context.missing(top, "spec", "the policy has no spec")
        return None
    spec = context.map(entry.value, "spec")
    if spec is None:
        return None
    policy = _spec(spec, top, metadata, context)
    given = metadata.node.get("namespace") if metadata.node else None
    if given is not None and kind == CLUSTER_POLICY.kind:
        context.add(
            f"a {kind} is for the whole host: leave namespace out, or write kind: {POLICY.kind}",
            given.span,
        )
        return policy
    if given is None or not (namespace := read_namespace(given, context)):
        return policy
    return confine(policy, namespace, given.value.span, context)


def _kind(top: Map, context: Context) -> str | None:
    """Return the kind of the document, its apiVersion checked; None if it is not supported."""
    versions = API_VERSIONS | {kind: (dialect.api_version,) for kind, dialect in DIALECTS.items()}
    kind = top.get("kind")
    if kind is None:
        misspelt = [entry for entry in top if closest(entry.key, ("kind",))]
        for entry in misspelt[:1]:
            context.unknown(entry, "key of a policy", ("kind",), {})
        if not misspelt:
            context.add("the document has no kind: write kind: EnforcerPolicy", top.span)
        return None
    word = kind.value.text if isinstance(kind.value, Scalar) else ""
    if word in OTHER_KINDS:
        context.add(f"kind {word} is no policy: {OTHER_KINDS[word]}", kind.value.span)
        return None
    if word in KINDS:
        context.add(f"kind {word} is not supported by this version: {KINDS[word]}", kind.value.span)
        return None
    if word not in versions:
        hint = suggest(word, versions, cutoff=_ALIKE) or ": write kind: EnforcerPolicy"
        context.add(f"kind is not {describe(kind.value)}{hint}", kind.value.span)
        return None
    version = top.get("apiVersion")
    wanted = versions[word]
    if version is None:
        context.missing(
            top, "apiVersion", f"the policy has no apiVersion: write apiVersion: {wanted[0]}"
        )
    elif not isinstance(version.value, Scalar) or version.value.text not in wanted:
        context.add(
            f"apiVersion of kind {word} must be {' or '.join(wanted)}, not {describe(version.value)}",
            version.value.span,
        )
    return word


def _spec(spec: Map, top: Map, metadata: Metadata, context: Context) -> Policy:
    refuse_unknown(spec, "key of spec", SPEC_KEYS, SPEC_WORDS, context)
    mode = spec.get("mode")
    word = context.word(mode.value, "mode", MODES) if mode else None
    message = spec.get("message")
    selector = spec.get("selector")
    recorded, degraded = spec.get("recordAllowed"), spec.get("allowDegraded")
    rules = _rules(spec, _listed_actions(spec, context), context)
    defaults = _defaults(spec, rules, context)
    check_marks(metadata.name, rules, context)
    is_known = all(part.key in SPEC_KEYS for part in spec)
    if is_known and spec.get("rules") is None and not defaults and spec.get("default") is None:
        context.add("the policy has neither rules nor a default: add one", spec.span)
    return Policy(
        name=metadata.name,
        mode=Mode(word) if word else Mode.ENFORCE,
        rules=tuple(rules),
        span=top.span,
        selector=read_process(selector, context) if selector else Process(),
        defaults=defaults,
        message=read_message(message, context) if message else None,
        description=metadata.description,
        record_allowed=recorded is None
        or context.boolean(recorded.value, "recordAllowed") is not False,
        allow_degraded=bool(context.boolean(degraded.value, "allowDegraded"))
        if degraded
        else False,
    )


def _listed_actions(spec: Map, context: Context) -> list[ListedAction]:
    lists = [entry for entry in spec if entry.key in ACTIONS_KEYS]
    if len(lists) > 1:
        context.add(f"{lists[1].key} and {lists[0].key} are the same list: keep one", lists[1].span)
    return read_actions(lists[0], context) if lists else []


def _rules(spec: Map, listed: list[ListedAction], context: Context) -> list[Rule]:
    entry = spec.get("rules")
    items = context.list(entry.value, "rules", "begin each rule with '- '") if entry else None
    if items is not None and not items.items:
        context.add("rules is an empty list: add rules, or leave it out", items.span)
    rules: list[Rule] = []
    names: dict[str, Rule] = {}
    for number, item in enumerate(items or (), start=1):
        parts = read_rule(item, number, listed, context)
        if not parts:
            continue
        rule = parts[0]
        if first := names.get(rule.name):
            message = (
                f"rule {rule.name!r} has its name from line {first.span.line}: names are unique"
            )
            context.add(message, rule.span)
        names.setdefault(rule.name, rule)
        rules += parts
    for action in listed:
        if not action.used:
            what = f"syscall {action.syscall}" if action.syscall else action.event
            is_there = any(action.is_for(rule) for rule in rules)
            said = (
                f"every rule on {what} has an action of its own"
                if is_there
                else f"no rule is on {what}"
            )
            context.add(f"{said}: leave this out", action.entry.span)
    return rules


def _defaults(spec: Map, rules: list[Rule], context: Context) -> dict[str, Action]:
    entry = spec.get("default")
    if entry is None:
        return {}
    if _is_one_action(entry):
        action = read_action(entry.value, "default", context)
        events = dict.fromkeys(rule.event for rule in rules if rule.event in EVENTS)
        if action is not None and not events and rules:
            context.add(
                "a default is for all operations of an event: system calls that no rule names "
                "are not decided",
                entry.span,
            )
        if action is not None and not events and spec.get("rules") is None:
            context.add(
                "a default without rules needs its events: write default: {file: deny}", entry.span
            )
        return dict.fromkeys(events, action) if action is not None else {}
    found: dict[str, Action] = {}
    for part in context.map(entry.value, "default") or ():
        if part.key not in EVENTS:
            context.unknown(part, "event", EVENTS, EVENT_WORDS, _OPERATIONS)
        elif action := read_action(part.value, f"default of {part.key}", context):
            found[part.key] = action
    if isinstance(entry.value, Map) and not entry.value.entries:
        context.add("default is an empty mapping: name events, or leave it out", entry.value.span)
    return found


def _is_one_action(entry: Entry) -> bool:
    """Tell ``default: deny`` and ``default: {deny: {…}}`` from ``default: {file: deny}``."""
    node = entry.value
    if not isinstance(node, Map):
        return True
    return len(node.entries) == 1 and next(iter(node.entries)).lower() in VERBS
