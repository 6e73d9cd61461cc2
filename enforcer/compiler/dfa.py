# SPDX-License-Identifier: MIT
"""An automaton for globs, as its tables in an image have it."""

from __future__ import annotations

from array import array

import attrs

__all__ = ["Dfa", "Entries"]

Entries = tuple[int, ...]
"""Entries of the atom list."""


@attrs.frozen
class Dfa:
    """
    One automaton.

    Attributes:
        classes: class of each byte.
        trans: following state by state * n_classes + class.
        accepts: entries of the atom list that each state yields at the end of the text.
        mays: what each state yields where the text goes on: entries that are yielded whatever follows, and
            with ``ENF_ATOM_MAYBE`` those that something that follows could yield. Empty if not needed.
        work: steps to make it, with those for larger automata that were given up before it.
    """

    classes: bytes
    n_classes: int
    trans: array[int]
    accepts: list[Entries]
    mays: list[Entries] = attrs.field(factory=list)
    work: int = 0

    @property
    def n_states(self) -> int:
        """How many states there are, the dead one included."""
        return len(self.accepts)
