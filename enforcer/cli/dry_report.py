# SPDX-License-Identifier: MIT
"""The report of a dry run on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.cli.output import console, plural, span

if TYPE_CHECKING:
    from collections import Counter

    from rich.table import Table

    from enforcer.dryrun.comparison import Contrast
    from enforcer.dryrun.findings import Finding
    from enforcer.dryrun.report import Report, SubjectReport

__all__ = ["show"]

_SHOWN = 3  # processes and objects by rule; --json has all
_PAIRS = 20


def show(report: Report) -> None:
    """Print *report*."""
    out = console()
    if report.findings:
        out.print(_table(report))
        out.print(_who(report))
    if report.contrast is not None:
        _show_contrast(report.contrast)
    looked = f", of {report.operations:,} recorded" if report.operations is not None else ""
    out.print(
        f"in {span(report.seconds)}: {plural(report.would_deny, 'operation')} would have been denied, "
        f"{plural(report.would_kill, 'process')} killed{looked}; "
        f"{plural(report.permitted, 'record')} of permitted operations"
    )
    for note in report.notes:
        out.print(f"note: {_plain(note)}")


def _table(report: Report) -> Table:
    from rich.table import Table

    table = Table(
        "rule",
        "would deny",
        "would kill",
        "by",
        "on",
        "first",
        "last",
        title="What these policies would have refused",
        title_justify="left",
    )
    for each in report.findings:
        table.add_row(
            f"{each.origin.policy}/{each.origin.rule}\n{each.origin.place}",
            f"{each.would_deny:,}",
            f"{each.would_kill:,}",
            _most(each.processes),
            _most(each.objects),
            _clock(each.first_ns),
            _clock(each.last_ns),
        )
    return table


def _who(report: Report) -> Table:
    from rich.table import Table

    table = Table(
        "rule",
        "by",
        "times",
        "looks",
        "why",
        "for example",
        title="By whom, and whether it looks like ordinary work of the system (a guess)",
        title_justify="left",
    )
    for finding in report.findings:
        shown = report.who[finding.row]
        for each in shown[:_SHOWN]:
            table.add_row(
                finding.origin.rule,
                _doer(each),
                f"{each.doing.count:,}",
                each.guess.looks.value,
                "\n".join(map(_plain, each.guess.why)),
                _sample(each),
            )
        _add_rest(table, finding, len(shown) - _SHOWN)
    return table


def _add_rest(table: Table, finding: Finding, rest: int) -> None:
    if rest > 0:
        table.add_row(finding.origin.rule, f"and {rest:,} more", "", "", "", "")


def _doer(each: SubjectReport) -> str:
    doer = each.doer
    lines = [_plain(doer.exe), f"user {_plain(doer.user)}"]
    lines += [f"from {_plain(doer.parent)}"] if doer.parent else []
    lines += [_plain(doer.unit)] if doer.unit else []
    return "\n".join(lines)


def _sample(each: SubjectReport) -> str:
    for deed in each.doing.samples:
        return f"{_plain(deed.command[:200])}\n{deed.operation} {_plain(deed.on[:200])}"
    return ""


def _show_contrast(contrast: Contrast) -> None:
    from rich.table import Table

    out = console()
    found = contrast.differences()
    if found:
        table = Table(
            "these",
            "the others",
            "times",
            "for example",
            title="Where the two sets of policies differ",
            title_justify="left",
        )
        for (here, there), count, deeds in found[:_PAIRS]:
            example = (
                f"{_plain(deeds[0].command[:200])}\n{_plain(deeds[0].on[:200])}" if deeds else ""
            )
            table.add_row(str(here), str(there), f"{count:,}", example)
        out.print(table)
        if len(found) > _PAIRS:
            out.print(f"and {len(found) - _PAIRS:,} more, which --json lists")
    sums = contrast.sums()
    ours, theirs = sums["onlyHere"], sums["onlyThere"]
    out.print(
        f"only these policies would deny {ours['wouldDeny']:,}, kill {ours['wouldKill']:,}, log "
        f"{ours['wouldLog']:,}; only the others would deny {theirs['wouldDeny']:,}, kill "
        f"{theirs['wouldKill']:,}, log {theirs['wouldLog']:,}; both decide the same on "
        f"{contrast.alike:,}"
    )


def _most(counter: Counter[str]) -> str:
    shown = [f"{_plain(key)} ({count:,})" for key, count in counter.most_common(_SHOWN)]
    if len(counter) > _SHOWN:
        shown.append(f"and {len(counter) - _SHOWN:,} more")
    return "\n".join(shown)


def _plain(text: str) -> str:
    from enforcer.identity.text import neutral

    return neutral(text)


def _clock(time_ns: int) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000).astimezone():%H:%M:%S}"
