# SPDX-License-Identifier: MIT
"""The report of a dry run on the terminal: the verdict first, then each finding with what would allow it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from enforcer.amounts import plural, span
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enforcer.workbench.dryrun.comparison import Contrast
    from enforcer.workbench.dryrun.findings import Finding
    from enforcer.workbench.dryrun.fixes import Fix, Fixes
    from enforcer.workbench.dryrun.report import Report, SubjectReport

__all__ = ["show"]

_WIDTH = 80
_SHOWN = 3  # programs by rule; --json has all
_OBJECTS = 2  # samples of each
_FIXES = 2
_PAIRS = 20
_LONGEST = 200  # characters of a command line


def show(report: Report, fixes: Fixes, renamed: Callable[[str], str] = str) -> None:
    """Print *report* with *fixes*; *renamed* returns a text with other names for places."""
    for line in _lines(report, fixes):
        print(renamed(line))


def _lines(report: Report, fixes: Fixes) -> Iterator[str]:
    from enforcer.workbench.dryrun.verdict import verdict

    yield from _wrapped(f"{verdict(report)}.")
    for finding in report.findings:
        yield ""
        yield from _finding(report, finding, fixes)
    if report.contrast is not None:
        yield ""
        yield from _contrast(report.contrast)
    yield ""
    looked = f", of {report.operations:,} recorded" if report.operations is not None else ""
    yield from _wrapped(
        f"in {span(report.seconds)}: {plural(report.would_deny, 'operation')} would have been "
        f"denied, {plural(report.would_kill, 'process')} killed{looked}; "
        f"{plural(report.permitted, 'record')} of permitted operations"
    )
    for note in (*report.notes, *_limits(fixes)):
        yield from _wrapped(f"note: {note}", after="  ")


def _limits(fixes: Fixes) -> Iterator[str]:
    if fixes.left_out:
        yield (
            f"for {plural(fixes.left_out, 'operation')} nothing was proposed, since that would take "
            "too long: make the changes so far, and run it again"
        )


# ---- One rule -----------------------------------------------------------------------------------


def _finding(report: Report, finding: Finding, fixes: Fixes) -> Iterator[str]:
    counts = [
        f"{number:,} {word}"
        for number, word in ((finding.would_deny, "denied"), (finding.would_kill, "killed"))
        if number
    ]
    moments = f"{_clock(finding.first_ns)} to {_clock(finding.last_ns)}"
    name = f"{finding.origin.policy}/{finding.origin.rule}"
    yield from _wrapped(f"{name}: {', '.join(counts)}, {moments}")
    yield from _wrapped(finding.origin.place, "  ")
    if finding.on_error:
        yield from _wrapped(f"{finding.on_error:,} by onError: something could not be read", "  ")
    if finding.unrecorded:
        yield from _wrapped(f"{finding.unrecorded:,} more without a record", "  ")
    who = report.who[finding.row]
    for place, each in enumerate(who[:_SHOWN]):
        yield from _doer(each, fixes.by_doer.get((finding.row, place), []))
    if len(who) > _SHOWN:
        yield f"  and {len(who) - _SHOWN:,} more programs, which --json lists"
    if finding.doers.not_judged:
        yield f"  and {finding.doers.not_judged:,} by others, who were not judged"


def _doer(each: SubjectReport, fixes: list[Fix]) -> Iterator[str]:
    doing = each.doing
    said = f"{doing.count:,} by {each.doer.exe}: {each.guess.looks.value}"
    yield from _wrapped(said, "  ", "    ")
    for why in each.guess.why:
        yield from _wrapped(f"- {why}", "    ", "      ")
    yield from _wrapped(each.facts, "    ")
    for deed in doing.samples[:_OBJECTS]:
        yield from _wrapped(f"{deed.operation} {deed.on[:_LONGEST]}", "    ", "      ")
    for deed in doing.samples[:1]:
        yield from _wrapped(f"by the command {deed.command[:_LONGEST]}", "    ", "      ")
    for fix in fixes[:_FIXES]:
        yield from _fix(fix)
    if len(fixes) > _FIXES:
        yield f"    and {len(fixes) - _FIXES:,} more changes, which --write-fixes makes"


def _fix(fix: Fix) -> Iterator[str]:
    yield from _wrapped(f"to allow it, at {fix.place}: {fix.says}", "    ", "      ")
    for line in fix.snippet:
        yield f"      {neutral(line)}"  # never folded: it is to be copied


# ---- Two sets -----------------------------------------------------------------------------------


def _contrast(contrast: Contrast) -> Iterator[str]:
    found = contrast.differences()
    if found:
        yield "Where the two sets of policies differ:"
    for (here, there), count, deeds in found[:_PAIRS]:
        yield from _wrapped(f"{count:,}: these {here}, the others {there}", "  ", "    ")
        for deed in deeds[:1]:
            example = f"{deed.operation} {deed.on[:_LONGEST]} by {deed.command[:_LONGEST]}"
            yield from _wrapped(example, "    ", "      ")
    if len(found) > _PAIRS:
        yield f"  and {len(found) - _PAIRS:,} more, which --json lists"
    sums = contrast.sums()
    ours, theirs = sums["onlyHere"], sums["onlyThere"]
    yield from _wrapped(
        f"only these policies would deny {ours['wouldDeny']:,}, kill {ours['wouldKill']:,}, log "
        f"{ours['wouldLog']:,}; only the others would deny {theirs['wouldDeny']:,}, kill "
        f"{theirs['wouldKill']:,}, log {theirs['wouldLog']:,}; both decide the same on "
        f"{contrast.alike:,}"
    )


# ---- Words --------------------------------------------------------------------------------------


def _wrapped(text: str, before: str = "", after: str | None = None) -> list[str]:
    """Fold *text* to the width of a terminal, but not within a word, such as a path."""
    return textwrap.wrap(
        neutral(text),
        _WIDTH,
        initial_indent=before,
        subsequent_indent=before if after is None else after,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _clock(time_ns: int) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000).astimezone():%H:%M:%S}"
