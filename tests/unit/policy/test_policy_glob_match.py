# SPDX-License-Identifier: MIT
"""What globs and literals accept."""

from __future__ import annotations

import pytest

from enforcer.policy.model.glob_match import accepts, literal_directory
from enforcer.policy.model.policy import Text, TextKind


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        (b"/a/*", [b"/a/b"], [b"/a", b"/a/", b"/a/b/c"]),
        (b"/a*", [b"/a", b"/ab"], [b"/a/b"]),
        (b"/a?", [b"/ab"], [b"/a", b"/a/"]),
        (b"/a/**", [b"/a/b", b"/a/b/c"], [b"/a", b"/ab"]),
        (b"/**", [b"/a", b"/a/b"], [b"/"]),
        (b"/**/x", [b"/x", b"/a/x", b"/a/b/x"], [b"/ax", b"/x/a"]),
        (b"/a/**/x", [b"/a/x", b"/a/b/c/x"], [b"/ax", b"/a/bx"]),
        (b"/a**z", [b"/az", b"/a/b/z"], [b"/a"]),
        (b"/[a-c]", [b"/a", b"/c"], [b"/d", b"/ab"]),
        (rb"/[\b\d]", [b"/b", b"/d"], [b"/\x08", b"/1"]),
        (b"/[!a-c]", [b"/d"], [b"/a", b"//"]),
        (b"/[^a]", [b"/d", b"/^"], [b"/a"]),
        (b"/[]x]", [b"/]", b"/x"], [b"/["]),
        (rb"/[\]\-]", [b"/]", b"/-"], [b"/\\"]),
        (rb"/\*\?", [b"/*?"], [b"/ab", b"/\\*?"]),
        (b"/a.b+", [b"/a.b+"], [b"/axb+", b"/a.bb"]),
        (b"/?.key", [b"/e.key"], ["/é.key".encode()]),
        (b"/[!a]", [b"/e"], ["/é".encode()]),
        (b"/*.key", [b"/e.key", "/é.key".encode()], []),
    ],
)
def test_path_globs(glob, yes, no):
    """Stars stop at slashes unless doubled; a double star as a component is any depth."""
    value = Text(TextKind.GLOB, glob)
    assert yes == [text for text in yes + no if accepts(value, text)]


@pytest.mark.parametrize(
    ("glob", "yes", "no"),
    [
        (b"a*", [b"a", b"ab/c"], [b"b"]),
        (b"*/**", [b"a/b", b"/"], [b"a"]),
        (b"?", [b"/", b"a"], [b"", b"ab"]),
        (b"[/]", [b"/"], [b"a"]),
    ],
)
def test_string_globs(glob, yes, no):
    """In plain text a slash is like any character."""
    value = Text(TextKind.GLOB, glob)
    assert yes == [text for text in yes + no if accepts(value, text, is_path=False)]


@pytest.mark.parametrize(
    ("kind", "value", "yes", "no"),
    [
        (TextKind.EXACT, b"/a*", [b"/a*"], [b"/ab"]),
        (TextKind.PREFIX, b"/a", [b"/a", b"/ab/c"], [b"/b"]),
        (TextKind.SUFFIX, b".so", [b"/x/a.so"], [b"/a.so.1"]),
        (TextKind.CONTAINS, b"mp/", [b"/tmp/x"], [b"/tmp"]),
    ],
)
def test_literals(kind, value, yes, no):
    """They mean what they spell."""
    assert yes == [text for text in yes + no if accepts(Text(kind, value), text)]


@pytest.mark.parametrize(
    ("kind", "value", "directory"),
    [
        (TextKind.EXACT, b"/a/b", b"/a"),
        (TextKind.EXACT, b"/a", b"/"),
        (TextKind.GLOB, b"/a/b*/c", b"/a"),
        (TextKind.GLOB, b"/**", b"/"),
        (TextKind.PREFIX, b"/a/b", b"/a"),
        (TextKind.SUFFIX, b"/a/b", None),
        (TextKind.CONTAINS, b"/a/b", None),
    ],
)
def test_literal_directory(kind, value, directory):
    """As far as the pattern spells it."""
    assert directory == literal_directory(Text(kind, value))
