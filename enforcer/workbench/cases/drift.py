# SPDX-License-Identifier: MIT
"""What a case says of a file and the image of its container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.policy.language.drift import KINDS
from enforcer.policy.text.nodes import List, Scalar, describe
from enforcer.policy.text.problems import suggest

if TYPE_CHECKING:
    from enforcer.policy.readers.context import Context
    from enforcer.policy.text.nodes import Entry, Node

__all__ = ["drift_kinds"]


def drift_kinds(entry: Entry, context: Context) -> int | None:
    """
    Read ``drift`` of a case: a kind, several, or true for what was written in the container.

    Returns:
        The kinds as bits, 0 for what the image brought; None after an error.
    """
    node = entry.value
    if isinstance(node, Scalar) and isinstance(node.value, bool):
        return KINDS["written"] if node.value else 0
    items: list[Node] = list(node) if isinstance(node, List) else [node]
    found = 0
    for item in items:
        word = item.text if isinstance(item, Scalar) else ""
        if word not in KINDS:
            known = f": write true, false or some of {', '.join(KINDS)}"
            hint = suggest(word, KINDS) or known
            context.add(f"{entry.key} cannot be {describe(item)}{hint}", item.span)
            return None
        found |= KINDS[word]
    return found
