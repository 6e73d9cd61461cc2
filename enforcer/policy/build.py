# SPDX-License-Identifier: MIT
"""
A document to a Policy of the model, collecting every error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from enforcer.policy.actions import (
    ACTIONS_KEYS,
    VERBS,
    ListedAction,
    read_action,
    read_actions,
    read_message,
)
from enforcer.policy.conditions import read_process
from enforcer.policy.context import Context
from enforcer.policy.model import Action, Mode, Policy, Process, Rule
from enforcer.policy.nodes import Entry, Map, Node, Scalar, describe, shorten
from enforcer.policy.problems import suggest
from enforcer.policy.rules import read_rule
from enforcer.policy.unsupported import EVENT_WORDS, KINDS, METADATA_WORDS, SPEC_WORDS
from enforcer.policy.vocabulary import EVENTS

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

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")


def build(document: Node, context: Context) -> Policy | None:
    """
    Read one document.

    Returns:
        The policy, or None after an error that leaves nothing to look at. It must only be used if
        *context* has collected no error.
    """
    top = context.map(document, "a policy")
    if top is None or not _is_policy(top, context):
        return None
    _refuse_unknown(top, "key of a policy", TOP_KEYS, {}, context)
    name, description = _metadata(top, context)
    entry = top.get("spec")
    if entry is None:
        context.add("the policy has no spec", top.span)
        return None
    spec = context.map(entry.value, "spec")
    if spec is None:
        return None
    return _spec(spec, top, name, description, context)


def _is_policy(top: Map, context: Context) -> bool:
    kind = top.get("kind")
    if kind is None:
        context.add("the document has no kind: write kind: EnforcerPolicy", top.span)
        return False
    word = kind.value.text if isinstance(kind.value, Scalar) else ""
    if word in KINDS:
        context.add(f"kind {word} is not supported by this version: {KINDS[word]}", kind.value.span)
        return False
    if word not in API_VERSIONS:
        hint = suggest(word, API_VERSIONS) or ": write kind: EnforcerPolicy"
        context.add(f"kind is not {describe(kind.value)}{hint}", kind.value.span)
        return False
    version = top.get("apiVersion")
    wanted = API_VERSIONS[word]
    if version is None:
        context.add(f"the policy has no apiVersion: write apiVersion: {wanted}", top.span)
    elif not isinstance(version.value, Scalar) or version.value.text != wanted:
        context.add(
            f"apiVersion of a {word} is {wanted}, not {describe(version.value)}", version.value.span
        )
    return True


def _refuse_unknown(
    node: Map, what: str, known: Iterable[str], refused: dict[str, str], context: Context
) -> None:
    known = tuple(known)
    for entry in node:
        if entry.key not in known:
            context.unknown(entry, what, known, refused)


def _metadata(top: Map, context: Context) -> tuple[str, str]:
    entry = top.get("metadata")
    if entry is None:
        context.add("the policy has no metadata with a name", top.span)
        return "", ""
    metadata = context.map(entry.value, "metadata")
    if metadata is None:
        return "", ""
    _refuse_unknown(metadata, "key of metadata", METADATA_KEYS, METADATA_WORDS, context)
    _check_labels(metadata, context)
    described = metadata.get("description")
    description = context.text(described.value, "description") if described else ""
    given = metadata.get("name")
    if given is None:
        context.add("metadata has no name", metadata.span)
        return "", ""
    name = given.value.text if isinstance(given.value, Scalar) else ""
    if not _NAME.fullmatch(name):
        context.add(
            f"name must be up to 63 lower-case letters, digits, '-' and '.', letters or digits at the "
            f"ends; not {describe(given.value)}",
            given.value.span,
        )
    return name, (description or "").strip()


def _check_labels(metadata: Map, context: Context) -> None:
    """Labels are for people and other tools; they only have to be text."""
    entry = metadata.get("labels")
    labels = context.map(entry.value, "labels") if entry else None
    for label in labels or ():
        if not isinstance(label.value, Scalar) or label.value.is_null:
            context.add(f"label {shorten(label.key)!r} must be text", label.value.span)


def _spec(spec: Map, top: Map, name: str, description: str, context: Context) -> Policy:
    _refuse_unknown(spec, "key of spec", SPEC_KEYS, SPEC_WORDS, context)
    mode = spec.get("mode")
    word = context.word(mode.value, "mode", MODES) if mode else None
    message = spec.get("message")
    selector = spec.get("selector")
    degraded = spec.get("allowDegraded")
    rules = _rules(spec, _listed_actions(spec, context), context)
    defaults = _defaults(spec, rules, context)
    if spec.get("rules") is None and not defaults and spec.get("default") is None:
        context.add("the policy has neither rules nor a default, so it would do nothing", spec.span)
    return Policy(
        name=name,
        mode=Mode(word) if word else Mode.ENFORCE,
        rules=tuple(rules),
        span=top.span,
        selector=read_process(selector, context) if selector else Process(),
        defaults=defaults,
        message=read_message(message, context) if message else None,
        description=description,
        allow_degraded=bool(context.boolean(degraded.value, "allowDegraded"))
        if degraded
        else False,
    )


def _listed_actions(spec: Map, context: Context) -> list[ListedAction]:
    lists = [entry for entry in spec if entry.key in ACTIONS_KEYS]
    if len(lists) > 1:
        context.add(
            f"{lists[1].key} and {lists[0].key} are the same list: leave one", lists[1].span
        )
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
            context.add(f"no rule without an action of its own is on {what}", action.entry.span)
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
                "a default is about every operation of an event: system calls that no rule names are not "
                "decided on",
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
