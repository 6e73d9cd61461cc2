# SPDX-License-Identifier: MIT
"""YAML to nodes: what is read, what is refused, and where it says that it was."""

from __future__ import annotations

import unicodedata

import pytest
import yaml

from enforcer.errors import PolicyErrors
from enforcer.policy.text import characters, loader
from enforcer.policy.text.loader import MAX_BYTES, MAX_DEPTH, MAX_NODES, load, read
from enforcer.policy.text.nodes import List, Map, Scalar

PARSERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.__name__, autouse=True)
def parser(request, monkeypatch):
    monkeypatch.setattr(loader, "_PARSER", request.param)
    return request.param


def _value(text):
    (document,) = load(f"key: {text}\n", "f.yaml")
    return document.entries["key"].value.value


def _errors(content):
    return [str(e) for e in read(content, "f.yaml").errors]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("18446744073709551615", 2**64 - 1),
    ],
)
def test_yaml_1_2_scalars_are_read(text, value):
    """Only the scalars of YAML 1.2's core are more than text."""
    assert value == _value(text)
    assert type(value) is type(_value(text))


@pytest.mark.parametrize(
    "text",
    [
        "off",
        "on",
        "yes",
        "no",
        "True",
        "FALSE",
        "y",
        "010",
        "1:20",
        "1_000",
        "1.5",
        ".inf",
        "0b101",
        "0o8",
        "2024-01-01",
        "Null",
        "=",
        "9" * 30,
    ],
)
def test_everything_else_stays_text(text):
    """What YAML 1.1 would convert silently is the text that was written."""
    assert text == _value(text)


@pytest.mark.parametrize("text", ["'true'", '"12"', "'~'", '""', "|-\n  12"])
def test_quoted_scalars_are_text(text):
    """Quotes and block styles keep a scalar from being anything but text."""
    assert isinstance(_value(text), str)


def test_every_key_and_value_has_its_place():
    """Line and column count from 1, in characters."""
    (document,) = load("a: 1\nமுக: {b: [x,  'y']}\n", "f.yaml")
    assert isinstance(document, Map)
    entry = document.entries["முக"]
    assert isinstance(entry.value, Map)
    items = entry.value.entries["b"].value

    assert "f.yaml:2:1" == str(entry.span)
    assert "f.yaml:2:6" == str(entry.value.span)
    assert isinstance(items, List)
    assert ["f.yaml:2:11", "f.yaml:2:15"] == [str(i.span) for i in items]


def test_a_file_may_hold_several_documents():
    """Documents come in the order of the file."""
    documents = load("--- a\n--- b\n", "f.yaml")
    assert ["a", "b"] == [d.text for d in documents if isinstance(d, Scalar)]


def test_keys_are_composed():
    """A key in decomposed characters is the same key."""
    (document,) = load("cafe\u0301: 1\n", "f.yaml")
    assert isinstance(document, Map)
    assert ["caf\u00e9"] == list(document.entries)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' is given twice, first in line 1"),
        ("x: {a: 1, a: 2}\n", "f.yaml:1:11: 'a' is given twice, first in line 1"),
        ("'a': 1\na: 2\n", "f.yaml:2:1: 'a' is given twice"),
        ("a: &x 1\n", "f.yaml:1:4: anchors are not supported: remove &x"),
        ("a: 1\nb: *x\n", "f.yaml:2:4: aliases are not supported"),
        ("<<: {a: 1}\n", "f.yaml:1:1: merge keys (<<) are not supported"),
        ("a: !!int 3\n", "f.yaml:1:4: tags are not supported"),
        ("a: !x 3\n", "f.yaml:1:4: tags are not supported: remove !x"),
        ("a: !!python/object/apply:os.system [id]\n", "f.yaml:1:4: tags are not supported"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", "%TAG directives are not supported"),
        ("%YAML 1.1\n---\na: 1\n", "policies are YAML 1.2"),
        ("? [a]\n: 1\n", "f.yaml:1:3: a key must be a word"),
        ("? {a: 1}\n: 1\n", "f.yaml:1:3: a key must be a word"),
        ("~: 1\n", "f.yaml:1:1: a key must be a word"),
        ('a: "\\0"\n', "f.yaml:1:4: escapes for NUL"),
        ("a: [1, 2\n", "not valid YAML"),
        ("a: b: c\n", "f.yaml:1:5: not valid YAML"),
        ("a: 'x\n", "not valid YAML"),
        ("a:\n\t- x\n", "f.yaml:2:1: not valid YAML"),
        ('a: "\\UFFFFFFFF"\n', "not valid YAML"),
        ("a: \x00\n", "f.yaml:1:4: the character U+0000"),
        ("a: b\n# \u202e evil\n", "f.yaml:2:3: the character U+202E"),
        ("a: b\u2028c: d\n", "f.yaml:1:5: the character U+2028"),
        ("a: \x1b[31m\n", "f.yaml:1:4: the character U+001B"),
    ],
)
def test_traps_are_refused_in_their_place(text, expected):
    """What YAML would merge, expand, convert or hide is an error with a place."""
    assert any(expected in error for error in _errors(text)), _errors(text)


