# SPDX-License-Identifier: MIT
"""Two sets of policies asked about the same operations: what only one of them would do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.document import rfc3339
from enforcer.policy.model.policy import Verb
from enforcer.workbench.dryrun.doers import Deed, Doing, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.events.types import Record
    from enforcer.workbench.dryrun.document_types import (
        DifferenceDocument,
        PairDocument,
        SumsDocument,
    )

__all__ = ["Contrast", "Pair", "Side"]

_PAIRS: Final = 2000


@attrs.frozen
class Side:
    """What one set says: its rule, and the verb in words; *rule* None: it says nothing."""

    rule: str | None
    verb: str

    @classmethod
    def of(cls, record: Record | None) -> Side:
        """Tell what *record* says."""
        if record is None:
            return cls(None, "nothing")
        verb = Verb(record.event.action).name.lower()
        return cls(f"{record.origin.policy}/{record.origin.rule}", verb)

    @property
    def refuses(self) -> bool:
        """Whether the operation would have been refused."""
        return self.verb in {"deny", "kill"}

    def __str__(self) -> str:
        return f"{self.verb} by {self.rule}" if self.rule is not None else self.verb


Pair = tuple[Side, Side]


@attrs.define
class Contrast:
    """
    Counts differences.

    Attributes:
        alike: operations on which both say the same verb.
        others: differences beyond those that are kept apart.
    """

    alike: int = 0
    others: int = 0
    _pairs: dict[Pair, dict[Subject, Doing]] = attrs.field(factory=dict)

    def observe(self, here: Record | None, there: Record | None) -> None:
        """Compare what both sets say of one operation."""
        pair = Side.of(here), Side.of(there)
        record = here if here is not None else there
        if record is None:
            return
        if pair[0].verb == pair[1].verb:
            self.alike += 1
        elif pair not in self._pairs and len(self._pairs) >= _PAIRS:
            self.others += 1
        else:
            self._pairs.setdefault(pair, {}).setdefault(Subject.of(record), Doing()).observe(record)

    def differences(self) -> list[tuple[Pair, int, list[Deed]]]:
        """List pairs with their counts and samples, the most important and frequent first."""
        found = [
            (
                pair,
                sum(doing.count for doing in doers.values()),
                [deed for doing in doers.values() for deed in doing.samples][:5],
            )
            for pair, doers in self._pairs.items()
        ]
        return sorted(found, key=lambda each: (-_weight(each[0]), -each[1], str(each[0])))

    def sums(self) -> dict[str, SumsDocument]:
        """Count what only one of them would deny, kill or log."""
        only: dict[str, Counter[str]] = {"onlyHere": Counter(), "onlyThere": Counter()}
        for (here, there), count, _ in self.differences():
            for key, mine, other in (("onlyHere", here, there), ("onlyThere", there, here)):
                if mine.refuses and not other.refuses:
                    only[key]["wouldDeny" if mine.verb == "deny" else "wouldKill"] += count
                elif mine.verb == "log" and other.verb in {"nothing", "allow"}:
                    only[key]["wouldLog"] += count
                elif mine.verb == "kill" and other.verb == "deny":
                    only[key]["killsWhereOtherDenies"] += count
        return {
            key: {
                "wouldDeny": counts["wouldDeny"],
                "wouldKill": counts["wouldKill"],
                "wouldLog": counts["wouldLog"],
                "killsWhereOtherDenies": counts["killsWhereOtherDenies"],
            }
            for key, counts in only.items()
        }

    def as_document(self) -> DifferenceDocument:
        """Make the JSON object of it."""
        sums = self.sums()
        return {
            "alike": self.alike,
            "others": self.others,
            "onlyHere": sums["onlyHere"],
            "onlyThere": sums["onlyThere"],
            "pairs": list(self._as_documents()),
        }

    def _as_documents(self) -> Iterator[PairDocument]:
        for (here, there), count, deeds in self.differences():
            yield {
                "here": {"rule": here.rule, "verdict": here.verb},
                "there": {"rule": there.rule, "verdict": there.verb},
                "count": count,
                "samples": [
                    {
                        "time": rfc3339(deed.time_ns),
                        "operation": deed.operation,
                        "on": deed.on,
                        "command": deed.command,
                    }
                    for deed in deeds
                ],
            }


def _weight(pair: Pair) -> int:
    """Order: refused by one only, then other differences."""
    return 1 if pair[0].refuses != pair[1].refuses else 0
