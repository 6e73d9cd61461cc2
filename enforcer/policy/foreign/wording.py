# SPDX-License-Identifier: MIT
"""
Words for people in policies written for others: tags and messages, as the language has room for them.
"""

from __future__ import annotations

import re

from enforcer.policy.language import templates
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.rules import MAX_TAGS
from enforcer.policy.text.nodes import Entry, List, Scalar, describe, shorten

__all__ = ["plain_message", "read_tags", "tag_of"]

_MAX_TAG = 63
_NO_TAG = re.compile(r"[^A-Za-z0-9._:/-]+")
_BRACE = re.compile(r"[{}]")


def tag_of(text: str) -> str | None:
    """Return *text* as a tag: what has no room in one becomes a dash; None if nothing is left."""
    tag = _NO_TAG.sub("-", text).lstrip("._:/-").rstrip("-")
    return tag if tag and len(tag) <= _MAX_TAG else None


def read_tags(entry: Entry, context: Context) -> tuple[str, ...]:
    """Read tags; what the language has no room for in one becomes a dash: ``CM-7(5)`` is CM-7-5."""
    items = context.list(entry.value, "tags") or List((), entry.value.span)
    if len(items.items) > MAX_TAGS:
        context.add(f"{len(items.items)} tags, the limit is {MAX_TAGS}", items.span)
    found: dict[str, None] = {}
    for item in items:
        text = item.text if isinstance(item, Scalar) and not item.is_null else ""
        tag = tag_of(text)
        if tag is None:
            context.add(
                (
                    f"a tag must be a text with up to {_MAX_TAG} letters and digits, not "
                    f"{describe(item)}"
                ),
                item.span,
            )
        else:
            found[tag] = None
    return tuple(found)


def plain_message(entry: Entry, context: Context) -> str | None:
    """Read a message that is not a template: braces are themselves, and lines are joined."""
    text = context.text(entry.value, "message")
    if text is None:
        return None
    written = _BRACE.sub(lambda brace: brace[0] * 2, " ".join(text.split()))
    if len(written) > templates.MAX_LENGTH:
        context.add(
            f"the message has {len(written)} characters, the limit is {templates.MAX_LENGTH}",
            entry.value.span,
        )
        return None
    if not written.isprintable():
        context.add(f"the message {shorten(written)!r} must be printable text", entry.value.span)
        return None
    return written or None
