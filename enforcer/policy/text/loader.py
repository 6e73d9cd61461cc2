# SPDX-License-Identifier: MIT
"""
YAML text to nodes with places, without YAML's silent conversions and expansions.

Refused: duplicate keys (a parser that lets the last one win loses the first silently), anchors, aliases
and merge keys, tags and directives, keys that are not text, characters that a reader cannot see or
that move the text around, and input beyond the bounds below. Reading never raises: a file gives the
documents that could be read and every error found.
"""

from __future__ import annotations

import re
import unicodedata

import attrs
import yaml

from enforcer.errors import PolicyError, TextError
from enforcer.policy.text.bounds import MAX_BYTES, MAX_DEPTH, MAX_NODES
from enforcer.policy.text.characters import describe_character, find_unreadable
from enforcer.policy.text.foreign_files import (
    find_odd_indentation,
    foreign_bytes,
    foreign_text,
)
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, shorten
from enforcer.policy.text.problems import Problems
from enforcer.policy.text.yaml_errors import BREAK, explained
from enforcer.span import Span

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_NODES",
    "Source",
    "kept_input",
    "load",
    "read",
    "standard_input",
]

_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INPUT: list[bytes] = []
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_QUOTES = ("'", '"')
_STANDARD_TAGS = "tag:yaml.org,2002:"
_HEADS = ("apiVersion", "kind")
"""Keys with which a document begins, mostly."""

# What the parsers are known or feared to raise on hostile text beside their own error: escapes out
# of range, directives with endless numbers. Any of it means: not a policy.
_PARSER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@attrs.frozen
class Source:
    """
    What was read from one file: its documents, and what is wrong with its text.

    *broken*: where nodes are of which a part could not be read. What else is said of them is of no use.
    """

    documents: tuple[Node, ...]
    errors: tuple[PolicyError, ...]
    broken: frozenset[Span] = frozenset()


def standard_input() -> bytes:
    """
    Read standard input, up to just above the limit.

    Raises:
        OSError: there is none.
    """
    with open(0, "rb", closefd=False) as file:
        content = file.read(MAX_BYTES + 1)
    if content:
        _INPUT[:] = [content]
    return content


def kept_input() -> bytes | None:
    """Return what standard input had, for messages about it: it cannot be read again."""
    return _INPUT[0] if _INPUT else None


def load(content: str | bytes, file: str) -> tuple[Node, ...]:
    """
    Read all documents of a file.

    Raises:
        PolicyErrors: the text is not acceptable.
    """
    source = read(content, file)
    Problems(list(source.errors)).check()
    return source.documents


def read(content: str | bytes, file: str) -> Source:
    """Read as many documents as possible; never raises."""
    problems = Problems(made=TextError)
    try:
        text = _decode(content, file)
        _refuse_unreadable(text, file)
        _refuse_foreign(text, file)
    except PolicyError as error:
        return Source((), (error,))
    composer = _Composer(file, problems)
    try:
        for event in yaml.parse(text, Loader=_PARSER):
            composer.feed(event)
    except PolicyError as error:
        problems.errors.append(error)
    except yaml.MarkedYAMLError as error:
        problems.errors.append(explained(error, text, file, composer.quoted))
    except (yaml.YAMLError, *_PARSER_ERRORS) as error:
        problems.add(
            f"not valid YAML: nothing behind this can be read ({shorten(str(error))})",
            composer.place,
        )
    return Source(tuple(composer.documents), tuple(problems.errors), frozenset(composer.broken))


