# SPDX-License-Identifier: MIT
"""
Action, severity, tags and message: of the policy, refined by a section, refined by an item.
"""

from __future__ import annotations

from typing import Self

import attrs

from enforcer.policy.foreign.kubearmor.keys import ACTIONS, LEVELS
from enforcer.policy.foreign.wording import plain_message, read_tags
from enforcer.policy.model.policy import Verb
from enforcer.policy.readers.context import Context
from enforcer.policy.text.nodes import Entry, Map, Scalar, describe
from enforcer.policy.text.problems import suggest

__all__ = ["Settings"]


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
            tags=(read_tags(tags, context) if tags else ()) or self.tags,
            message=(plain_message(text, context) if text else None) or self.message,
        )


def _verb(entry: Entry, context: Context) -> Verb | None:
    node = entry.value
    word = node.text if isinstance(node, Scalar) else ""
    found = ACTIONS.get(word.lower())
    if found is None:
        known = [name.capitalize() for name in ACTIONS]
        hint = suggest(word, known)
        context.add(
            (f"action must be one of {', '.join(known)}, not {describe(node)}{hint}"),
            entry.value.span,
        )
    return found


def _severity(entry: Entry, context: Context) -> str | None:
    node = entry.value
    number = node.value if isinstance(node, Scalar) else None
    if isinstance(number, int) and not isinstance(number, bool) and number in LEVELS:
        return LEVELS[number]
    context.add(f"severity must be a number from 1 to 10, not {describe(node)}", node.span)
    return None