HIDDEN = [
    *("\u200b", "\u200c", "\u200d", "\u200e", "\u2060", "\u00ad", "\u034f", "\u3164", "\u180e"),
    *("\ufe0f", "\uffa0", "\u115f", "\u17b4", "\u061c", "\ufff9", "\U000e0041", "\U000e0100"),
    *("\U0001d173", "\u2066", "\ufeff"),
]


@pytest.mark.parametrize("character", HIDDEN, ids=lambda c: f"U+{ord(c):04X}")
@pytest.mark.parametrize("text", ["a: /etc/pass{}wd\n", "a: '{}'\n", "a{}: b\n", "a: b # {}\n"])
def test_what_cannot_be_seen_is_refused(character, text):
    """In paths, names, keys and comments, by its code point; a path with it would look like another."""
    (error,) = _errors(text.format(character))

    column = text.index("{}") + 1
    assert error.startswith(f"f.yaml:1:{column}: the character U+{ord(character):04X}")


def test_a_comment_may_say_how_a_sign_is_drawn():
    """In lines of comment only, with the places of the rest unchanged."""
    assert "x" == _value("x\n  # \u26a0\ufe0f take care")
    (error,) = _errors("# \u26a0\ufe0f take care\na: \u26a0\ufe0f\n")
    assert error.startswith("f.yaml:2:5: the character U+FE0F")
    (error,) = _errors("# \u26a0\ufe0f \u200b\na: b\n")
    assert error.startswith("f.yaml:1:6: the character U+200B")


def test_every_format_character_is_refused_and_no_letter():
    """By the property, not by a list."""
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    by_category = {c: unicodedata.category(c) for c in every}

    hidden = {c for c in every if characters.find_unreadable(c) == 0}

    assert {c for c, category in by_category.items() if category == "Cf"} <= hidden
    # Letters that show nothing: fillers of Hangul.
    assert {"\u115f", "\u1160", "\u3164", "\uffa0"} == {
        c for c in hidden if by_category[c].startswith(("L", "N", "P"))
    }


def test_what_cannot_be_seen_can_be_escaped():
    """A file may really be called so, and then everybody sees that it is."""
    assert "/srv/a\u200bb" == _value('"/srv/a\\u200bb"')
    assert "\U000e0041" == _value('"\\U000E0041"')


@pytest.mark.parametrize("text", ["naïve/ß", "日本語", "🎉", "நிரல்", "a\u00a0b"])
def test_what_can_be_seen_is_read(text):
    """Letters, marks and pictures of any script."""
    assert text == _value(f"'{text}'")


def test_the_first_hidden_character_is_named():
    """With its place in a file of several lines, and with its name."""
    assert [
        (
            "f.yaml:2:5: the character U+200B (ZERO WIDTH SPACE) is invisible or moves the text around it: "
            "remove it, or write it as an escape in double quotes"
        )
    ] == _errors("a: 1\nb: x\u200b\nc: \u00ad\n")


def test_surrogates_are_refused():
    """A lone surrogate, raw or escaped, is not text."""
    assert _errors("a: \ud800\n")
    assert _errors('a: "\\uD800"\n')


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: 1\nb: \xff\n", "f.yaml:2:4: not UTF-8 here (byte 0xff)"),
        (b"\xef\xbb\xbfa: \xc3\n", "f.yaml:1:4: not UTF-8 here"),
        ("a: 1".encode("utf-16"), "f.yaml:1:1: the file is UTF-16"),
        (b"x" * (MAX_BYTES + 1), f"the limit is {MAX_BYTES}"),
    ],
)
def test_bytes_that_are_no_text_are_refused(content, expected):
    """Encoding errors have a place too."""
    (error,) = _errors(content)
    assert expected in error


def test_a_byte_order_mark_is_passed_over():
    """It does not become part of the first key, nor move its column."""
    (document,) = load(b"\xef\xbb\xbfa: 1\n", "f.yaml")
    assert isinstance(document, Map)
    assert "f.yaml:1:1" == str(document.entries["a"].span)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded(opening):
    """A hundred thousand levels are an error, not a crash."""
    (error, *_) = _errors(opening * 100_000)
    assert "nested deeper" in error or "not valid YAML" in error


def test_the_deepest_level_is_read():
    """The bound is where it says."""
    assert not _errors("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert _errors("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))


def test_the_number_of_values_is_bounded(monkeypatch):
    """A file within the size limit cannot make endless nodes."""
    monkeypatch.setattr(loader, "MAX_NODES", 100)
    (error,) = _errors("[" + "1," * 200 + "]")
    assert "more than 100 values" in error
    assert MAX_NODES > 100


def test_all_errors_come_together():
    """One mistake does not hide the next."""
    with pytest.raises(PolicyErrors) as caught:
        load("a: 1\na: 2\nb: *x\nc: !t 1\nd: [\n", "f.yaml")

    lines = [e.span.line for e in caught.value.errors if e.span]
    assert [2, 3, 4] == lines[:3]
    assert "not valid YAML" in str(caught.value.errors[-1])


def test_a_document_before_an_error_is_kept():
    """What could be read is handed on so that more errors are found in it."""
    source = read("a: 1\n---\nb: [\n", "f.yaml")
    assert 1 == len(source.documents)
    assert 1 == len(source.errors)
