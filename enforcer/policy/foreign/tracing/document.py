# SPDX-License-Identifier: MIT
"""
A document to a Policy of the model: its selector, its hooks, and the order of their rules.

In Tetragon, hooks are independent: the strictest of all that match counts. Here the first matching rule
counts, so hooks on the same operation are ordered by strictness.
"""

from __future__ import annotations

from collections.abc import Sequence

from enforcer.policy.foreign.kubernetes import SERVER_METADATA, TOP_REFUSED, read_nodes
from enforcer.policy.foreign.pods import (
    any_pod,
    in_namespace,
    of_namespace,
    read_containers,
    read_pods,
)
from enforcer.policy.foreign.tracing.filters import items
from enforcer.policy.foreign.tracing.keys import (
    HOOK_KEYS,
    METADATA_KEYS,
    SPEC_KEYS,
    SPEC_REFUSED,
)
from enforcer.policy.foreign.tracing.lists import read_enforcers, read_lists
from enforcer.policy.foreign.tracing.selectors import Block, Spec, read_hook, read_macros
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.points import PointKind
from enforcer.policy.model.policy import Condition, Mode, Policy, Process, Rule, Verb
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import Metadata, read_metadata, refuse_unknown
from enforcer.policy.text.nodes import Entry, Map, Scalar, describe, shorten
from enforcer.policy.text.problems import suggest

__all__ = ["read_cluster_policy", "read_namespaced_policy"]


_TOP_KEYS = ("apiVersion", "kind", "metadata", "spec")
_MODES = {"monitor": Mode.AUDIT, "enforce": Mode.ENFORCE}
_BOOLEANS = ("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")
_OPTIONS: dict[str, tuple[str, ...]] = {
    "policy-mode": tuple(_MODES),
    # How a hook is attached, which is not how it is attached here: there is nothing to choose.
    "disable-kprobe-multi": _BOOLEANS,
    "disable-uprobe-multi": _BOOLEANS,
    "override-method": ("fmod-ret", "override-return"),
}


def read_cluster_policy(top: Map, context: Context) -> Policy | None:
    """Read a TracingPolicy; None after an error that leaves nothing to look at."""
    refused = {**SERVER_METADATA, "namespace": "a TracingPolicy has no namespace"}
    metadata, description = _head(top, METADATA_KEYS, refused, context)
    return _policy(top, metadata, description, context, kind="TracingPolicy")


def read_namespaced_policy(top: Map, context: Context) -> Policy | None:
    """Read a TracingPolicyNamespaced, which is for the pods of its namespace."""
    known = (*METADATA_KEYS, "namespace")
    metadata, description = _head(top, known, SERVER_METADATA, context)
    namespace = in_namespace(metadata, top.span, context)
    policy = _policy(
        top, metadata, description, context, kind="TracingPolicyNamespaced", whom=(namespace,)
    )
    return policy and of_namespace(policy, metadata, context)


def _head(
    top: Map, known: tuple[str, ...], refused: dict[str, str], context: Context
) -> tuple[Metadata, str]:
    """Read everything in front of spec; the description is one of the annotations."""
    refuse_unknown(top, "key of a policy", _TOP_KEYS, TOP_REFUSED, context)
    metadata = read_metadata(top, known, refused, context)
    entry = metadata.node.get("annotations") if metadata.node else None
    description = ""
    for note in (context.map(entry.value, "annotations") if entry else None) or ():
        text = note.value.text if isinstance(note.value, Scalar) else ""
        if not text:
            context.add(f"annotation {shorten(note.key)!r} must be text", note.value.span)
        elif note.key == "description":
            description = " ".join(text.split())
    return metadata, description


