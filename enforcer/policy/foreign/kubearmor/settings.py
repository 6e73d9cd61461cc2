# SPDX-License-Identifier: MIT
"""
Action, severity, tags and message: of the policy, refined by a section, refined by an item.
"""

from __future__ import annotations

import re
from typing import Self

import attrs

from enforcer.policy import message
from enforcer.policy.context import Context
from enforcer.policy.foreign.kubearmor.words import ACTIONS, LEVELS
from enforcer.policy.model import Verb
from enforcer.policy.nodes import Entry, List, Map, Scalar, describe, shorten
from enforcer.policy.problems import suggest
from enforcer.policy.rules import MAX_TAGS

__all__ = ["Settings"]

_MAX_TAG = 63
_NO_TAG = re.compile(r"[^A-Za-z0-9._:/-]+")
_BRACE = re.compile(r"[{}]")


@attrs.frozen
class Settings:
    """What holds for an item."""

    verb: Verb = Verb.DENY
    severity: str = "medium"
    tags: tuple[str, ...] = ()
    message: str | None = None

    def refine(self, node: Map, context: Context) -> Self:
        """Return what holds below *node*."""
        action, severity = node.get("action"), node.get("severity")
        tags, text = node.get("tags"), node.get("message")
        return attrs.evolve(
            self,
            verb=(_verb(action, context) if action else None) or self.verb,
            severity=(_severity(severity, context) if severity else None) or self.severity,
            tags=(_tags(tags, context) if tags else ()) or self.tags,
            message=(_message(text, context) if text else None) or self.message,
        )


def _verb(entry: Entry, context: Context) -> Verb | None:
    node = entry.value
    word = node.text if isinstance(node, Scalar) else ""
    found = ACTIONS.get(word.lower())
    if found is None:
        known = [name.capitalize() for name in ACTIONS]
        hint = suggest(word, known)
        context.add(
            f"action is one of {', '.join(known)}, not {describe(node)}{hint}", entry.value.span
        )
    return found


def _severity(entry: Entry, context: Context) -> str | None:
    node = entry.value
    number = node.value if isinstance(node, Scalar) else None
    if isinstance(number, int) and not isinstance(number, bool) and number in LEVELS:
        return LEVELS[number]
    context.add(f"severity is a number from 1 to 10, not {describe(node)}", node.span)
    return None


def _tags(entry: Entry, context: Context) -> tuple[str, ...]:
    """Read tags; what the language has no room for in one becomes a dash: ``CM-7(5)`` is CM-7-5."""
    items = context.list(entry.value, "tags") or List((), entry.value.span)
    if len(items.items) > MAX_TAGS:
        context.add(f"{len(items.items)} tags, the limit is {MAX_TAGS}", items.span)
    found: dict[str, None] = {}
    for item in items:
        text = item.text if isinstance(item, Scalar) and not item.is_null else ""
        tag = _NO_TAG.sub("-", text).lstrip("._:/-").rstrip("-")
        if not tag or len(tag) > _MAX_TAG:
            context.add(
                f"a tag is a text with up to {_MAX_TAG} letters and digits, not {describe(item)}",
                item.span,
            )
        found[tag] = None
    return tuple(found)


def _message(entry: Entry, context: Context) -> str | None:
    """Read a message, which is no template there: braces are themselves, and lines are joined."""
    text = context.text(entry.value, "message")
    if text is None:
        return None
    written = _BRACE.sub(lambda brace: brace[0] * 2, " ".join(text.split()))
    if len(written) > message.MAX_LENGTH:
        context.add(
            f"the message has {len(written)} characters, the limit is {message.MAX_LENGTH}",
            entry.value.span,
        )
        return None
    if not written.isprintable():
        context.add(f"the message {shorten(written)!r} must be printable text", entry.value.span)
        return None
    return written or None
