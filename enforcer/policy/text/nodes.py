# SPDX-License-Identifier: MIT
"""
The shape of a policy file before anything is known about its meaning: scalars, lists and maps, each
with its place. What a plain scalar is (YAML 1.2: text, integer, true, false, null) is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from enforcer.span import Span

__all__ = ["Entry", "List", "Map", "Node", "Scalar", "describe", "shorten", "value_of"]

_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,19})")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}")
_OCTAL = re.compile(r"0o[0-7]{1,22}")
_NULLS = frozenset({"", "~", "null"})


@attrs.frozen
class Scalar:
    """
    A text as written; *plain* if without quotes.

    Only ``true``, ``false``, ``null``, ``~``, nothing at all, decimal integers without leading zeros,
    ``0x`` and ``0o`` integers are more than text: ``yes``, ``off``, ``010`` and ``1:20`` are text.
    """

    text: str
    plain: bool
    span: Span

    @property
    def value(self) -> str | int | bool | None:
        """What the text stands for."""
        text = self.text
        if not self.plain:
            return text
        if text in _NULLS:
            return None
        if text in {"true", "false"}:
            return text == "true"
        if _DECIMAL.fullmatch(text):
            return int(text)
        if _HEX.fullmatch(text) or _OCTAL.fullmatch(text):
            return int(text, 0)
        return text

    @property
    def is_null(self) -> bool:
        """Nothing is written here."""
        return self.plain and self.text in _NULLS


@attrs.frozen
class Entry:
    """A key of a map with its value."""

    key: str
    value: Node
    span: Span


@attrs.frozen
class List:
    """A sequence."""

    items: tuple[Node, ...]
    span: Span

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)


@attrs.frozen
class Map:
    """A mapping from text to nodes, in the order of the file; keys are unique."""

    entries: dict[str, Entry]
    span: Span

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def get(self, key: str) -> Entry | None:
        """Return the entry of *key*, or None."""
        return self.entries.get(key)


Node = Scalar | List | Map


def value_of(node: Node) -> object:
    """Return what *node* stands for, as JSON has it."""
    if isinstance(node, List):
        return [value_of(item) for item in node]
    if isinstance(node, Map):
        return {entry.key: value_of(entry.value) for entry in node}
    return node.value


def describe(node: Node) -> str:
    """Name what *node* is, for an error message."""
    if isinstance(node, List):
        return "a list"
    if isinstance(node, Map):
        return "a mapping"
    value = node.value
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the boolean {node.text}"
    if isinstance(value, int):
        return f"the number {shorten(node.text)}"
    return f"the text {shorten(node.text)!r}"


def shorten(text: str, limit: int = 60) -> str:
    """Cut *text* for an error message, visibly."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
