# SPDX-License-Identifier: MIT
"""The report of a dry run: findings with guesses, the same for the terminal, JSON and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.events.document import rfc3339
from enforcer.workbench.dryrun.doers import OTHERS, PLACES
from enforcer.workbench.dryrun.ordinary import Guess, Looks, guess
from enforcer.workbench.dryrun.verdict import broken, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from enforcer.workbench.dryrun.comparison import Contrast
    from enforcer.workbench.dryrun.document_types import (
        DoerDocument,
        FindingDocument,
        ReportDocument,
    )
    from enforcer.workbench.dryrun.doers import Doing, Subject
    from enforcer.workbench.dryrun.findings import DryRun, Finding
    from enforcer.workbench.dryrun.fixes import Fix, Fixes
    from enforcer.workbench.dryrun.programs import Programs

__all__ = ["Report", "SubjectReport", "as_document", "make_report"]


@attrs.frozen
class SubjectReport:
    """One doer, what it did, and what that looks like."""

    doer: Subject
    doing: Doing
    guess: Guess

    @property
    def facts(self) -> str:
        """What it is told apart by, beside its executable, as text."""
        doer = self.doer
        found = [f"user {doer.user}"]
        found += [f"from {doer.parent}"] if doer.parent else []
        found += [doer.unit] if doer.unit else []
        found += [f"container {doer.container[:12]}"] if doer.container else []
        found += [OTHERS] if self.doing.with_others else []
        return ", ".join(found)


@attrs.frozen(kw_only=True)
class Report:
    """
    What there is to say.

    Attributes:
        source: what was observed, in words.
        seconds: for how long.
        who: by the row of a finding, the most frequent first.
        permitted: records of what would have been permitted.
        lost: operations that could not be looked at.
        notes: sentences on what the report does not rest on.
        contrast: the difference to another set of policies.
    """

    source: str
    seconds: float
    findings: Sequence[Finding]
    who: Mapping[int, Sequence[SubjectReport]]
    permitted: int = 0
    lost: int = 0
    notes: Sequence[str] = ()
    contrast: Contrast | None = None
    operations: int | None = None

    @property
    def would_deny(self) -> int:
        """Operations that would have been denied."""
        return sum(finding.would_deny for finding in self.findings)

    @property
    def not_judged(self) -> int:
        """Operations of which nobody says what they look like, since there were too many doers."""
        return not_judged(self.findings)

    @property
    def would_kill(self) -> int:
        """Processes that would have been killed."""
        return sum(finding.would_kill for finding in self.findings)

    def looking(self, finding: Finding) -> dict[Looks, int]:
        """Count the operations of *finding* by what they look like."""
        counts = dict.fromkeys(Looks, 0)
        for each in self.who[finding.row]:
            counts[each.guess.looks] += each.doing.count
        return counts


def make_report(
    dry_run: DryRun,
    findings: Sequence[Finding],
    programs: Programs,
    *,
    source: str,
    seconds: float,
    lost: int = 0,
    notes: Sequence[str] = (),
    contrast: Contrast | None = None,
    operations: int | None = None,
) -> Report:
    """Guess what *findings* look like, and put everything together."""
    who = {
        finding.row: [
            SubjectReport(doer, doing, guess(doer, doing, programs))
            for doer, doing in sorted(finding.doers.kept.items(), key=lambda item: -item[1].count)
        ]
        for finding in findings
    }
    left_out = not_judged(findings)
    return Report(
        source=source,
        seconds=seconds,
        findings=findings,
        who=who,
        permitted=dry_run.permitted,
        lost=max(lost, dry_run.lost),
        notes=(*notes, _beyond(left_out)) if left_out else tuple(notes),
        contrast=contrast,
        operations=operations,
    )


def not_judged(findings: Iterable[Finding]) -> int:
    """Count the operations of *findings* whose doers had no place."""
    return sum(finding.doers.not_judged for finding in findings)


def _beyond(left_out: int) -> str:
    operations = "operation was" if left_out == 1 else "operations were"
    return (
        f"{left_out:,} {operations} not judged: a rule keeps {PLACES:,} programs by user, parent and "
        "unit, those first that may be ordinary"
    )


def as_document(report: Report, fixes: Fixes) -> ReportDocument:
    """Make the JSON object that ``dry-run --json`` prints."""
    document: ReportDocument = {
        "version": 1,
        "verdict": verdict(report),
        "wouldBreak": [
            {"name": each.name, "denials": each.denials, "kills": each.kills}
            for each in broken(report)
        ],
        "source": report.source,
        "seconds": round(report.seconds, 1),
        "wouldDeny": report.would_deny,
        "wouldKill": report.would_kill,
        "permitted": report.permitted,
        "lostRecords": report.lost,
        "notes": list(report.notes),
        "fixesLeftOut": fixes.left_out,
        "rules": [_rule(report, finding, fixes) for finding in report.findings],
    }
    if report.operations is not None:
        document["operations"] = report.operations
    if report.contrast is not None:
        document["difference"] = report.contrast.as_document()
    return document


def _rule(report: Report, finding: Finding, fixes: Fixes) -> FindingDocument:
    return {
        "policy": finding.origin.policy,
        "rule": finding.origin.rule,
        "place": finding.origin.place,
        "wouldDeny": finding.would_deny,
        "wouldKill": finding.would_kill,
        "byOnError": finding.on_error,
        "unrecorded": finding.unrecorded,
        "processes": dict(finding.processes.most_common()),
        "objects": dict(finding.objects.most_common()),
        "first": rfc3339(finding.first_ns),
        "last": rfc3339(finding.last_ns),
        "looks": {looks.value: count for looks, count in report.looking(finding).items()},
        "notJudged": finding.doers.not_judged,
        "by": [
            _who(each, fixes.by_doer.get((finding.row, place), ()))
            for place, each in enumerate(report.who[finding.row])
        ],
    }


def _who(each: SubjectReport, fixes: Sequence[Fix]) -> DoerDocument:
    doer, doing = each.doer, each.doing
    return {
        "exe": doer.exe,
        "parent": doer.parent or None,
        "user": doer.user,
        "unit": doer.unit or None,
        "container": doer.container or None,
        "withOthers": doing.with_others,
        "count": doing.count,
        "first": rfc3339(doing.first_ns),
        "last": rfc3339(doing.last_ns),
        "looks": each.guess.looks.value,
        "why": list(each.guess.why),
        "samples": [
            {
                "time": rfc3339(deed.time_ns),
                "operation": deed.operation,
                "on": deed.on,
                "command": deed.command,
            }
            for deed in doing.samples
        ],
        "fixes": [
            {
                "policy": fix.policy,
                "place": fix.place,
                "says": fix.says,
                "snippet": list(fix.snippet),
            }
            for fix in fixes
        ],
    }
