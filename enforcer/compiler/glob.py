# SPDX-License-Identifier: MIT
"""
Globs as deterministic automata: the tables that ``enf_dfa_one`` in ``bpf/include/match.h`` runs.

Patterns are grouped so that each automaton stays small; a group that grows too large is halved. A
single pattern that grows too large is refused.
"""

from __future__ import annotations

import functools
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from enforcer import _abi
from enforcer.compiler import limits, nfa
from enforcer.compiler.automata import KeptAutomata
from enforcer.compiler.dfa import Dfa, Entries
from enforcer.compiler.glob_groups import groups_of
from enforcer.compiler.patterns import Glob
from enforcer.errors import LimitError
from enforcer.policy.text.bounds import MAX_GLOB_WORK
from enforcer.span import Span

__all__ = ["FOLDED_AT", "MAYBE", "WORK", "compile_globs"]

WORK: Final = "steps of automata"
"""What errors call the limit of steps, which the ABI does not have."""

MAX_STATES: Final = 0xFFFF
_SPARE_STATES: Final = 4_096
_GROWTH: Final = 4
_STATE: Final = 32
_CALL: Final = 16
"""Work that each state, and each search for one, takes besides a step for each node: so a step is some 0.2 µs."""
_DEAD: Final = 0
_NO_CLASS: Final = -1
_MOST: Final = _abi.ENF_MAX_DFAS
MAYBE: Final = _abi.ENF_ATOM_MAYBE
FOLDED_AT: Final = _abi.ENF_DFA_FOLDED_AT
"""Where an automaton has the bits of dimensions whose letters it takes as small ones."""
_START: Final = 1


class _TooLargeError(Exception):
    """The automaton of this group outgrows its bound, after *work*."""

    def __init__(self, work: int) -> None:
        super().__init__()
        self.work = work


class _TooMuchError(Exception):
    """The work that is left is used up."""


def compile_globs(
    patterns: Mapping[Glob, Entries],
    spans: Mapping[Glob, Span | None],
    *,
    is_cut: bool = False,
    kept: KeptAutomata | None = None,
    earlier: Sequence[Dfa] = (),
    most_work: int | None = None,
) -> list[Dfa]:
    """
    Compile *patterns* into as few automata as their growth allows, and no more than one more than there may be.

    So what is refused for their number costs as much time as that many, and not as what was asked for.

    Args:
        patterns: what each yields.
        spans: where each is from.
        is_cut: a text may go on.
        kept: automata that were made before.
        earlier: other automata of the same image.
        most_work: steps that all may take, if these are fewer than for any image.

    Raises:
        LimitError: a pattern needs too many states, or all of them too much work or room.
    """
    store = kept if kept is not None else KeptAutomata()
    made: list[Dfa] = []
    most = MAX_GLOB_WORK if most_work is None else min(most_work, MAX_GLOB_WORK)
    work = sum(dfa.work for dfa in earlier)
    size = sum(_size(dfa) for dfa in earlier)
    for group in groups_of(patterns):
        span = spans.get(group[0])
        make = functools.partial(
            _some_of_group, group, spans=spans, is_cut=is_cut, most=most, done=work
        )
        found = store.of(group, patterns, make, is_cut=is_cut)
        made += found
        # Automata that were kept count as if they were made now: the verdict is the same on every node.
        work += sum(dfa.work for dfa in found)
        if work > most:
            raise _too_much(most, span)
        size += sum(map(_size, found))
        limits.check("ENF_IMAGE_MAX", size, "bytes of automata for globs", span)
        if len(made) > _MOST:
            break
    return made


def _size(dfa: Dfa) -> int:
    return len(dfa.trans) * dfa.trans.itemsize


def _too_much(most: int, span: Span | None) -> LimitError:
    error = LimitError(
        f"automata for globs take more than {most} steps to make: write globs with fewer wildcards "
        "between literals, let them begin with a folder, or write fewer globs",
        span,
    )
    error.limit = WORK
    return error