def _decode(content: str | bytes, file: str) -> str:
    start = Span(file, 1, 1)
    size = len(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        msg = f"the file is too large, the limit is {MAX_BYTES} bytes: split it into several"
        raise TextError(msg, start)
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    if (foreign := foreign_bytes(content)) is not None:
        raise TextError(foreign, start)
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8").removeprefix("\ufeff")
        msg = f"not UTF-8 here (byte 0x{content[error.start]:02x}): save the file as UTF-8"
        raise TextError(msg, _place(before, len(before), file)) from error


def _refuse_unreadable(text: str, file: str) -> None:
    at = find_unreadable(text)
    if at >= 0:
        msg = (
            f"the character {describe_character(text[at])} is invisible or moves the text around "
            "it: remove it, or write it as an escape in double quotes"
        )
        raise TextError(msg, _place(text, at, file))


def _refuse_foreign(text: str, file: str) -> None:
    """Refuse what would only give errors that lead nowhere."""
    if (foreign := foreign_text(text)) is not None:
        raise TextError(foreign, Span(file, 1, 1))
    at = find_odd_indentation(text)
    if at >= 0:
        raise TextError(_only_looks_like_space(text[at]), _place(text, at, file))


def _only_looks_like_space(character: str) -> str:
    return f"the character {describe_character(character)} only looks like a space: write a space"


def _place(text: str, index: int, file: str) -> Span:
    line, start = 1, 0
    for found in BREAK.finditer(text, 0, index):
        line, start = line + 1, found.end()
    return Span(file, line, index - start + 1)


@attrs.define(eq=False, repr=False)
class _Frame:
    """A list or map that is not complete yet."""

    span: Span
    items: list[Node] | None = None
    entries: dict[str, Entry] | None = None
    key: Scalar | None = None
    awaits_value: bool = False
    begins_again: bool = False


@attrs.define(eq=False, repr=False)
class _Composer:
    """
    Builds nodes from parser events on a stack of its own: depth costs no recursion.

    *place*: where the last event is; *quoted*: the last value in quotes; *broken*: nodes that are not whole.
    """

    file: str
    problems: Problems
    documents: list[Node] = attrs.field(factory=list)
    place: Span = attrs.field(init=False)
    quoted: yaml.ScalarEvent | None = None
    broken: set[Span] = attrs.field(factory=set)
    _stack: list[_Frame] = attrs.field(factory=list)
    _count: int = 0

    def __attrs_post_init__(self) -> None:
        self.place = Span(self.file, 1, 1)

    def feed(self, event: yaml.Event) -> None:
        """Take the next event; raises PolicyError where reading on makes no sense."""
        if (mark := event.start_mark) is not None:
            self.place = Span(self.file, mark.line + 1, mark.column + 1)
        span = self.place
        if isinstance(event, yaml.ScalarEvent):
            self._enter(event, span)
            plain = not event.style
            if plain:
                self._check_end(event.value, span)
            if event.style in _QUOTES:
                self.quoted = event
            self._complete(Scalar(self._readable(event.value, span), plain, span))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._enter(event, span)
            self._push(_Frame(span, items=[]))
        elif isinstance(event, yaml.MappingStartEvent):
            self._enter(event, span)
            self._push(_Frame(span, entries={}))
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._complete(_finished(self._stack.pop()))
        elif isinstance(event, yaml.AliasEvent):
            msg = (
                f"aliases are not supported: write out the value of *{shorten(event.anchor or '')}"
            )
            self.problems.add(msg, span)
            self.broken.add(span)
            self._complete(Scalar("", plain=True, span=span))
        elif isinstance(event, yaml.DocumentStartEvent):
            self._directives(event, span)

    def _enter(self, event: yaml.NodeEvent, span: Span) -> None:
        self._count += 1
        if self._count > MAX_NODES:
            msg = f"the file has more than {MAX_NODES} values: split it into several"
            raise TextError(msg, span)
        if event.anchor:
            self.problems.add(f"anchors are not supported: remove &{shorten(event.anchor)}", span)
        if tag := getattr(event, "tag", None):
            short = tag.replace(_STANDARD_TAGS, "!!")
            self.problems.add(f"tags are not supported: remove {shorten(short)}", span)

    def _directives(self, event: yaml.DocumentStartEvent, span: Span) -> None:
        if event.tags:
            self.problems.add("%TAG directives are not supported: remove it", span)
        if event.version and tuple(event.version) != (1, 2):
            self.problems.add("policies are YAML 1.2: remove the %YAML directive", span)

    def _check_end(self, text: str, span: Span) -> None:
        """Refuse a space at the end of a text without quotes that is no blank: YAML takes it for a letter."""
        if text[-1:].isspace():
            end = Span(span.file, span.line, span.column + len(text) - 1)
            msg = f"{_only_looks_like_space(text[-1])}, or put the value in quotes"
            self.problems.add(msg, end)

    def _push(self, frame: _Frame) -> None:
        self._stack.append(frame)
        if len(self._stack) > MAX_DEPTH:
            msg = f"nested deeper than {MAX_DEPTH} levels"
            raise TextError(msg, frame.span)

    def _readable(self, text: str, span: Span) -> str:
        if _NO_TEXT.search(text):
            self.problems.add("escapes for NUL and for surrogates are not text", span)
            return ""
        return text

    def _complete(self, node: Node) -> None:
        if not self._stack:
            self.documents.append(node)
            return
        frame = self._stack[-1]
        if frame.items is not None:
            frame.items.append(node)
        elif not frame.awaits_value:
            frame.key, frame.awaits_value = self._key(node), True
            if frame.key is None:
                self.broken.add(frame.span)
        else:
            self._entry(frame, node)

    def _key(self, node: Node) -> Scalar | None:
        if isinstance(node, Map):
            self.problems.add(
                "a key must be a word: put a value with braces in quotes, and render templates first",
                node.span,
            )
            return None
        if not isinstance(node, Scalar) or node.is_null:
            self.problems.add("a key must be a word", node.span)
            return None
        if node.plain and node.text == "<<":
            self.problems.add("merge keys (<<) are not supported: write out the keys", node.span)
            return None
        return node

    def _entry(self, frame: _Frame, node: Node) -> None:
        key, frame.key, frame.awaits_value = frame.key, None, False
        if key is None or frame.entries is None:
            return
        word = unicodedata.normalize("NFC", key.text)
        if first := frame.entries.get(word):
            self._given_twice(frame, word, first, key)
            return
        frame.entries[word] = Entry(word, node, key.span)

    def _given_twice(self, frame: _Frame, word: str, first: Entry, key: Scalar) -> None:
        if frame.begins_again:
            return
        msg = f"{shorten(word)!r} is given twice, first in line {first.span.line}"
        if len(self._stack) == 1 and word in _HEADS:
            # Once is enough: all keys of a second document are given twice.
            frame.begins_again = True
            msg += ": put --- in front if another document begins here"
        self.problems.add(msg, key.span)


def _finished(frame: _Frame) -> Node:
    if frame.items is not None:
        return List(tuple(frame.items), frame.span)
    return Map(frame.entries or {}, frame.span)
