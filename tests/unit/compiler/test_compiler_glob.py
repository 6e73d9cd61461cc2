# SPDX-License-Identifier: MIT
"""Globs as automata, against the plain matcher of the reference."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import semantics

from enforcer.compiler import glob
from enforcer.compiler.atoms import entry
from enforcer.compiler.automata import KeptAutomata
from enforcer.compiler.dfa import Dfa
from enforcer.compiler.patterns import Below, Exact, Glob, Wild, forms, unit
from enforcer.errors import LimitError
from enforcer.policy.model.policy import TextKind
from enforcer.span import Span
from enforcer.workbench.explain import texts as spelled

PARTS = ["a", "b", "*", "**", "?", "[ab]", "[!a]", "[^ca]", "[b-d]", r"\*", "[]a]", "ab"]
components = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3).map("".join)
path_globs = st.lists(components, min_size=1, max_size=4).map(
    lambda p: ("/" + "/".join(p)).encode()
)
string_globs = st.lists(st.sampled_from([*PARTS, "/", "/"]), min_size=1, max_size=7).map(
    lambda p: "".join(p).encode()
)
names = st.lists(st.sampled_from(["a", "b", "ab", "c", "*", "]"]), min_size=1, max_size=3)
paths = st.lists(names.map("".join), max_size=4).map(lambda p: ("/" + "/".join(p)).encode())
words = st.text("ab/*c]", max_size=7).map(str.encode)


def accepted(dfas: list[Dfa], text: bytes) -> set[int]:
    """Run *text* through *dfas* as ``enf_dfa_one`` does."""
    found: set[int] = set()
    for dfa in dfas:
        state = 1
        for byte in text:
            state = dfa.trans[state * dfa.n_classes + dfa.classes[byte]]
        found |= set(dfa.accepts[state])
    return found


def accepts(form, text: bytes) -> bool:
    if isinstance(form, Exact):
        return text == form.value
    if isinstance(form, Below):
        return text.startswith(form.value.rstrip(b"/") + b"/") and text != form.value
    return accepted(glob.compile_globs({form: (7,)}, {}), text) == {7}


@settings(max_examples=400, deadline=None)
@given(path_globs, paths)
@example(b"/a/**/b", b"/a/b")
@example(b"/*", b"/")
@example(b"/**", b"/")
@example(b"/a**/b", b"/ab/b")
@example(b"/a*?b", b"/aab")
def test_path_globs_accept_what_the_reference_accepts(pattern, path) -> None:
    """One automaton for one glob over paths."""
    (form,) = forms(TextKind.GLOB, pattern, is_path=True)

    assert semantics.glob(pattern, path, is_path=True) == accepts(form, path)


@settings(max_examples=400, deadline=None)
@given(string_globs, words)
@example(b"*?b", b"ab")
@example(b"**", b"")
def test_string_globs_accept_what_the_reference_accepts(pattern, word) -> None:
    """In plain strings a star does not stop at a slash."""
    (form,) = forms(TextKind.GLOB, pattern, is_path=False)

    assert semantics.glob(pattern, word, is_path=False) == accepts(form, word)


ENDS = ["", "x", ".service", ".scope", ".serv", ".scope.s", ".service.scop", "..scope", ".slice"]
unit_names = st.lists(st.sampled_from(["", "a", *ENDS]), min_size=1, max_size=3).map("".join)
cgroups = st.lists(unit_names, max_size=4).map(lambda p: "".join(f"/{n}" for n in p).encode())


@settings(max_examples=400, deadline=None)
@given(cgroups, st.sampled_from(["/t", "/t.scope", "/x.service", ""]))
@example(b"/a.service", "/t")
@example(b"/.scope", "/t")
@example(b"/a.service.scop", "/t")
def test_components_that_name_no_unit(above, last) -> None:
    """What stands above the rest is neither a service nor a scope; the rest may be."""
    form = Glob((Wild.UNITLESS, last.encode() or b"/t"))
    text = above + last.encode()
    tail = form.tokens[1]

    expected = text.endswith(tail) and not any(
        part.endswith((b".service", b".scope")) for part in text.removesuffix(tail).split(b"/")
    )

    assert expected == accepts(form, text) == spelled.accepts(form, text)


@settings(max_examples=100, deadline=None)
@given(st.sets(path_globs, min_size=2, max_size=8), st.lists(paths, min_size=1, max_size=8))
def test_many_globs_in_one_automaton_do_not_disturb_each_other(patterns, texts) -> None:
    """Each text yields exactly the entries of the globs that accept it."""
    wanted = {p: i for i, p in enumerate(sorted(patterns))}
    entries: dict[Glob, tuple[int, ...]] = {}
    for pattern, number in wanted.items():
        (form,) = forms(TextKind.GLOB, pattern, is_path=True)
        if isinstance(form, Glob):
            entries[form] = (*entries.get(form, ()), number)
    kept = {number for numbers in entries.values() for number in numbers}

    dfas = glob.compile_globs(entries, {})

    for text in texts:
        expected = {n for p, n in wanted.items() if semantics.glob(p, text, is_path=True)}
        assert expected & kept == accepted(dfas, text)


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (b"/system.slice/a.service", True),
        (b"/a.service", True),
        (b"/x.slice/x-y.slice/a.service/sub/sub", True),
        (b"/user.slice/user@5.service/a.service", False),
        (b"/system.slice/ba.service", False),
        (b"/system.slice/a.services", False),
        (b"/.slice/a.service", True),
    ],
)
def test_units_lie_in_slices_alone(cgroup, expected) -> None:
    """No user's manager and no container can make a cgroup that passes for a unit of the host."""
    dfas = glob.compile_globs(dict.fromkeys(unit(b"a.service"), (1,)), {})

    assert expected == (accepted(dfas, cgroup) == {1})
    assert expected == semantics.in_unit(b"a.service", cgroup)


