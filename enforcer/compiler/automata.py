# SPDX-License-Identifier: MIT
"""
Automata that were made before, by what they were made of.

An automaton depends on its globs, and on which of them yield the same. It does not depend on the numbers of what
they yield, which change when a container comes or goes. So it is made with numbers of its own, and gets those of
the image afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import attrs

from enforcer import _abi
from enforcer.compiler.dfa import Dfa, Entries
from enforcer.compiler.patterns import Glob, Token, Wild
from enforcer.policy.text.digest import fingerprint

__all__ = ["Automata", "KeptAutomata"]

Automata = Mapping[bytes, tuple[Dfa, ...]]
"""Automata by a digest of what they were made of."""

_DIGEST: Final = 32  # bytes
"""Who writes a policy of a tenant looks in vain for other globs with the same digest."""
_MAYBE: Final = _abi.ENF_ATOM_MAYBE


@attrs.frozen
class KeptAutomata:
    """
    The automata of the last image, and those of the one that is made now.

    Attributes:
        before: may be used again.
        now: all that this image uses, for the next one.
    """

    before: Automata = attrs.field(factory=dict, repr=False)
    now: dict[bytes, tuple[Dfa, ...]] = attrs.field(factory=dict, repr=False)

    def of(
        self,
        group: Sequence[Glob],
        yields: Mapping[Glob, Entries],
        make: Callable[[Mapping[Glob, Entries]], Sequence[Dfa]],
        *,
        is_cut: bool,
    ) -> list[Dfa]:
        """
        Return the automata of *group*, made by *make* unless there are some of the same globs.

        Args:
            group: globs, in the order in which they are compiled.
            yields: entries of the atom list for each.
            make: gets what each glob yields, in other numbers.
            is_cut: a text may go on.

        Raises:
            LimitError: *make* does.
        """
        numbers = {n: i for i, n in enumerate(dict.fromkeys(n for g in group for n in yields[g]))}
        renumbered = {glob: tuple(numbers[n] for n in yields[glob]) for glob in group}
        key = _key(renumbered, is_cut=is_cut)
        made = self.before.get(key) or tuple(make(renumbered))
        self.now[key] = made
        real = list(numbers)
        return [_with(dfa, real) for dfa in made]


def _key(yields: Mapping[Glob, Entries], *, is_cut: bool) -> bytes:
    """Digest the globs with what they yield; sets have no order of their own."""
    parts = [(tuple(map(_spelled, glob.tokens)), entries) for glob, entries in yields.items()]
    return fingerprint((is_cut, parts), _DIGEST)


def _spelled(token: Token) -> object:
    if isinstance(token, Wild):
        return token.name
    return token if isinstance(token, bytes) else sorted(token)


def _with(dfa: Dfa, real: Sequence[int]) -> Dfa:
    known: dict[Entries, Entries] = {}

    def numbered(states: Iterable[Entries]) -> list[Entries]:
        out = []
        for entries in states:
            if (found := known.get(entries)) is None:
                flagged = (real[e & ~_MAYBE] | e & _MAYBE for e in entries)
                found = known[entries] = tuple(sorted(flagged))
            out.append(found)
        return out

    return attrs.evolve(dfa, accepts=numbered(dfa.accepts), mays=numbered(dfa.mays))
