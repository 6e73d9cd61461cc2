# SPDX-License-Identifier: MIT
"""Letters that only look like those of a known word."""

from __future__ import annotations

import pytest
from policy_text import FILE, HEAD, errors

from enforcer.policy.text.look_alikes import look_alike, plain

CYRILLIC_A, GREEK_OMICRON, FULL_P = "\u0430", "\u03bf", "\uff50"


@pytest.mark.parametrize(
    ("rule", "column", "words"),
    [
        (
            f"{{exec: {{}}, match: {{p{CYRILLIC_A}th: /x}}, action: deny}}",
            24,
            f"; its '{CYRILLIC_A}' is U+0430, CYRILLIC SMALL LETTER A, and only looks like 'a': did you mean 'path'?",
        ),
        (
            f"{{exec: {{}}, match: {{{FULL_P}ath: /x}}, action: deny}}",
            24,
            "U+FF50, FULLWIDTH LATIN SMALL LETTER P, and only looks like 'p': did you mean 'path'?",
        ),
        (
            f"{{exec: {{}}, acti{GREEK_OMICRON}n: deny}}",
            16,
            "U+03BF, GREEK SMALL LETTER OMICRON, and only looks like 'o': did you mean 'action'?",
        ),
        ("{exec: {}, action: d\u0435ny}", 24, "CYRILLIC SMALL LETTER IE, and only looks like 'e'"),
        ("{file: re\u0430d, action: deny}", 12, "did you mean 'read'?"),
        ("{file: read, action: deny, guard: f\u0430lse}", 39, "did you mean 'false'?"),
        ('{exec: {}, match: {"pa\\u200bth": /x}, action: deny}', 24, "it has U+200B, ZERO WIDTH SPACE"),
        ('{exec: {}, match: {"pa\\u034fth": /x}, action: deny}', 24, "it has U+034F, COMBINING GRAPHEME JOINER"),
        ("{exec: {}, match: {path\u00a0: /x}, action: deny}", 24, "it has U+00A0, NO-BREAK SPACE"),
        ("{syscall: k\u0435yctl, action: log}", 15, "did you mean 'keyctl'?"),
        ("{exec: {}, match: {path: {\u0435qual: /x}}, action: deny}", 31, "did you mean 'equal'?"),
        ("{process: signal, match: {signal: \u041aILL}, action: deny}", 39, "CYRILLIC CAPITAL LETTER KA"),
    ],
)  # fmt: skip
def test_a_letter_that_only_looks_like_the_right_one_is_named(rule, column, words):
    """The author sees the right word and would look for the mistake elsewhere."""
    found = errors(f"{HEAD}spec:\n  rules:\n  - {rule}\n")
    assert any(e.startswith(f"{FILE}:6:{column}: ") and words in e for e in found), found


def test_the_kind_of_a_document():
    """Words of the head are known words, too."""
    head = HEAD.replace("Policy", "P\u043elicy")
    (found,) = errors(f"{head}spec: {{}}\n")
    assert "U+043E, CYRILLIC SMALL LETTER O, and only looks like 'o'" in found


def test_other_letters_are_what_they_are():
    """A name in another script is not a misspelt Latin one, and plain words have nothing to name."""
    assert "path" == plain("path")
    assert not look_alike("path")
    assert "முக" == plain("முக")
    (found,) = errors(f"{HEAD}spec:\n  rules:\n  - {{exec: {{}}, முக: 1, action: deny}}\n")
    assert "U+" not in found
