# SPDX-License-Identifier: MIT
"""Labels of pods and selectors by labels, as Kubernetes writes them: read, and written again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from enforcer.errors import EnforcerBug
from enforcer.policy.model.policy import Condition, Text, TextKind
from enforcer.policy.model.workloads import KUBELET_LABELS, LABELS
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.texts import TextForm, glob_text, quote
from enforcer.policy.text.nodes import Entry, List, Map, Scalar, describe, shorten

__all__ = [
    "EXPRESSION_OPERATORS",
    "LABEL_KEYS",
    "read_label_selector",
    "read_labels",
    "spell_labels",
]

LABEL_KEYS = ("matchLabels", "matchExpressions")
EXPRESSION_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_EXPRESSION_KEYS = ("key", "operator", "values")
_KEY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?"
)
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?")
_GLOB = TextForm("the value", 63)


def read_labels(entry: Entry, context: Context) -> tuple[Condition, ...]:
    """Read ``labels``: a mapping of labels, or a selector with matchLabels and matchExpressions."""
    node = context.map(entry.value, entry.key)
    if node is None:
        return ()
    if any(key in LABEL_KEYS for key in node.entries):
        return read_label_selector(node, entry.key, context)
    return _labels(node, entry, context)


def read_label_selector(
    node: Map, what: str, context: Context, *, is_glob: bool = True
) -> tuple[Condition, ...]:
    """Read a selector as Kubernetes has it, *is_glob*: and globs; all of its parts must hold."""
    found: tuple[Condition, ...] = ()
    for entry in node:
        if entry.key == "matchLabels":
            labels = context.map(entry.value, entry.key)
            found += _labels(labels, entry, context, is_glob=is_glob) if labels else ()
        elif entry.key == "matchExpressions":
            items = context.list(entry.value, entry.key)
            if items is not None and not items.items and is_glob:
                context.add(
                    f"{entry.key} is an empty list: name labels, or leave it out", items.span
                )
            for item in items or ():
                expression = context.map(item, "an expression")
                if expression is not None:
                    found += _expression(expression, context)
        else:
            context.unknown(entry, f"key of {what}", LABEL_KEYS, {})
    return found


def _labels(
    node: Map, entry: Entry, context: Context, *, is_glob: bool = True
) -> tuple[Condition, ...]:
    if not node.entries and is_glob:
        context.add(f"{entry.key} is an empty mapping: name labels, or leave it out", node.span)
    found = []
    for label in node:
        text = _value(label.value, label.key, context)
        if not _is_key(label, context) or text is None:
            continue
        if not is_glob and not _VALUE.fullmatch(text):
            context.add(f"{shorten(text)!r} is not a value of a label", label.value.span)
            continue
        with context.problems.catching():
            span = label.value.span
            value = glob_text(text, _GLOB, span) if text else Text(TextKind.EXACT, b"", span)
            found.append(Condition(LABELS, (_with_key(label.key, value),), span=label.value.span))
    return tuple(found)


def _is_key(label: Entry, context: Context) -> bool:
    if not _KEY.fullmatch(label.key):
        context.add(f"{shorten(label.key)!r} is not a name of a label", label.span)
        return False
    if label.key.startswith(KUBELET_LABELS):
        context.add(
            f"labels that begin with {KUBELET_LABELS} are not compared, since the kubelet adds labels of its own "
            "to those of a pod: write namespace, name or container, or give the pod another label",
            label.span,
        )
        return False
    return True


def _value(node: Any, what: str, context: Context) -> str | None:
    """Return the text of *node*, which may be empty; numbers and booleans are as they are written."""
    if isinstance(node, Scalar) and not node.is_null:
        return node.text
    context.add(f"{shorten(what)} must be text, not {describe(node)}", node.span)
    return None


def _with_key(key: str, value: Text) -> Text:
    """Put the *key* of a label in front of *value*. No key has anything special in it."""
    return Text(value.kind, f"{key}=".encode() + value.value, value.span)


def _expression(node: Map, context: Context) -> tuple[Condition, ...]:
    for entry in node:
        if entry.key not in _EXPRESSION_KEYS:
            context.unknown(entry, "key of an expression", _EXPRESSION_KEYS, {})
    key, operator, values = (node.get(word) for word in _EXPRESSION_KEYS)
    if key is None or operator is None:
        context.add(
            ("an expression needs a key, an operator and, for In and NotIn, values"), node.span
        )
        return ()
    name = context.text(key.value, "key")
    word = context.word(operator.value, "operator", EXPRESSION_OPERATORS)
    if name is None or word is None or not _is_key(Entry(name, key.value, key.value.span), context):
        return ()
    if word in {"Exists", "DoesNotExist"}:
        if values is not None and not (isinstance(values.value, List) and not values.value.items):
            context.add(f"{word} takes no values", values.span)
        value = Text(TextKind.PREFIX, f"{name}=".encode(), node.span)
        return (Condition(LABELS, (value,), word == "DoesNotExist", span=node.span),)
    items = context.list(values.value, "values") if values is not None else None
    if items is None or not items.items:
        context.add(f"{word} needs values, a list that is not empty", node.span)
        return ()
    texts = [(item, _value(item, "values", context)) for item in items]
    for item, text in texts:
        if text is not None and not _VALUE.fullmatch(text):
            context.add(f"{shorten(text)!r} is not a value of a label", item.span)
    found = tuple(
        Text(TextKind.EXACT, f"{name}={text}".encode(), item.span)
        for item, text in texts
        if text is not None
    )
    return (Condition(LABELS, found, word == "NotIn", span=node.span),)


# ---- Written again ----------------------------------------------------------------------------


def spell_labels(conditions: Iterable[Condition]) -> dict[str, object]:
    """Return what stands behind ``labels``."""
    plain: dict[str, object] = {}
    expressions: list[dict[str, object]] = []
    for condition in conditions:
        texts = [value for value in condition.values if isinstance(value, Text)]
        key, _, first = texts[0].value.decode().partition("=")
        kinds = {text.kind for text in texts}
        if kinds == {TextKind.PREFIX} and not first:
            word = "DoesNotExist" if condition.negate else "Exists"
            expressions.append({"key": key, "operator": word})
        elif len(texts) == 1 and not condition.negate and key not in plain:
            plain[key] = first if kinds == {TextKind.GLOB} else quote(first)
        elif kinds == {TextKind.EXACT}:
            word = "NotIn" if condition.negate else "In"
            values = [text.value.decode().partition("=")[2] for text in texts]
            expressions.append({"key": key, "operator": word, "values": values})
        else:
            msg = f"the language has no words for {condition}"
            raise EnforcerBug(msg)
    if not expressions:
        return plain
    labels = {"matchLabels": plain} if plain else {}
    return {**labels, "matchExpressions": expressions}
