# SPDX-License-Identifier: MIT
"""
Reading one item of a list: what all items have in common, and the forms of their values.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from enforcer.policy.foreign.kubearmor.drafts import Item
from enforcer.policy.foreign.kubearmor.globs import read_pattern
from enforcer.policy.foreign.kubearmor.keys import REFUSED, SETTINGS_KEYS
from enforcer.policy.foreign.kubearmor.settings import Settings
from enforcer.policy.language.vocabulary import FIELDS, PROCESS_FIELDS, FieldSpec
from enforcer.policy.model.policy import Condition, Text, TextKind
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import refuse_unknown
from enforcer.policy.readers.texts import glob_text, literal_text, quote
from enforcer.policy.readers.values import text_form
from enforcer.policy.text.nodes import Entry, Map, shorten
from enforcer.span import Span

__all__ = ["BINARY", "PATH", "Reading", "items"]

PATH, BINARY = FIELDS["path"], PROCESS_FIELDS["binary"]

_HARMLESS = {"ownerOnly": False, "pts": True}
"""Keys that are refused when they restrict something, with the value that restricts nothing."""


def items(entry: Entry, context: Context) -> Iterator[Map]:
    """Yield the mappings of the list under *entry*."""
    nodes = context.list(entry.value, entry.key)
    if nodes is not None and not nodes.items:
        context.add(f"{entry.key} is an empty list: leave it out", nodes.span)
    for item in nodes or ():
        node = context.map(item, f"an item of {entry.key}")
        if node is not None:
            yield node


@attrs.frozen
class Reading:
    """One item being read: item *name* of *section*, which has *settings*."""

    name: str
    section: str
    settings: Settings
    context: Context

    @property
    def place(self) -> str:
        """Return section and list, for messages."""
        return self.name.rpartition(".")[0]

    def item(self, node: Map, keys: tuple[str, ...], *, sources: tuple[str, ...] = ()) -> Item:
        """Read what all lists have in common; *keys* are those of this one, *sources* of fromSource."""
        inherited = () if self.section == "syscalls" else SETTINGS_KEYS
        known = (*keys, *inherited, *(("fromSource",) if sources else ()))
        what = f"key of {self.place}"
        refuse_unknown(node, what, known, REFUSED, self.context)
        for key, harmless in _HARMLESS.items():
            given = node.get(key) if key in keys else None
            value = self.context.boolean(given.value, key) if given else None
            if given and value not in (None, harmless):
                self.context.unknown(given, what, (), REFUSED)
        entry = node.get("fromSource") if sources else None
        return Item(
            self.name,
            self.section,
            node.span,
            self.settings.refine(node, self.context) if inherited else self.settings,
            self._source(entry, sources) if entry else (),
        )

    def required(self, node: Map, key: str) -> Entry | None:
        """Return the entry of *key*, or record that it is missing."""
        entry = node.get(key)
        if entry is None:
            self.context.add(f"an item of {self.place} needs {key}", node.span)
        return entry

    def flag(self, node: Map, key: str) -> bool:
        """Read a boolean that may be left out."""
        entry = node.get(key)
        return bool(entry and self.context.boolean(entry.value, key))

    def words(self, entry: Entry) -> list[str]:
        """Read one word, or several with commas."""
        text = self.context.text(entry.value, entry.key)
        found = [] if text is None else [word.strip() for word in text.split(",")]
        if len({word.lower() for word in found}) < len(found):
            self.context.add(f"{entry.key} has a word twice", entry.value.span)
            return []
        return found

    def exact(self, entry: Entry, field: FieldSpec = PATH) -> tuple[Text, ...]:
        """Read one path of a file."""
        text = self.context.text(entry.value, entry.key)
        found: tuple[Text, ...] = ()
        if text is not None:
            with self.context.problems.catching():
                found = (literal_text(text, TextKind.EXACT, text_form(field), entry.value.span),)
        return found

    def directory(
        self, entry: Entry, field: FieldSpec = PATH, *, recursive: bool
    ) -> tuple[Text, ...]:
        """Read a directory as what lies in it, with *recursive* at any depth."""
        text = self.context.text(entry.value, entry.key)
        if text is None:
            return ()
        span = entry.value.span
        if not text.endswith("/"):
            self.context.add(f"{shorten(text)!r} must end in /: write {shorten(text)}/", span)
            return ()
        return self._glob(quote(text) + ("**" if recursive else "*"), field, span)

    def pattern(self, entry: Entry) -> tuple[Text, ...]:
        """Read a pattern."""
        text = self.context.text(entry.value, entry.key)
        found: tuple[Text, ...] = ()
        if text is not None:
            with self.context.problems.catching():
                found = read_pattern(text, text_form(PATH), entry.value.span)
        return found

    def program(self, entry: Entry) -> tuple[Text, ...]:
        """Read the last component of a path, in whatever directory."""
        text = self.context.text(entry.value, entry.key)
        if text is None:
            return ()
        if "/" in text:
            message = f"{entry.key} is a name without directories: for a whole one use path"
            self.context.add(message, entry.value.span)
            return ()
        return self._glob(f"/**/{quote(text)}", PATH, entry.value.span)

    def _glob(self, glob: str, field: FieldSpec, span: Span) -> tuple[Text, ...]:
        found: list[Text] = []
        with self.context.problems.catching():
            found.append(glob_text(glob, text_form(field), span))
        return tuple(found)

    def _source(self, entry: Entry, known: tuple[str, ...]) -> tuple[Condition, ...]:
        """Read ``fromSource``: any of the programs."""
        found: tuple[Text, ...] = ()
        for node in items(entry, self.context):
            refuse_unknown(node, "key of fromSource", known, REFUSED, self.context)
            path, directory = node.get("path"), node.get("dir") if "dir" in known else None
            if path and directory:
                self.context.add("path and dir are two sources: write two items", directory.span)
            elif path:
                found += self.exact(path, BINARY)
            elif directory:
                recursive = self.flag(node, "recursive")
                found += self.directory(directory, BINARY, recursive=recursive)
            else:
                self.context.add(f"a source needs {' or '.join(known[:2])}", node.span)
        return (Condition(BINARY, found, span=entry.value.span),) if found else ()
