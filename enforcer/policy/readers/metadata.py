# SPDX-License-Identifier: MIT
"""The metadata of a document, which all kinds of policies share: its name and its description."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import attrs

from enforcer.policy.readers.context import Context
from enforcer.policy.text.nodes import Map, Scalar, describe, shorten

__all__ = ["POLICY_NAME", "Metadata", "read_metadata", "refuse_unknown"]

POLICY_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")


@attrs.frozen
class Metadata:
    """What was read; empty after an error. *node* is all of it."""

    name: str = ""
    description: str = ""
    node: Map | None = None


def refuse_unknown(
    node: Map,
    what: str,
    known: Iterable[str],
    refused: Mapping[str, str],
    context: Context,
    *,
    elsewhere: Mapping[str, str] | None = None,
) -> None:
    """Record every key of *node* that is not *known*, by name if it is one of *refused* or belongs *elsewhere*."""
    known = tuple(known)
    for entry in node:
        if entry.key not in known:
            context.unknown(entry, what, known, refused, elsewhere)


def read_metadata(
    top: Map, known: Iterable[str], refused: Mapping[str, str], context: Context
) -> Metadata:
    """Read ``metadata`` of the document *top*; of its keys those are *known*."""
    entry = top.get("metadata")
    if entry is None:
        context.missing(top, "metadata", "the policy has no metadata with a name")
        return Metadata()
    node = context.map(entry.value, "metadata")
    if node is None:
        return Metadata()
    refuse_unknown(node, "key of metadata", known, refused, context)
    _check_labels(node, context)
    described = node.get("description")
    description = context.text(described.value, "description") if described else ""
    given = node.get("name")
    if given is None:
        context.missing(node, "name", "metadata has no name: give it one")
        return Metadata(node=node)
    name = given.value.text if isinstance(given.value, Scalar) else ""
    if not POLICY_NAME.fullmatch(name):
        context.add(
            "name must be up to 63 lower-case letters, digits, '-' and '.', with letters or "
            f"digits at the ends, not {describe(given.value)}",
            given.value.span,
        )
    return Metadata(name, (description or "").strip(), node)


def _check_labels(metadata: Map, context: Context) -> None:
    """Labels are for people and other tools; they only have to be text."""
    entry = metadata.get("labels")
    labels = context.map(entry.value, "labels") if entry else None
    for label in labels or ():
        if not isinstance(label.value, Scalar) or label.value.is_null:
            said = f"label {shorten(label.key)!r} must be text, not {describe(label.value)}"
            context.add(said, label.value.span)
