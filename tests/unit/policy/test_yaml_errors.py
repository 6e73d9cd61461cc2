# SPDX-License-Identifier: MIT
"""What is no YAML: said in words that an author of policies knows, where the mistake is."""

from __future__ import annotations

import pytest
import yaml

from enforcer.policy.text import loader
from enforcer.policy.text.loader import read

PARSERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]
WORDS_OF_PARSERS = (
    "while parsing",
    "while scanning",
    "expected",
    "token",
    "scalar",
    "stream",
    "mapping values",
    "block end",
)


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.__name__, autouse=True)
def _parser(request, monkeypatch):
    monkeypatch.setattr(loader, "_PARSER", request.param)


# (text, line and column of the mistake, words)
MISTAKES = [
    # tabs
    ("a:\n\tb: 1\n", "2:1", "a tab stands here: indent with spaces"),
    ("a:\n\t- x\n", "2:1", "a tab stands here"),
    ("a:\n  b: 1\n\tc: 2\n", "3:1", "a tab stands here"),
    ("a:\r\n  b: 1\r\n\tc: 2\r\n", "3:1", "a tab stands here"),
    ("a:\n  -\tb: 1\n    c: 2\n", "2:4", "a tab stands here"),
    ("a: |\n\tb\n", "2:1", "a tab stands here"),
    # quotes
    ('a: "x\nb: 1\nc: 2\n', "1:4", 'the quote " that opens here is not closed'),
    ("a: 'x\nb: 1\n", "1:4", "the quote ' that opens here is not closed"),
    ('a: "x\n---\nb: 1\n', "1:4", "is not closed"),
    ("'a: 1\nb: 2\n", "1:1", "is not closed"),
    ('a: "x\nb: "y"\n', "1:4", 'the quote " that opens here is closed only in line 2'),
    ("b: 1\na: 'x\nb: 'y'\n", "2:4", "the quote ' that opens here is closed only in line 3"),
    ("a: 'it's'\n", "1:8", "write two of them for one within it"),
    ('a: "x" y\n', "1:8", 'write \\" for one within it'),
    ('a: "\\d"\n', "1:5", "in double quotes \\d begins an escape, and this one does not exist"),
    ('a: "C:\\Users"\n', "1:7", "write \\\\ for a backslash, or use single quotes"),
    # colons
    ("a: 1\nb\nc: 2\n", "2:1", "a colon is missing behind 'b', where a key must stand"),
    ("a: 1\nb 2\nc: 2\n", "2:1", "a colon is missing behind 'b'"),
    ("a: 1\nb\n", "2:1", "a colon is missing behind 'b'"),
    ("spec\n  rules: 1\n", "1:1", "a colon is missing behind 'spec'"),
    ("spec # x\n# y\n  rules: 1\n", "1:1", "a colon is missing behind 'spec'"),
    ("spec:\n  rules\n  - a: 1\n", "2:3", "a colon is missing behind 'rules'"),
    ("r:\n  - n a\n    exec: {}\n", "2:3", "a colon is missing behind 'n'"),
    ("r:\n  - n: a\n    exec {}\n    action: deny\n", "3:5", "a colon is missing behind 'exec'"),
    ("a:1\nb: 2\n", "1:1", "a space is missing behind the colon: write a: 1"),
    ("b: 2\na:1\nc: 3\n", "2:1", "a space is missing behind the colon: write a: 1"),
    ("b: 2\na\uff1a 1\nc: 3\n", "2:1", "its '\uff1a' is U+FF1A, FULLWIDTH COLON, and only looks like ':'"),
    ("a: b: c\n", "1:5", "a second colon stands on this line: put a value with a colon in quotes"),
    (": x\n", "1:1", "a key is missing in front of the colon"),
    (f"{'a' * 1100}: 1\n", "1:1101", "a key must be on one line, with 1024 characters at most"),
    # indentation
    ("a:\n  - b: {}\n   c: d\n", "3:4", "this line is indented like none above"),
    ("a:\n    b: 1\n  c: 2\n", "3:3", "this line is indented like none above"),
    ("a: 1\n  b: 2\n", "2:3", "'b' is indented deeper than line 1, which has a value already"),
    ("a: 1\n- b\n", "2:1", "an item of a list stands where a key must"),
    ("- a\nb: 1\n", "2:1", "a key stands where an item of the list must"),
    ("a: - b\n", "1:4", "must begin on a line of its own"),
    # brackets
    ("a: [1, 2\nb: 3\n", "1:4", "the [ that opens here is not closed"),
    ("a: [1, 2\n", "1:4", "the [ that opens here is not closed"),
    ("a: {b: 1\nc: 3\n", "1:4", "the { that opens here is not closed"),
    ("r:\n  - {a: b, m: {p: /a}\n  - {a: c}\n", "2:5", "the { that opens here is not closed"),
    ("a: {b: 1, c: [1, 2}\n", "1:19", "a comma or ] is missing in front of this"),
    ("a: {b: 1 c: 2}\n", "1:11", "a comma or } is missing in front of this"),
    ("a: ['x' 'y']\n", "1:9", "a comma or ] is missing"),
    ("a: [1]]\n", "1:7", "] closes nothing here"),
    ("a: {b: 1}}\n", "1:10", "} closes nothing here"),
    ("a: {b: 1} x\n", "1:11", "something stands behind }"),
    ("a: [1,,2]\n", "1:7", "a value is missing in front of this comma"),
    ("a: [\n---\nb: 1\n", "2:1", "a bracket that opens above is not closed"),
    ("p: [ab]*\n", "1:8", "something stands behind ]"),
    # first characters
    ("path: */sh\n", "1:7", "a value that begins with * needs quotes: write '*/sh'"),
    ("path: **/x\n", "1:7", "a value that begins with * needs quotes: write '**/x'"),
    ("a: @x\n", "1:4", "a value that begins with @ needs quotes: write '@x'"),
    ("a: %x\n", "1:4", "a value that begins with % needs quotes"),
    ("a: !<x\n", "1:4", "a value that begins with ! is a tag of YAML"),
    # blocks and documents
    ("a: | x\n  b\n", "1:6", "only a comment may stand behind | on its line"),
    ("a: 1\n... x\n", "2:5", "a document must begin with --- here"),
    ("--- a: 1\n", "1:6", "a document begins on the line below ---"),
    ("%x: 1\n", "1:3", "a directive of YAML: remove it"),
    ("%YAML 1.2\na: 1\n", "1:1", "a directive of YAML: remove it"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "words"), MISTAKES)
def test_mistakes_are_named_in_their_place(text, place, words):
    """Neither parser's grammar shines through, and the place is that of the mistake."""
    (error,) = (str(e) for e in read(text, "f.yaml").errors)

    assert error.startswith(f"f.yaml:{place}: not valid YAML: ")
    assert words in error
    assert not any(word in error for word in WORDS_OF_PARSERS)