def _some_of_group(
    group: list[Glob],
    patterns: Mapping[Glob, Entries],
    *,
    spans: Mapping[Glob, Span | None],
    is_cut: bool,
    most: int,
    done: int,
) -> list[Dfa]:
    """Halve *group* until each part fits into an automaton; no more than one automaton more than there may be."""
    out: list[Dfa] = []
    work, left = 0, most - done
    todo = [group]
    while todo and len(out) <= _MOST:
        part = todo.pop()
        total = sum(nfa.weight(pattern.tokens) for pattern in part)
        states = MAX_STATES if len(part) == 1 else min(MAX_STATES, total * _GROWTH + _SPARE_STATES)
        bound = _Bound(states, left - work)
        try:
            found = _determinise(part, patterns, bound, is_cut=is_cut)
        except _TooMuchError:
            raise _too_much(most, spans.get(part[0])) from None
        except _TooLargeError as error:
            if len(part) == 1:
                raise LimitError(
                    f"a pattern needs more than {MAX_STATES} states: write it with fewer wildcards "
                    "between literals, or as several rules",
                    spans.get(part[0]),
                ) from None
            work += error.work
            half = len(part) // 2
            todo += (part[half:], part[:half])
        else:
            out.append(attrs.evolve(found, work=work + found.work))
            left -= work + found.work
            work = 0
    return out


@attrs.frozen
class _Bound:
    """Of one construction: how many *states* it may make, and in how much *work*."""

    states: int
    work: int


def _determinise(
    group: list[Glob], patterns: Mapping[Glob, Entries], bound: _Bound, *, is_cut: bool
) -> Dfa:
    source = nfa.build([p.tokens for p in group])
    return _Subsets(source, [patterns[p] for p in group], bound, is_cut=is_cut).run()


@attrs.frozen
class _Base:
    """
    What all states with the same loops have in common: those of a pattern last as long as the text.

    Attributes:
        row: transitions of the loops alone.
        steps: by class, the nodes that single steps of the loops lead to.
        usual, at_slash: nodes that any byte leads to, but for "/"; and that "/" leads to.
        known: states by a class and where single steps of the others lead on it.
    """

    row: array[int]
    steps: dict[int, list[int]]
    usual: list[int]
    at_slash: list[int]
    known: dict[tuple[int, ...], int] = attrs.field(factory=dict)


