# SPDX-License-Identifier: MIT
"""What came before a case: marks that are set, and deeds that set marks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from enforcer.policy.readers.marks import duration
from enforcer.policy.text.nodes import Map, Scalar, describe
from enforcer.workbench.cases.model import Earlier
from enforcer.workbench.cases.object import read_deed

if TYPE_CHECKING:
    from enforcer.policy.readers.context import Context
    from enforcer.policy.text.nodes import Entry, Node

__all__ = ["MAX_EARLIER", "OF_POLICY", "read_earlier", "read_marks"]

MAX_EARLIER: Final = 64

OF_POLICY: Final = "([^/]+/){1,2}[^/]+"
"""How a rule or a mark of a policy is named; the name of a policy with a namespace has a slash itself."""


def read_marks(entry: Entry | None, context: Context) -> dict[str, int]:
    """Read ``marks``, by ``POLICY/NAME`` how long ago each was set; a policy may be ``NAMESPACE/POLICY``."""
    given = context.map(entry.value, "marks") if entry else None
    found: dict[str, int] = {}
    for each in given or ():
        if not re.fullmatch(OF_POLICY, each.key):
            context.add(f"{each.key!r} must name a policy and a mark, policy/mark", each.span)
        elif (ago := _ago(each.value, each.key, context)) is not None:
            found[each.key] = ago
    return found


def read_earlier(entry: Entry | None, context: Context) -> tuple[Earlier, ...]:
    """Read ``after``: deeds of the same process, each with the time since."""
    items = context.list(entry.value, "after") if entry else None
    if items is not None and len(items.items) > MAX_EARLIER:
        context.add(f"after has {len(items.items)} items, the limit is {MAX_EARLIER}", items.span)
    found = [_deed(item, context) for item in items or ()]
    kept = [each for each in found if each is not None]
    return tuple(sorted(kept, key=lambda each: -each.ago_ns))


def _deed(node: Node, context: Context) -> Earlier | None:
    given = context.map(node, "each of after")
    if given is None:
        return None
    ago = given.get("ago")
    if ago is None:
        context.add("each of after needs 'ago': how long ago it was done, such as 3s", given.span)
        return None
    length = _ago(ago.value, "ago", context)
    deed = Map({e.key: e for e in given if e.key != "ago"}, given.span)
    accesses = read_deed(deed, frozenset(), context)
    return Earlier(ago_ns=length, accesses=accesses) if length is not None else None


def _ago(node: Node, what: str, context: Context) -> int | None:
    found = duration(node.text) if isinstance(node, Scalar) else None
    if found is None:
        context.add(
            (f"{what} must be a time such as 500ms, 3s or 2m, not {describe(node)}"), node.span
        )
    return found
