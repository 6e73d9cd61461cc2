# SPDX-License-Identifier: MIT
"""
Selectors of pods and containers, as policies of Kubernetes write them, to conditions on the subject.
"""

from __future__ import annotations

import attrs

from enforcer.policy.language.vocabulary import FieldSpec
from enforcer.policy.model.policy import Condition, Policy, Text, TextKind
from enforcer.policy.model.workloads import CONTAINER, POD, known_in_namespace
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.labels import read_label_selector
from enforcer.policy.readers.metadata import Metadata
from enforcer.policy.readers.tenants import confine, read_namespace
from enforcer.policy.readers.values import text_form
from enforcer.policy.text.nodes import Entry, Map, Scalar, describe
from enforcer.span import Span

__all__ = [
    "any_pod",
    "in_namespace",
    "listed_names",
    "of_namespace",
    "read_containers",
    "read_pods",
    "texts",
]

NAMESPACE_LABEL = "k8s:io.kubernetes.pod.namespace"
"""By this one a label selector means the namespace of the pod."""

_DEFAULT = "default"


def texts(
    field: FieldSpec, values: tuple[str, ...], span: Span, *, negate: bool = False
) -> Condition:
    """Compare *field* with exactly these *values*."""
    found = tuple(Text(TextKind.EXACT, value.encode(), span) for value in values)
    return Condition(field, found, negate, span=span)


def any_pod(span: Span) -> Condition:
    """Return a condition that holds only in pods."""
    return Condition(POD["name"], (Text(TextKind.GLOB, b"*", span),), span=span)


def _namespace_of(metadata: Metadata) -> Entry | None:
    return metadata.node.get("namespace") if metadata.node else None


def in_namespace(metadata: Metadata, span: Span, context: Context) -> Condition:
    """
    Return what holds in pods of the namespace of the document, which begins at *span*.

    As for Kubernetes the namespace is ``default`` if none is named. Then nobody says who wrote the policy,
    and it is also about pods of which it is not known. See :func:`of_namespace`.
    """
    entry = _namespace_of(metadata)
    if entry is None:
        return texts(POD["namespace"], (_DEFAULT,), span)
    return known_in_namespace(read_namespace(entry, context) or _DEFAULT, entry.value.span)


def of_namespace(policy: Policy, metadata: Metadata, context: Context) -> Policy:
    """Return *policy*, which :func:`in_namespace` selects, as its namespace's if the document names one."""
    entry = _namespace_of(metadata)
    if entry is None or not isinstance(entry.value, Scalar):
        return policy
    return confine(policy, entry.value.text, entry.value.span, context)


def read_pods(entry: Entry, context: Context) -> tuple[Condition, ...]:
    """Read a selector by labels; an empty one selects all pods."""
    node = context.map(entry.value, entry.key)
    if node is None:
        return ()
    node, found = _namespaces(node, context)
    found += read_label_selector(node, entry.key, context, is_glob=False)
    return found or (any_pod(entry.span),)


def _namespaces(node: Map, context: Context) -> tuple[Map, tuple[Condition, ...]]:
    """Part what is about the namespace from the labels."""
    found: tuple[Condition, ...] = ()
    labels = node.get("matchLabels")
    if labels is None or not isinstance(labels.value, Map):
        return node, found
    given = labels.value.get(NAMESPACE_LABEL)
    if given is None:
        return node, found
    text = context.text(given.value, NAMESPACE_LABEL)
    if text is not None:
        found = (texts(POD["namespace"], (text,), given.value.span),)
    rest = {k: v for k, v in labels.value.entries.items() if k != NAMESPACE_LABEL}
    entries = {k: v for k, v in node.entries.items() if k != "matchLabels"}
    if rest:
        entries["matchLabels"] = attrs.evolve(
            labels, value=attrs.evolve(labels.value, entries=rest)
        )
    return attrs.evolve(node, entries=entries), found


def read_containers(entry: Entry, context: Context) -> tuple[Condition, ...]:
    """Read a selector of containers by their names."""
    node = context.map(entry.value, entry.key)
    if node is None:
        return ()
    found: list[Condition] = []
    for condition in read_label_selector(node, entry.key, context, is_glob=False):
        first = condition.values[0]
        key = first.value.partition(b"=")[0] if isinstance(first, Text) else b""
        if key != b"name" or (isinstance(first, Text) and first.kind is not TextKind.EXACT):
            context.add(
                "only the name of a container is compared, with In, NotIn or matchLabels, not "
                f"{key.decode()}: write container: {{image: …}} as a selector of kind "
                "EnforcerPolicy",
                condition.span or entry.span,
            )
            continue
        names = tuple(
            value.value.partition(b"=")[2].decode()
            for value in condition.values
            if isinstance(value, Text)
        )
        found.append(
            texts(
                CONTAINER["name"],
                names,
                condition.span or entry.span,
                negate=condition.negate,
            )
        )
    return tuple(found)


def listed_names(node: Scalar, context: Context) -> tuple[str, ...]:
    """Read a name, or several as ``[a, b]`` in one text."""
    text = node.text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    names = tuple(word.strip() for word in text.split(",") if word.strip())
    limit = text_form(CONTAINER["name"]).limit
    if not names or any(len(name) > limit for name in names):
        context.add(f"a name, or [NAME, …], not {describe(node)}", node.span)
        return ()
    return names
