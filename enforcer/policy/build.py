# SPDX-License-Identifier: MIT
"""
A document to a Policy of the model, collecting every error.
"""

from __future__ import annotations

from enforcer.policy.foreign import DIALECTS
from enforcer.policy.language.unsupported import EVENT_WORDS, KINDS, METADATA_WORDS, SPEC_WORDS
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
from enforcer.policy.text.nodes import Entry, Map, Node, Scalar, describe
from enforcer.policy.text.problems import suggest

__all__ = ["API_VERSIONS", "SPEC_KEYS", "build"]

API_VERSIONS = {"EnforcerPolicy": "enforcer/v1", "TetragonPolicy": "cilium.io/v1alpha1"}
"""Kinds of the language with the apiVersion that belongs to each; both are the same language."""

TOP_KEYS = ("apiVersion", "kind", "metadata", "spec")
METADATA_KEYS = ("name", "labels", "description")
SPEC_KEYS = (
    "mode",
    "message",
    "selector",
    "default",
    "rules",
    *ACTIONS_KEYS,
    "allowDegraded",
)
MODES = tuple(mode.value for mode in Mode)


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
    refuse_unknown(top, "key of a policy", TOP_KEYS, {}, context)
    metadata = read_metadata(top, METADATA_KEYS, METADATA_WORDS, context)
    entry = top.get("spec")
    if entry is None:
        context.add("the policy has no spec", top.span)
        return None
    spec = context.map(entry.value, "spec")
    if spec is None:
        return None
    return _spec(spec, top, metadata, context)


def _kind(top: Map, context: Context) -> str | None:
    """Return the kind of the document, its apiVersion checked; None if it is not supported."""
    versions = API_VERSIONS | {kind: dialect.api_version for kind, dialect in DIALECTS.items()}
    kind = top.get("kind")
    if kind is None:
        context.add("the document has no kind: write kind: EnforcerPolicy", top.span)
        return None
    word = kind.value.text if isinstance(kind.value, Scalar) else ""
    if word in KINDS:
        context.add(f"kind {word} is not supported by this version: {KINDS[word]}", kind.value.span)
        return None
    if word not in versions:
        hint = suggest(word, versions) or ": write kind: EnforcerPolicy"
        context.add(f"kind is not {describe(kind.value)}{hint}", kind.value.span)
        return None
    version = top.get("apiVersion")
    wanted = versions[word]
    if version is None:
        context.add(f"the policy has no apiVersion: write apiVersion: {wanted}", top.span)
    elif not isinstance(version.value, Scalar) or version.value.text != wanted:
        context.add(
            (f"apiVersion of a {word} must be {wanted}, not {describe(version.value)}"),
            version.value.span,
        )
    return word


def _spec(spec: Map, top: Map, metadata: Metadata, context: Context) -> Policy:
    refuse_unknown(spec, "key of spec", SPEC_KEYS, SPEC_WORDS, context)
    mode = spec.get("mode")
    word = context.word(mode.value, "mode", MODES) if mode else None
    message = spec.get("message")
    selector = spec.get("selector")
    degraded = spec.get("allowDegraded")
    rules = _rules(spec, _listed_actions(spec, context), context)
    defaults = _defaults(spec, rules, context)
    check_marks(metadata.name, rules, context)
    if spec.get("rules") is None and not defaults and spec.get("default") is None:
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
    items = context.list(entry.value, "rules") if entry else None
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
            context.add(
                (f"every rule on {what} has an action of its own: leave this out"),
                action.entry.span,
            )
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
            context.unknown(part, "event", EVENTS, EVENT_WORDS)
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
