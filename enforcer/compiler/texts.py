# SPDX-License-Identifier: MIT
"""
Text patterns by atom: strings for the table of slots, and automata for globs.

Decides which of them holds a form, and where it is also needed in small letters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from enforcer.compiler import glob, limits, spellings, strings
from enforcer.compiler.atoms import (
    ARG_DIMS,
    COMPONENT_DIMS,
    FOLDED,
    FOLDED_DIMS,
    Atom,
    Atoms,
    dim_of,
    entry,
)
from enforcer.compiler.automata import KeptAutomata
from enforcer.compiler.container_roots import beginnings
from enforcer.compiler.dfa import Dfa
from enforcer.compiler.patterns import Exact, Glob
from enforcer.policy.language.vocabulary import Dim
from enforcer.span import Span

__all__ = ["automata", "meanings"]

_GROUPS: Final = (
    frozenset((Dim.PATH,)),
    frozenset((Dim.EXE,)),
    frozenset((Dim.CGROUP,)),
    frozenset((Dim.CONTAINER,)),
    ARG_DIMS | {Dim.NAME, Dim.FSTYPE},
)

_Lists = dict[strings.Key, list[int]]


def meanings(
    atoms: Iterable[Atom],
    doubtful: set[int],
    entries: Callable[[Iterable[int]], tuple[int, int]],
) -> dict[strings.Key, strings.Meaning]:
    """
    Return what each string means.

    Args:
        atoms: all of an image.
        doubtful: those of which it makes a difference whether they are unknown, or not met.
        entries: puts entries into the atom list.
    """
    exact: _Lists = {}
    under: _Lists = {}
    paths: dict[strings.Key, int] = {}
    for atom in atoms:
        kind = strings.PATH if atom.dim in COMPONENT_DIMS else strings.STRING
        number = entry(atom.dim, atom.number)
        for form in atom.forms:
            way = strings.AT if isinstance(form, Exact) else strings.BELOW
            if not isinstance(form, Glob):
                lists = under if way == strings.BELOW else exact
                lists.setdefault((kind, form.value), []).append(number)
            if atom.dim == Dim.PATH:
                way |= strings.GLOB if isinstance(form, Glob) else 0
                for head in beginnings(form) if isinstance(form, Glob) else (form.value,):
                    paths[kind, head] = paths.get((kind, head), 0) | way
        if atom.dim in FOLDED_DIMS:
            _add_folded(atom, exact, under, is_doubtful=atom.number in doubtful)
    return {
        key: (
            paths.get(key, 0),
            *entries(exact.get(key, ())),
            *entries(under.get(key, ())),
        )
        for key in dict.fromkeys((*exact, *under, *paths))
    }


def _add_folded(atom: Atom, exact: _Lists, under: _Lists, *, is_doubtful: bool) -> None:
    """Add what *atom* accepts where letters are small; and if need be, what could lead there."""
    number = entry(atom.dim, atom.number)
    heads: dict[bytes, None] = {}
    for form in atom.forms:
        if isinstance(form, Glob):
            continue
        twins = spellings.twins(form)
        lists = exact if isinstance(form, Exact) else under
        for twin in twins:
            lists.setdefault((strings.PATH, twin.value), []).append(number | FOLDED)
        for each in (form, *twins) if is_doubtful else ():
            heads |= dict.fromkeys(spellings.heads(each))
    for head in heads:
        exact.setdefault((strings.HEAD, head), []).append(number | glob.MAYBE)


def automata(
    atoms: Atoms, kept: KeptAutomata, most_work: int | None = None
) -> tuple[list[Dfa], int]:
    """
    Return the automata of the globs of *atoms*, of *kept* if they are there, and how many globs there are.

    Globs multiply each other in one automaton. So those that only policies of namespaces have are apart: what they
    cost comes to what the others cost, whatever they are.

    Raises:
        LimitError: they come to too many automata, or to too much work or room.
    """
    entries: dict[Glob, list[int]] = {}
    folded: dict[Glob, list[int]] = {}
    own: set[Glob] = set()
    spans: dict[Glob, Span | None] = {}
    for atom in atoms.all:
        is_own = atoms.is_own(atom)
        number = entry(atom.dim, atom.number)
        for form in atom.forms:
            if not isinstance(form, Glob):
                continue
            entries.setdefault(form, []).append(number)
            spans[form] = atom.span
            if is_own:
                own.add(form)
            for twin in spellings.glob_twins(form) if atom.dim in FOLDED_DIMS else ():
                folded.setdefault(twin, []).append(number | FOLDED)
                if is_own:
                    own.add(twin)
                spans.setdefault(twin, atom.span)
    out: list[Dfa] = []
    for dims in _GROUPS if entries else ():
        for globs in (entries, folded):  # apart: elsewhere nobody runs those of twins
            part = {
                form: chosen
                for form, numbers in globs.items()
                if (chosen := tuple(n for n in numbers if dim_of(n) in dims))
            }
            is_cut = bool(dims & FOLDED_DIMS)
            for whose in (own, part.keys() - own):
                some = {form: numbers for form, numbers in part.items() if form in whose}
                out += glob.compile_globs(
                    some, spans, is_cut=is_cut, kept=kept, earlier=out, most_work=most_work
                )
        limits.check("ENF_MAX_DFAS", len(out), "automata for globs", next(iter(spans.values())))
    return out, len(entries)
