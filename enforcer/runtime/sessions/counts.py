# SPDX-License-Identifier: MIT
"""How often rules have decided, across reloads and restarts: by policy and rule, not by row."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from enforcer.events.types import Origin
    from enforcer.runtime.ports import Hits

__all__ = ["Counts", "Ledger"]

_GONE: Final = 4096
"""Rules that are no more and have counts of their own; of more there is one count for each policy."""


@attrs.frozen
class Counts:
    """Verdicts that were carried out, and that were only recorded."""

    enforced: int = 0
    audited: int = 0

    def __add__(self, other: Hits) -> Counts:
        return Counts(self.enforced + other.enforced, self.audited + other.audited)


@attrs.define
class Ledger:
    """What is known to be final."""

    _totals: dict[tuple[str, str], Counts] = attrs.field(factory=dict)

    def add(self, origins: Sequence[Origin], hits: Iterable[Hits]) -> None:
        """Add the final counts of the rows that *origins* are of."""
        for row, one in enumerate(itertools.islice(hits, len(origins))):
            if one.enforced or one.audited:
                origin = origins[row]
                key = origin.policy, origin.rule
                self._totals[key] = self._totals.get(key, Counts()) + one

    def fold(self, rules: Iterable[tuple[str, str]], policies: Iterable[str]) -> None:
        """
        Where many rules have gone, count them as one of their policy, and forget policies that have gone.

        Names are chosen by whoever writes policies. Without a bound each would stay, and be kept for a successor.

        Args:
            rules: those that there are, as policy and rule.
            policies: the policies that there are.
        """
        if len(self._totals) <= _GONE:
            return
        gone = self._totals.keys() - set(rules)
        if len(gone) <= _GONE:
            return
        left = set(policies)
        for key in gone:
            counts, whole = self._totals.pop(key), (key[0], "")
            if key[0] in left:
                self._totals[whole] = self._totals.get(whole, Counts()) + counts

    def copy(self) -> Ledger:
        """Return one of the same counts, to be added to."""
        return Ledger(dict(self._totals))

    def of_rule(self, policy: str, rule: str) -> Counts:
        """Return the counts of one rule."""
        return self._totals.get((policy, rule), Counts())

    def of_policy(self, policy: str) -> Counts:
        """Return the counts of all rules that *policy* has or had."""
        total = Counts()
        for (name, _), counts in self._totals.items():
            if name == policy:
                total += counts
        return total

    def by_policy(self) -> dict[str, Counts]:
        """Return the counts of every policy that has any, in one pass."""
        totals: dict[str, Counts] = {}
        for (policy, _), counts in self._totals.items():
            totals[policy] = totals.get(policy, Counts()) + counts
        return totals

    def enforced_without(self, left_out: Mapping[str, Collection[str]]) -> dict[str, int]:
        """
        Return how often each policy decided, without its rules that *left_out* names.

        Rules that have gone are in it: the counts do not say what their action was.
        """
        totals: dict[str, int] = {}
        for (policy, rule), counts in self._totals.items():
            if rule not in left_out.get(policy, ()):
                totals[policy] = totals.get(policy, 0) + counts.enforced
        return totals

    def as_list(self) -> list[list[Any]]:
        """Describe it in JSON."""
        return [
            [policy, rule, counts.enforced, counts.audited]
            for (policy, rule), counts in self._totals.items()
        ]

    @classmethod
    def from_list(cls, found: list[list[Any]]) -> Ledger:
        """
        Read what :meth:`as_list` made.

        Raises:
            ValueError: it is something else.
        """
        return cls({(policy, rule): Counts(int(e), int(a)) for policy, rule, e, a in found})
