# SPDX-License-Identifier: MIT
"""``drift: true`` with its ``volumes``, of an object or of a process, as a condition of the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.policy.language.drift import DRIFT, VOLUMES, VOLUMES_KEY, mask_of
from enforcer.policy.model.policy import CapabilityMask, Condition
from enforcer.policy.text.nodes import Map, Scalar, describe
from enforcer.policy.text.problems import suggest

if TYPE_CHECKING:
    from enforcer.policy.language.vocabulary import FieldSpec
    from enforcer.policy.readers.context import Context
    from enforcer.policy.text.nodes import Entry

__all__ = ["check_volumes", "read_drift"]


def read_drift(
    field: FieldSpec, entry: Entry, within: Map, context: Context
) -> tuple[Condition, ...]:
    """Read ``drift: true`` or ``drift: false``; *within* is the mapping that has it, and ``volumes``."""
    node = entry.value
    if isinstance(node, Map) and list(node.entries) == ["equal"]:
        node = node.entries["equal"].value
    if not (isinstance(node, Scalar) and isinstance(node.value, bool)):
        context.boolean(node, field.name)  # which it is not
        return ()
    mask = mask_of(_volumes(within.entries.get(VOLUMES_KEY), context))
    value = CapabilityMask("any" if node.value else "none", mask)
    return (Condition(field, (value,), span=entry.span),)


def check_volumes(within: Map, context: Context) -> None:
    """Record ``volumes`` that stands without ``drift``."""
    entry = within.entries.get(VOLUMES_KEY)
    if entry is not None and DRIFT not in within.entries:
        context.add(f"{VOLUMES_KEY} says what counts as drift: write it beside drift", entry.span)


def _volumes(entry: Entry | None, context: Context) -> str | None:
    if entry is None:
        return None
    word = entry.value.text if isinstance(entry.value, Scalar) else ""
    if word in VOLUMES:
        return word
    hint = suggest(word, VOLUMES) or f": write {' or '.join(VOLUMES)}"
    context.add(f"{VOLUMES_KEY} cannot be {describe(entry.value)}{hint}", entry.value.span)
    return None
