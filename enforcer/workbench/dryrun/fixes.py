# SPDX-License-Identifier: MIT
"""
What would let go on what a dry run has found: the changes that ``explain`` proposes, one after another.

Each change is made before the next operation is looked at, so that nothing is proposed twice. For what
looks unusual nothing is proposed: a rule that allows it should be written by somebody who has looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer.compiler.host import LocalHost
from enforcer.events.document import as_document
from enforcer.policy.model.policy import Mode, PolicySet
from enforcer.policy.writers.printer import print_policies
from enforcer.workbench.dryrun.ordinary import Looks
from enforcer.workbench.explain.access import RecordError
from enforcer.workbench.explain.explanation import explain
from enforcer.workbench.explain.logic import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from enforcer.compiler import Host
    from enforcer.events.types import Record
    from enforcer.policy.model.policy import Policy
    from enforcer.workbench.dryrun.report import Report, SubjectReport
    from enforcer.workbench.explain.change import Change
    from enforcer.workbench.explain.explanation import Explanation

__all__ = ["DOERS", "Fix", "Fixes"]

DOERS: Final = 20
"""Of each rule, the most frequent ones for which changes are proposed."""

_MOST: Final = 50_000  # rules to judge, over all operations: some ten seconds


@attrs.frozen
class Fix:
    """
    One change of one policy.

    Attributes:
        place: where in its file.
        says: what to do there, in a sentence.
        snippet: lines of YAML to put there, if any.
    """

    policy: str
    place: str
    says: str
    snippet: tuple[str, ...]


@attrs.define(eq=False, repr=False)
class Fixes:
    """
    The fixes for a report.

    Attributes:
        policies: those of the dry run, with the changes that were proposed so far.
        work: rules that may still be judged.
        by_doer: what is proposed for each doer of each finding, by the row of the finding and its place.
        left_out: operations for which nothing was looked for, since that would have taken too long.
    """

    policies: PolicySet
    work: int = _MOST
    by_doer: dict[tuple[int, int], list[Fix]] = attrs.field(factory=dict, init=False)
    left_out: int = attrs.field(default=0, init=False)
    _host: Host = attrs.field(factory=LocalHost.read, init=False)

    @classmethod
    def of(cls, policies: PolicySet, report: Report, *, work: int = _MOST) -> Fixes:
        """Propose changes of *policies* for what *report* has found, for so much *work*."""
        fixes = cls(policies, work)
        for row, place, each in _by_frequency(report):
            fixes.by_doer[row, place] = list(fixes._propose(each))
        return fixes

    @property
    def number(self) -> int:
        """How many there are."""
        return sum(len(each) for each in self.by_doer.values())

    @property
    def text(self) -> str:
        """The changed policies, to be used in place of those that were tried."""
        return print_policies(self.policies.policies)

    def _propose(self, each: SubjectReport) -> Iterator[Fix]:
        for deed in each.doing.samples:
            if deed.record is None:
                continue
            if self.work < 0:
                self.left_out += 1
                continue
            self.work -= sum(len(policy.rules) for policy in self.policies.policies)
            yield from self._fix(deed.record)

    def _fix(self, record: Record) -> Iterator[Fix]:
        try:
            found = explain(as_document(record), _audited(self.policies), self._host)
        except RecordError:
            return  # the record says too little of this operation: nothing can be proposed
        for refusal in found.refusals:
            if refusal.answer is found.decided and _is_let_go(found):
                continue
            change = _best(refusal.changes)
            if change is not None:
                name = refusal.answer.entry.policy.name
                self.policies = _replaced(self.policies, change.policy)
                yield Fix(name, str(change.place), change.says, change.snippet)


def _by_frequency(report: Report) -> Iterator[tuple[int, int, SubjectReport]]:
    """Yield row, place and doer: the most frequent of every finding, then the next, if it is not unusual."""
    for place in range(DOERS):
        for finding in report.findings:
            for each in report.who[finding.row][place : place + 1]:
                if each.guess.looks is not Looks.UNUSUAL:
                    yield finding.row, place, each


def _is_let_go(found: Explanation) -> bool:
    """Tell whether the changes so far let go on what the rule of the record has refused."""
    is_changed = found.decided is not None and found.decided.holds is Truth.FALSE
    return is_changed or any(answer.matches for answer in found.before)


def _best(changes: Sequence[Change]) -> Change | None:
    """Choose a rule of its own, which a reader sees and can remove; else what there is."""
    return next((change for change in changes if change.snippet), next(iter(changes), None))


def _audited(policies: PolicySet) -> PolicySet:
    """Put *policies* in the mode in which they have decided."""
    return PolicySet(tuple(attrs.evolve(each, mode=Mode.AUDIT) for each in policies.policies))


def _replaced(policies: PolicySet, new: Policy) -> PolicySet:
    """Put *new* in the place of the policy of its name, in the mode that this one has."""
    return PolicySet(
        tuple(
            attrs.evolve(new, mode=old.mode) if old.name == new.name else old
            for old in policies.policies
        )
    )
