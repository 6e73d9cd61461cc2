# SPDX-License-Identifier: MIT
"""What an automaton says of a text that goes on."""

from __future__ import annotations

import header
import pytest

from enforcer.compiler.dfa import Dfa
from enforcer.compiler.glob import MAYBE, compile_globs
from enforcer.compiler.patterns import Glob, forms
from enforcer.policy.model.policy import TextKind

PATTERNS = {
    b"/home/*/.ssh/**": 1,
    b"/srv/**/*.php": 2,
    b"/srv/*/cache*": 3,
    b"/**/secret/**": 4,
    b"/opt/[ab]?/x": 5,
}


@pytest.fixture(scope="module")
def automata() -> list[Dfa]:
    """All patterns, in as few automata as may be."""
    patterns = {}
    for pattern, number in PATTERNS.items():
        (form,) = forms(TextKind.GLOB, pattern, is_path=True)
        assert isinstance(form, Glob)
        patterns[form] = (number,)
    return compile_globs(patterns, dict.fromkeys(patterns), is_cut=True)


def said(automata: list[Dfa], text: bytes) -> tuple[set[int], set[int]]:
    """What is accepted whatever follows *text*, and what only may be."""
    sure: set[int] = set()
    maybe: set[int] = set()
    for dfa in automata:
        state = 1
        for byte in text:
            state = dfa.trans[state * dfa.n_classes + dfa.classes[byte]]
        for entry in dfa.mays[state]:
            (maybe if entry & MAYBE else sure).add(entry & ~MAYBE)
    return sure, maybe


@pytest.mark.parametrize(
    ("head", "sure", "maybe"),
    [
        (b"/home/a/.ssh/x/", {1}, {4}),
        (b"/home/a/src/", set(), {4}),
        (b"/srv/web/", set(), {2, 3, 4}),
        (b"/srv/web/a/", set(), {2, 4}),
        (b"/var/secret/", set(), {4}),
        (b"/var/secret/x/", {4}, set()),
        (b"/opt/ax/", set(), {4, 5}),
        (b"/opt/cx/", set(), {4}),
    ],
)
def test_a_head_decides_what_it_can(automata, head, sure, maybe) -> None:
    """What it excludes is not said, and what it has met is not in doubt."""
    assert (sure, maybe) == said(automata, head)


def test_the_mark_of_doubt_is_the_header_s() -> None:
    """Both sides of the image mean the same bit."""
    assert header.constant("ENF_ATOM_MAYBE") == MAYBE


def test_nobody_asks_what_goes_on_elsewhere() -> None:
    """Only paths are cut."""
    (form,) = forms(TextKind.GLOB, b"a*b", is_path=False)
    assert isinstance(form, Glob)

    assert [[]] == [dfa.mays for dfa in compile_globs({form: (1,)}, {form: None})]
