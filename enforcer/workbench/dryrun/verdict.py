# SPDX-License-Identifier: MIT
"""The first sentence of a report: what would break if the policies were enforced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.amounts import plural
from enforcer.workbench.dryrun.ordinary import Looks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.workbench.dryrun.report import Report, SubjectReport

__all__ = ["Broken", "broken", "verdict"]

_NAMED = 3


@attrs.define
class Broken:
    """Something whose ordinary work would be refused: a unit, a container, else a program."""

    name: str
    denials: int = 0
    kills: int = 0

    @property
    def total(self) -> int:
        """Operations that would have been refused."""
        return self.denials + self.kills

    def __str__(self) -> str:
        counts = [(self.denials, "denial"), (self.kills, "kill")]
        said = [plural(number, word) for number, word in counts if number]
        return f"{self.name}: {' and '.join(said)}"


def broken(report: Report) -> list[Broken]:
    """List what looks ordinary and would be refused, the most frequent first."""
    found: dict[str, Broken] = {}
    for each in _doers(report):
        if each.guess.looks is Looks.ORDINARY:
            entry = found.setdefault(_name(each), Broken(_name(each)))
            entry.kills += each.doing.kills
            entry.denials += each.doing.count - each.doing.kills
    return sorted(found.values(), key=lambda each: -each.total)


def verdict(report: Report) -> str:
    """Say in a sentence what would break, and how much there is besides."""
    if not report.findings:
        return "Would refuse nothing of what happened"
    found = broken(report)
    others = _others(report)
    # Nothing is said of what nobody has judged: it may be ordinary.
    judged = " of what was judged" if report.not_judged else ""
    if not found:
        return "; ".join([f"Would break nothing that looks ordinary{judged}", *others])
    parts = [str(each) for each in found[:_NAMED]]
    if rest := found[_NAMED:]:
        total = sum(each.total for each in rest)
        parts.append(f"{len(rest):,} more: {plural(total, 'refusal')}")
    return "; ".join(
        [f"Would break {parts[0]}", *parts[1:], f"nothing else ordinary{judged}", *others]
    )


def _others(report: Report) -> list[str]:
    """Count what does not look ordinary, and what was not judged."""
    counts = {Looks.UNCLEAR: 0, Looks.UNUSUAL: 0}
    for each in _doers(report):
        if each.guess.looks in counts:
            counts[each.guess.looks] += each.doing.count
    said = {looks.value: number for looks, number in counts.items()}
    said["not judged"] = report.not_judged
    return [f"{word}: {number:,}" for word, number in said.items() if number]


def _doers(report: Report) -> Iterator[SubjectReport]:
    for each in report.who.values():
        yield from each


def _name(each: SubjectReport) -> str:
    doer = each.doer
    if doer.container:
        return f"container {doer.container[:12]}"
    return doer.unit if doer.unit.endswith(".service") else doer.exe
