# SPDX-License-Identifier: MIT
"""Text that processes chose."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.safe_text import neutral, readable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/usr/bin/ls", "/usr/bin/ls"),
        ("größe ✓", "größe ✓"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[2Jx", "\\x1b[2Jx"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udcffb", "a\\xffb"),
        ("a\u2028b", "a\\u2028b"),
        ("\U000e0041", "\\U000e0041"),
        ("a\u3164b", "a\\u3164b"),
        ("☁\ufe0f 雲", "☁\\ufe0f 雲"),
        ("a\u00a0b\u3000c d", "a\\xa0b\\u3000c d"),
        ("/tmp/\u2800\n", "/tmp/\\u2800\\n"),
        ("\U000e0100", "\\U000e0100"),
    ],
)
def test_control_characters_are_shown(text, shown):
    """What a terminal obeys is written out; what a person reads stays."""
    assert shown == neutral(text)


@given(st.text())
def test_nothing_unsafe_is_left(text):
    """No control, format, surrogate, private or separator character survives."""
    assert not {unicodedata.category(c) for c in neutral(text)} & {
        "Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp",
    }  # fmt: skip


# Default_Ignorable_Code_Point of DerivedCoreProperties.txt, from Unicode 4 on.
IGNORABLE = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFEFF, 0xFFA0),
    *(*range(0x180B, 0x1810), *range(0x200B, 0x2010), *range(0x202A, 0x202F)),
    *(*range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9)),
    *(*range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), *range(0xE0000, 0xE1000)),
)


@pytest.mark.parametrize("around", ["", "a", "ä", "\n"])
def test_what_nobody_sees_is_shown(around):
    """Two names that look alike are told apart, also by letters and marks that are never drawn."""
    blanks = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) == "Zs"]
    unseen = {*map(chr, IGNORABLE), *blanks, "\u2800"} - {" "}

    shown = {neutral(around + each) for each in unseen}

    assert len(unseen) == len(shown)
    assert not {each for each in unseen if each in neutral(around + each)}


def test_everything_else_stays():
    """Whatever else Python knows as a letter, a mark, a digit or a sign."""
    unseen = {*map(chr, IGNORABLE), "\u2800"}
    for number in range(sys.maxunicode + 1):
        each = chr(number)
        is_safe = each == " " or (unicodedata.category(each)[0] not in "CZ" and each not in unseen)
        assert is_safe == (neutral(each) == each)


def test_bytes_that_are_no_text_are_shown():
    """Bytes that are not UTF-8 are written in hexadecimal."""
    assert readable(b"/tmp/\xff\xc3\xa4") == "/tmp/\\xffä"