def _policy(
    top: Map,
    metadata: Metadata,
    description: str,
    context: Context,
    *,
    kind: str,
    whom: tuple[Condition, ...] = (),
) -> Policy | None:
    entry = top.get("spec")
    if entry is None:
        context.missing(top, "spec", "the policy has no spec")
        return None
    spec = context.map(entry.value, "spec")
    if spec is None:
        return None
    refuse_unknown(spec, "key of spec", SPEC_KEYS, SPEC_REFUSED, context)
    mode = _mode(spec.get("options"), context)
    nodes = read_nodes(spec, context)
    whom += _selected(spec, context)
    lists = read_lists(spec.get("lists"), context)
    enforcers = spec.get("enforcers")
    enforced = read_enforcers(enforcers, lists, context)
    names = Spec(lists, read_macros(spec.get("selectorsMacros"), context), enforced)
    blocks = [
        read_hook(key, node, number, names, context)
        for key in HOOK_KEYS
        if (given := spec.get(key))
        for number, node in enumerate(items(given, context), start=1)
    ]
    if not blocks and all(key in SPEC_KEYS for key in spec.entries):
        context.add(f"the policy is empty: give it one of {', '.join(HOOK_KEYS)}", spec.span)
    if enforcers and not any(block.notifies for block in blocks):
        context.add(
            ("no selector has NotifyEnforcer, so enforcers do nothing: add it, or leave them out"),
            enforcers.span,
        )
    return Policy(
        name=metadata.name,
        mode=mode,
        rules=tuple(_ordered(blocks, context)),
        span=top.span,
        selector=Process(whom),
        description=description or f"A {kind}{nodes}.",
        allow_degraded=_may_kill_late(blocks),
        notes=context.take_notes(),
    )


def _selected(spec: Map, context: Context) -> tuple[Condition, ...]:
    """Read podSelector and containerSelector; either restricts the policy to pods."""
    pods, containers = spec.get("podSelector"), spec.get("containerSelector")
    found = read_pods(pods, context) if pods else ()
    if containers:
        of_pod = () if found else (any_pod(containers.span),)
        found += (*of_pod, *read_containers(containers, context))
    return found


def _mode(entry: Entry | None, context: Context) -> Mode:
    found = Mode.ENFORCE
    seen: set[str] = set()
    for node in items(entry, context) if entry else ():
        refuse_unknown(node, "key of an option", ("name", "value"), {}, context)
        name, value = node.get("name"), node.get("value")
        word = name.value.text if name and isinstance(name.value, Scalar) else ""
        if word not in _OPTIONS:
            hint = suggest(word, _OPTIONS) or f" (known: {', '.join(_OPTIONS)})"
            what = describe(name.value) if name else "an option without a name"
            span = name.value.span if name else node.span
            context.add(f"{what} is not an option{hint}", span)
            continue
        if word in seen:
            context.add(f"option {word} is given twice", node.span)
        seen.add(word)
        if value is None:
            context.add(f"option {word} needs a value", node.span)
            continue
        given = context.word(value.value, f"the value of {word}", _OPTIONS[word])
        if given in _MODES:
            found = _MODES[given]
    return found


def _may_kill_late(blocks: Sequence[Block]) -> bool:
    """
    Tell whether calls may be answered after the fact, on kernels that cannot refuse them.

    Sigkill and Signal promise nothing else there, Override does.
    """
    late = [
        block
        for block in blocks
        if any(_may_be_late(rule) and rule.action.verb >= Verb.DENY for rule in block.rules)
    ]
    return bool(late) and not any(block.overrides for block in late)


def _may_be_late(rule: Rule) -> bool:
    """Tell whether some kernel cannot refuse what *rule* is about; LSM hooks are asked everywhere."""
    if rule.point is not None:
        return rule.point.kind is not PointKind.LSM
    return bool(rule.calls)


# ---- Order ------------------------------------------------------------------------------------


def _ordered(blocks: Sequence[Block], context: Context) -> list[Rule]:
    """Return the rules of all hooks so that the strictest that matches is the first."""
    found = sorted((b for b in blocks if b.rules), key=lambda b: (-_least(b), -_most(b)))
    for number, one in enumerate(found):
        for other in found[number + 1 :]:
            if _least(one) < _most(other) and (place := _meeting(one, other)):
                context.add(
                    f"this hook and that of line {place.span.line} decide on the same operation, "
                    "and no order of their selectors makes the stricter one count: put the hooks "
                    "into two policies",
                    other.rules[0].span,
                )
    return [rule for block in found for rule in block.rules]


def _least(block: Block) -> Verb:
    return min(rule.action.verb for rule in block.rules)


def _most(block: Block) -> Verb:
    return max(rule.action.verb for rule in block.rules)


def _meeting(one: Block, other: Block) -> Rule | None:
    """Return a rule of *one* that may match what one of *other* does."""
    for mine in one.rules:
        for rule in other.rules:
            if mine.point or rule.point:
                if mine.point == rule.point:
                    return mine
            elif mine.calls and rule.calls:
                if set(mine.calls) & set(rule.calls):
                    return mine
            elif not mine.calls and not rule.calls and _ops(mine) & _ops(rule):
                return mine
    return None


def _ops(rule: Rule) -> frozenset[object]:
    return frozenset(kernel_operations(rule))
