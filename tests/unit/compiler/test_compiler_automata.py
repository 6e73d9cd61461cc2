# SPDX-License-Identifier: MIT
"""Automata that were made before are those that would be made now, and no others are taken for them."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from enforcer.compiler import glob
from enforcer.compiler.automata import KeptAutomata
from enforcer.compiler.compiled import compile_policies
from enforcer.compiler.dfa import Dfa
from enforcer.compiler.glob import compile_globs
from enforcer.compiler.host import BareHost
from enforcer.compiler.patterns import Glob, Wild
from enforcer.policy.model.policy import PolicySet
from enforcer.policy.model.workloads import CONTAINER, Workload
from enforcer.policy.store import load_text

TOKENS = st.sampled_from(
    [b"/a", b"/bc", b"x", frozenset(b"x"), frozenset(b"xyz"), Wild.RUN, Wild.DEEP, Wild.ONE]
)
GLOBS = st.lists(TOKENS, min_size=1, max_size=4).map(lambda tokens: Glob(tuple(tokens)))
PATTERNS = st.dictionaries(
    GLOBS, st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True), min_size=1, max_size=5
).map(lambda drawn: {form: tuple(numbers) for form, numbers in drawn.items()})


def never(_: object) -> list[Dfa]:
    raise AssertionError("it was made again")


@settings(max_examples=200, deadline=None)
@given(PATTERNS, st.permutations(range(1000, 1005)), st.booleans())
def test_other_numbers_make_no_other_automaton(patterns, numbers, is_cut) -> None:
    """What is kept of the last image is what a new one would be made of."""
    last = KeptAutomata()
    compile_globs(patterns, {}, is_cut=is_cut, kept=last)
    renumbered = {form: tuple(numbers[n] for n in entries) for form, entries in patterns.items()}
    now = KeptAutomata(last.now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("enforcer.compiler.glob._determinise", never)
        found = compile_globs(renumbered, {}, is_cut=is_cut, kept=now)

    assert compile_globs(renumbered, {}, is_cut=is_cut) == found
    assert last.now == now.now


@settings(max_examples=300, deadline=None)
@given(PATTERNS, PATTERNS, st.booleans(), st.booleans())
def test_others_are_never_taken(before, patterns, was_cut, is_cut) -> None:
    """Whatever was compiled last, the automata are those of an image that has no last one."""
    last = KeptAutomata()
    compile_globs(before, {}, is_cut=was_cut, kept=last)

    found = compile_globs(patterns, {}, is_cut=is_cut, kept=KeptAutomata(last.now))

    assert compile_globs(patterns, {}, is_cut=is_cut) == found


@given(GLOBS, GLOBS)
def test_globs_that_are_spelled_alike_differ(one, other) -> None:
    """A byte, and a set of that byte alone, are two tokens."""
    assume(one != other)
    kept = KeptAutomata()
    compile_globs({one: (1,)}, {}, kept=kept)
    compile_globs({other: (1,)}, {}, kept=kept)

    assert 2 == len(kept.now)


def test_what_is_no_longer_used_is_not_kept() -> None:
    last = KeptAutomata()
    compile_globs({Glob((b"/a", Wild.RUN)): (1,)}, {}, kept=last)
    now = KeptAutomata(last.now)

    compile_globs({Glob((b"/b", Wild.RUN)): (1,)}, {}, kept=now)

    assert 1 == len(now.now)
    assert not now.now.keys() & last.now.keys()


def test_a_container_that_begins_makes_no_automaton() -> None:
    """Its conditions have other numbers by that, as those that nothing met were one."""
    policies: PolicySet = load_text(
        """apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: x}
spec:
  rules:
    - {file: read, match: {path: /srv/*/a*, process: {container: {image: one}}}, action: deny}
    - {file: read, match: {path: /srv/*/b*, process: {container: {image: two}}}, action: deny}
    - {exec: {}, match: {path: "/usr/*/c*"}, action: deny}
""",
        "x.yaml",
    )

    def compiled(image: str, **more: object) -> object:
        facts = {CONTAINER["image"].name: (image.encode(),)}
        cgroup = b"/system.slice/docker-" + b"a" * 64 + b".scope"
        host = attrs.evolve(BareHost(), workloads=(Workload(cgroup, facts),))
        return compile_policies(policies, host=host, seed=1, now_ns=1, **more)

    before = compiled("none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("enforcer.compiler.glob._determinise", never)
        now = compiled("two", automata=before.automata)

    assert before.image != now.image == compiled("two").image
    assert before.automata == now.automata


def test_what_is_too_much_is_not_made(monkeypatch) -> None:
    """Of globs that multiply each other, one automaton more than there may be shows that they are too many."""
    made = []
    determinise = glob._determinise

    def counted(group, *given, **named):
        made.append(len(group))
        return determinise(group, *given, **named)

    monkeypatch.setattr(glob, "_determinise", counted)
    monkeypatch.setattr(glob, "_MOST", 2)
    words = [
        f"{number:02}".translate(str.maketrans("0123456789", "abcdefghij")) for number in range(100)
    ]
    globs = {
        Glob((b"/", Wild.RUN, f"{word}x".encode(), Wild.RUN, f"y{word}".encode(), Wild.RUN)): (n,)
        for n, word in enumerate(words)
    }

    found = compile_globs(globs, {})

    assert 3 == len(found)
    assert sum(made[-3:]) < len(globs)  # the others were not tried
