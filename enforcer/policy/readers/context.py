# SPDX-License-Identifier: MIT
"""
What every reader of a policy needs: where errors go, how names are looked up, and the common checks
on the form of a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from enforcer.policy.kernel_types.operand_path import Types, local_types
from enforcer.policy.language.symbols import Resolver, SystemResolver
from enforcer.policy.model.policy import Note
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, describe
from enforcer.policy.text.problems import Problems, closest, suggest
from enforcer.span import Span

__all__ = ["Context"]

_ALIKE = 0.7
"""How alike a key must be to one that is missing: ``namespace`` is no misspelt ``name``."""

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1", "enabled"), "true"),
    **dict.fromkeys(("false", "no", "off", "0", "disabled"), "false"),
}
"""What other programs take for true and false."""


@attrs.frozen
class Context:
    """
    The surroundings of one load.

    *allow_lists*: where lists are that a foreign dialect keeps over all of its policies, by what they
    are about. *earlier*: what a dialect keeps of the documents that were read. *notes*: of the one that
    is being read, taken by :meth:`take_notes`.
    """

    problems: Problems = attrs.field(factory=Problems)
    resolver: Resolver = attrs.field(factory=SystemResolver)
    allow_lists: dict[str, Span] = attrs.field(factory=dict)
    known_types: Types | None = None
    earlier: list[object] = attrs.field(factory=list)
    notes: list[Note] = attrs.field(factory=list)

    @property
    def types(self) -> Types:
        """What is known of the kernel's functions; this machine's, unless others are given."""
        return self.known_types if self.known_types is not None else local_types()

    def add(self, message: str, span: Span) -> None:
        """Record an error."""
        self.problems.add(message, span)

    def note(self, text: str, span: Span, *, matters: bool = False) -> None:
        """Record what differs from what the author of a foreign policy meant."""
        self.notes.append(Note(text, span, matters))

    def take_notes(self) -> tuple[Note, ...]:
        """Return what was noted since the last time, each once."""
        taken = tuple(dict.fromkeys(self.notes))
        self.notes.clear()
        return taken

    def missing(self, node: Map, key: str, message: str) -> None:
        """Record that *node* has no *key*: as a consequence if it has a misspelt one, which is unknown."""
        is_misspelt = any(closest(entry.key, (key,), cutoff=_ALIKE) for entry in node)
        add = self.problems.add_consequence if is_misspelt else self.add
        add(message, node.span)

    def unknown(
        self,
        entry: Entry,
        what: str,
        known: Iterable[str],
        refused: Mapping[str, str],
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        """
        Record that *entry* is not a *what*: by name if it is a word of a later version.

        *elsewhere*: of words that belong to another place, what to do with them.
        """
        if elsewhere and (advice := elsewhere.get(entry.key)):
            self.add(f"{entry.key!r} {advice}", entry.span)
            return
        if advice := refused.get(entry.key):
            self.add(f"{entry.key!r} is not supported by this version: {advice}", entry.span)
            return
        hint = suggest(entry.key, known) or f" (known: {', '.join(known)})"
        article = "an" if what[0] in "aeio" else "a"
        self.add(f"{entry.key!r} is not {article} {what}{hint}", entry.span)

    def map(self, node: Node, what: str) -> Map | None:
        """Return *node* if it is a mapping, else record an error."""
        if isinstance(node, Map):
            return node
        self.add(f"{what} must be a mapping, not {describe(node)}", node.span)
        return None

    def list(self, node: Node, what: str, how: str = "") -> List | None:
        """Return *node* if it is a list, else record an error; *how*: what to write."""
        if isinstance(node, List):
            return node
        hint = f": {how}" if how else ""
        self.add(f"{what} must be a list, not {describe(node)}{hint}", node.span)
        return None

    def text(self, node: Node, what: str) -> str | None:
        """Return the text of *node* (not empty), else record an error."""
        if isinstance(node, Scalar) and node.text and isinstance(node.value, str):
            return node.text
        self.add(f"{what} must be text, not {describe(node)}", node.span)
        return None

    def word(self, node: Node, what: str, known: Iterable[str]) -> str | None:
        """Return the text of *node* if it is one of *known*, else record an error."""
        known = tuple(known)
        if isinstance(node, Scalar) and node.text in known:
            return node.text
        hint = suggest(node.text, known) if isinstance(node, Scalar) else ""
        self.add(f"{what} must be one of {', '.join(known)}, not {describe(node)}{hint}", node.span)
        return None

    def boolean(self, node: Node, what: str) -> bool | None:
        """Return true or false, else record an error."""
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        hint = suggest(node.text, ("true", "false")) if isinstance(node, Scalar) else ""
        if isinstance(node, Scalar) and (meant := _BOOLEANS.get(node.text.lower())):
            hint = ": write it without quotes" if node.text == meant else f": write {meant}"
        self.add(f"{what} must be true or false, not {describe(node)}{hint}", node.span)
        return None
