# SPDX-License-Identifier: MIT
"""Text that processes chose."""

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


def test_bytes_that_are_no_text_are_shown():
    """Bytes that are not UTF-8 are written in hexadecimal."""
    assert readable(b"/tmp/\xff\xc3\xa4") == "/tmp/\\xffä"
