# SPDX-License-Identifier: MIT
"""The words under ``match`` for the process that acts and those that it came from, and what each means."""

from __future__ import annotations

import enum

import attrs

from enforcer import _abi

__all__ = ["SUBJECT_PARTS", "PartSpec", "Whose"]


class Whose(enum.IntEnum):
    """Of which process something is asked (``ENF_WHO_*``). Of ancestors, it is asked of each."""

    PROCESS = _abi.ENF_WHO_PROCESS
    PARENT = _abi.ENF_WHO_PARENT
    ANCESTOR = _abi.ENF_WHO_ANCESTOR


@attrs.frozen
class PartSpec:
    """
    A word for conditions on one process.

    Attributes:
        attribute: of the model's ``Subject``.
        whose: the description must fit one of these; with *negate* it must fit none of them.
        doc: whom the description must fit, in a phrase.
    """

    name: str
    attribute: str
    whose: tuple[Whose, ...]
    doc: str
    negate: bool = False

    @property
    def is_above(self) -> bool:
        """Whether it looks at more than the process itself."""
        return self.whose != (Whose.PROCESS,)

    def follows_from(self, other: PartSpec) -> bool:
        """Whether this part holds wherever *other* does, if both describe the same."""
        mine, others = set(self.whose), set(other.whose)
        is_among = mine <= others if self.negate else others <= mine
        return self.negate is other.negate and is_among


_SELF = (Whose.PROCESS,)
_PARENT = (Whose.PARENT,)
_ABOVE = (Whose.ANCESTOR,)
_LINEAGE = (*_SELF, *_ABOVE)

SUBJECT_PARTS: dict[str, PartSpec] = {
    part.name: part
    for part in (
        PartSpec("process", "process", _SELF, "The process that acts."),
        PartSpec("parent", "parent", _PARENT, "The process that made it."),
        PartSpec("ancestors", "ancestors", _ABOVE, "Any process above it, alive or not."),
        PartSpec("lineage", "lineage", _LINEAGE, "The process itself, or any process above it."),
        PartSpec("notProcess", "not_process", _SELF, "Not the process that acts.", negate=True),
        PartSpec("notParent", "not_parent", _PARENT, "Not the process that made it.", negate=True),
        PartSpec("notAncestors", "not_ancestors", _ABOVE, "No process above it.", negate=True),
        PartSpec(
            "notLineage",
            "not_lineage",
            _LINEAGE,
            "Neither the process itself nor any process above it.",
            negate=True,
        ),
    )
}
"""Every word, in the order in which policies are printed."""