def test_trivial_globs_need_no_automaton() -> None:
    """What is a directory with everything below it is a string of the table."""
    assert (Below(b"/a/b"),) == forms(TextKind.GLOB, b"/a/b/**", is_path=True)
    assert (Below(b"/a/b"),) == forms(TextKind.PREFIX, b"/a/b/", is_path=True)
    assert (Below(b"/"),) == forms(TextKind.GLOB, b"/**", is_path=True)
    assert (Exact(b"/a*"),) == forms(TextKind.GLOB, rb"/a\*", is_path=True)


def test_alternatives_of_one_condition_do_not_multiply() -> None:
    """Once one of a condition's values is contained, the others no longer matter."""
    values = [b"needle-%d-%d" % (i, i * 7919) for i in range(60)]
    patterns = {forms(TextKind.CONTAINS, v, is_path=True)[0]: (1,) for v in values}

    (dfa,) = glob.compile_globs(patterns, {})

    assert dfa.n_states < 60 * 16
    assert {1} == accepted([dfa], b"/x/needle-59-467221/y")


def test_a_group_that_multiplies_is_parted() -> None:
    """Conditions that may each hold or not are spread over several automata."""
    patterns = {forms(TextKind.CONTAINS, b"part-%d!" % i, is_path=True)[0]: (i,) for i in range(24)}

    dfas = glob.compile_globs(patterns, {})

    assert len(dfas) > 1
    assert {3, 17} == accepted(dfas, b"/part-17!part-3!")


def test_a_glob_that_no_automaton_can_hold_is_refused_with_its_place() -> None:
    """The author is told which pattern it is, and what the limit is."""
    span = Span("web.yaml", 12, 9)
    (form,) = forms(TextKind.GLOB, b"*[!b]" + b"?" * 17 + b"c", is_path=False)

    with pytest.raises(LimitError, match=r"web\.yaml:12:9: .* more than 65535 states"):
        glob.compile_globs({form: (entry(4, 0),)}, {form: span})


@pytest.mark.parametrize("is_kept", [False, True])
def test_work_for_automata_has_an_end(monkeypatch, *, is_kept) -> None:
    """Automata that are given up count, and kept automata count as if they were made again."""
    span = Span("web.yaml", 12, 9)
    patterns = {forms(TextKind.CONTAINS, b"part-%d!" % i, is_path=True)[0]: (i,) for i in range(24)}
    last = KeptAutomata()
    dfas = glob.compile_globs(patterns, {}, kept=last)
    work = sum(dfa.work for dfa in dfas)
    assert work > 100 * sum(dfa.n_states for dfa in dfas)
    kept = KeptAutomata(last.now if is_kept else {})
    monkeypatch.setattr(glob, "MAX_GLOB_WORK", work)
    assert dfas == glob.compile_globs(patterns, {}, kept=kept)
    monkeypatch.setattr(glob, "MAX_GLOB_WORK", work - 1)

    with pytest.raises(LimitError, match=r"web\.yaml:12:9: .* more than \d+ steps"):
        glob.compile_globs(patterns, dict.fromkeys(patterns, span), kept=kept)