class _Subsets:
    """
    The subset construction over one NFA.

    A state is its loops and, mostly, one or two nodes in the midst of a literal. The loops are worked out
    once, so that a state costs what its other nodes step on.
    """

    def __init__(
        self, source: nfa.Nfa, entries: list[Entries], bound: _Bound, *, is_cut: bool
    ) -> None:
        self._nfa = source
        self._bound = bound
        self._entries = entries
        # A node that accepts now and whatever follows: it makes the rest of its pattern pointless.
        self._settled = {
            node
            for node, pattern in enumerate(source.final)
            if pattern >= 0 and source.any_byte[node] == node
        }
        self._yields = _reachable(source, entries) if self._settled or is_cut else []
        self._is_cut = is_cut
        self._mays: list[Entries] = [()]
        self._may_of: dict[tuple[int, ...], Entries] = {}
        self._is_loop = [
            max(pair) >= 0 for pair in zip(source.any_byte, source.not_slash, strict=True)
        ]
        self._bases: dict[tuple[int, ...], _Base] = {}
        self._numbers: dict[tuple[int, ...], int] = {}
        self._todo: list[tuple[int, ...]] = []
        self._trans = array("H", [_DEAD] * source.n_classes)
        self._accepts: list[Entries] = [()]
        # Nodes that were looked at: what time, and memory for states, are in proportion to.
        self._work = sum(map(len, source.closure))

    def run(self) -> Dfa:
        """Construct the automaton."""
        self._state(list(self._nfa.closure[0]))
        done = 0
        while done < len(self._todo):
            self._expand(self._todo[done])
            done += 1
        mays = self._mays if self._is_cut else []
        source = self._nfa
        return Dfa(
            source.classes, source.n_classes, self._trans, self._accepts, mays, work=self._work
        )

    def _state(self, nodes: list[int]) -> int:
        """Return the number of the state that is *nodes*, a new one if need be; of none, the dead one."""
        if not nodes:
            return _DEAD
        self._work += _CALL + len(nodes)
        if self._work > self._bound.work:
            raise _TooMuchError
        key = self._reduce(nodes) if len(nodes) > 1 else tuple(nodes)
        number = self._numbers.get(key)
        if number is not None:
            return number
        number = len(self._accepts)
        if number > self._bound.states:
            raise _TooLargeError(self._work)
        self._numbers[key] = number
        self._todo.append(key)
        accepted: set[int] = set()
        for node in key:
            if (pattern := self._nfa.final[node]) >= 0:
                accepted.update(self._entries[pattern])
        self._accepts.append(tuple(sorted(accepted)))
        if self._is_cut:
            self._mays.append(self._may(key))
        return number

    def _may(self, nodes: tuple[int, ...]) -> Entries:
        """Return what the state that is *nodes* yields where the text goes on; most states have it in common."""
        behind = sorted(nodes, key=lambda node: -len(self._yields[node]))
        telling: list[int] = []
        possible: set[int] = set()
        for node in behind:
            if not telling or node in self._settled or not self._yields[node] <= possible:
                telling.append(node)
                possible = possible | self._yields[node] if len(telling) > 1 else self._yields[node]
        key = tuple(sorted(telling))
        known = self._may_of.get(key)
        if known is None:
            sure: set[int] = set()
            for node in key:
                if node in self._settled:
                    sure.update(self._entries[self._nfa.final[node]])
            maybe = {entry | MAYBE for entry in possible - sure}
            known = self._may_of[key] = tuple(sorted(sure | maybe))
        return known

    def _reduce(self, nodes: list[int]) -> tuple[int, ...]:
        """Sort *nodes*, and drop those that can only yield what is settled already."""
        unique = set(nodes)
        settled = unique & self._settled
        if not settled:
            return tuple(sorted(unique))
        covered: set[int] = set()
        kept: list[int] = []
        for node in sorted(settled):
            if not self._yields[node] <= covered:
                kept.append(node)
                covered.update(self._entries[self._nfa.final[node]])
        kept += [node for node in unique - settled if not self._yields[node] <= covered]
        return tuple(sorted(kept))

    def _expand(self, nodes: tuple[int, ...]) -> None:
        """Append the row of transitions of the state that is *nodes*."""
        source = self._nfa
        loops: list[int] = []
        stepping: dict[int, list[int]] = {}
        self._work += len(nodes)
        others: list[tuple[int, frozenset[int]]] = []
        for node in nodes:
            if self._is_loop[node]:
                loops.append(node)
                continue
            for number, target in source.steps[node]:
                stepping.setdefault(number, []).append(target)
            if node in source.otherwise:
                others.append(source.otherwise[node])
        base = self._base(tuple(loops))
        if not others:
            row = base.row[:]
        else:
            # What most classes lead to is worked out once, for one that no step is about.
            beside = tuple(target for target, _ in others)
            row = array("H", [self._following(base, _NO_CLASS, beside)]) * source.n_classes
            row[source.slash] = base.row[source.slash]
            for number in {*stepping, *base.steps} - {source.slash}:
                more = (target for target, listed in others if number not in listed)
                stepping.setdefault(number, []).extend(more)
                self._work += len(others)
        for number, targets in stepping.items():
            row[number] = self._following(base, number, targets)
        self._trans += row

    def _following(self, base: _Base, number: int, targets: Sequence[int]) -> int:
        """Return what :meth:`_beside` does, which is asked once for each."""
        key = (number, *targets)
        following = base.known.get(key)
        if following is None:
            following = base.known[key] = self._beside(base, number, targets)
        return following

    def _base(self, loops: tuple[int, ...]) -> _Base:
        """Return what *loops* alone do; they are none where nothing but literals is left."""
        base = self._bases.get(loops)
        if base is not None:
            return base
        source, closure = self._nfa, self._nfa.closure
        steps: dict[int, list[int]] = {}
        anywhere: list[int] = []
        not_slash: list[int] = []
        for node in loops:
            for number, target in source.steps[node]:
                steps.setdefault(number, []).extend(closure[target])
            if (target := source.any_byte[node]) >= 0:
                anywhere += closure[target]
            if (target := source.not_slash[node]) >= 0:
                not_slash += closure[target]
        usual = anywhere + not_slash
        row = array("H", [self._state(usual)]) * source.n_classes
        row[source.slash] = self._state(anywhere)
        for number, targets in steps.items():
            row[number] = self._state(targets + (anywhere if number == source.slash else usual))
        base = self._bases[loops] = _Base(row, steps, usual, anywhere)
        return base

    def _beside(self, base: _Base, number: int, targets: Sequence[int]) -> int:
        """Return the state that a byte of class *number* leads to, by *base* and to *targets* besides."""
        rest = base.at_slash if number == self._nfa.slash else base.usual
        reached = [node for target in targets for node in self._nfa.closure[target]]
        return self._state([*reached, *base.steps.get(number, ()), *rest])


def _reachable(source: nfa.Nfa, entries: list[Entries]) -> list[set[int]]:
    """Return, by node, all entries that what lies behind it may yield."""
    out: list[set[int]] = [set() for _ in source.parent]
    for last, pattern in enumerate(source.final):
        node = last if pattern >= 0 else -1
        while node >= 0:
            out[node].update(entries[pattern])
            node = source.parent[node]
    return out
