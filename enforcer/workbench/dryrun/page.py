# SPDX-License-Identifier: MIT
"""
The report as one HTML file that needs nothing else.

Processes choose their names and arguments. So every text is escaped, and the page also forbids scripts
and content from elsewhere.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from enforcer.safe_text import neutral
from enforcer.workbench.dryrun.ordinary import Looks
from enforcer.workbench.dryrun.plot import bars, clock, timeline
from enforcer.workbench.dryrun.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from enforcer.workbench.dryrun.comparison import Contrast
    from enforcer.workbench.dryrun.doers import Deed
    from enforcer.workbench.dryrun.findings import Finding
    from enforcer.workbench.dryrun.report import Report, SubjectReport

__all__ = ["page"]

_WHO = 50  # doers by rule; JSON has all
_PAIRS = 200
_BARS = 12

_STYLE = """
:root{color-scheme:light dark;--ink:#1c1e21;--dim:#667;--line:#d5d8dd;--back:#fff;--card:#f6f7f9;
--ordinary:#3a8f5a;--unclear:#b98a1d;--unusual:#c0392b;--bar:#3d6fb4}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#9aa;--line:#3a3f47;--back:#16181b;
--card:#1f2226;--bar:#6a9be0}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:2rem auto;
max-width:60rem;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}
code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.dim{color:var(--dim)}.card{background:var(--card);border:1px solid var(--line);border-radius:8px;
padding:.8rem 1rem;margin:1rem 0}
table{border-collapse:collapse;width:100%;font-size:14px}
td,th{border-bottom:1px solid var(--line);padding:.3rem .5rem;text-align:left;vertical-align:top}
td:first-child{width:28%}td:last-child{width:36%}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
svg{width:100%;height:auto;display:block;margin:.4rem 0}svg text{font-size:11px;fill:var(--dim)}
.axis{stroke:var(--line)}rect.bar{fill:var(--bar)}
rect.ordinary{fill:var(--ordinary)}rect.unclear{fill:var(--unclear)}rect.unusual{fill:var(--unusual)}
.tag{border-radius:4px;padding:0 .4rem;color:#fff;font-size:12px}
.tag.ordinary{background:var(--ordinary)}.tag.unclear{background:var(--unclear)}
.tag.unusual{background:var(--unusual)}ul{margin:.2rem 0;padding-left:1.1rem}
"""


def page(report: Report) -> str:
    """Make the page."""
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    )
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>enforcer dry run</title><style>{_STYLE}</style></head><body>"
    yield "<h1>What these policies would have refused</h1>"
    yield f"<p><strong>{_text(verdict(report))}.</strong></p>"
    yield f"<p>Source: {_text(report.source)}, {report.seconds:,.1f} s. {_sums(report)}</p>"
    if report.notes:
        yield '<div class="card"><strong>Limits of this report</strong><ul>'
        yield from (f"<li>{_text(note)}</li>" for note in report.notes)
        yield "</ul></div>"
    if report.findings:
        yield _overview(report)
    first = min((finding.first_ns for finding in report.findings), default=0)
    last = max((finding.last_ns for finding in report.findings), default=0)
    for finding in report.findings:
        yield from _rule(report, finding, first, last)
    if not report.findings:
        yield "<p>Nothing would have been refused.</p>"
    if report.contrast is not None:
        yield from _contrast(report.contrast)
    yield (
        '<p class="dim">Times are UTC. “Ordinary” is a guess with its reasons; '
        "a person must decide.</p></body></html>"
    )


def _sums(report: Report) -> str:
    looked = f" of {report.operations:,} recorded" if report.operations is not None else ""
    return (
        f"{report.would_deny:,} operations would have been denied and {report.would_kill:,} "
        f"processes killed{looked}."
    )


def _overview(report: Report) -> str:
    rows = []
    for finding in sorted(report.findings, key=lambda each: -each.total)[:_BARS]:
        looking = report.looking(finding)
        most = max(Looks, key=lambda looks: looking[looks])
        name = f"{finding.origin.policy}/{finding.origin.rule}"
        rows.append((neutral(name), finding.total, most.value))
    legend = " ".join(f'<span class="tag {each.value}">{each.value}</span>' for each in Looks)
    drawn = bars(rows, "refusals by rule")
    return f'<div class="card">{drawn}<div class="dim">mostly: {legend}</div></div>'


def _rule(report: Report, finding: Finding, first: int, last: int) -> Iterator[str]:
    name = f"{finding.origin.policy}/{finding.origin.rule}"
    yield f"<h2>{_text(name)}</h2>"
    yield (
        f'<div class="dim"><code>{_text(finding.origin.place)}</code> · {_counts(finding)} · first '
        f"{clock(finding.first_ns, with_day=True)}, last {clock(finding.last_ns, with_day=True)}"
        f"{_doubts(finding)}</div>"
    )
    yield '<div class="card">' + timeline(finding.timeline, first, last, f"{name} over time")
    who = report.who[finding.row]
    rows = [(neutral(w.doer.exe), w.doing.count, w.guess.looks.value) for w in who[:_BARS]]
    yield bars(rows, f"{name} by program") + "</div>"
    yield (
        '<table><tr><th>by</th><th class="n">times</th><th>looks</th><th>why</th>'
        "<th>for example</th></tr>"
    )
    yield from map(_row, who[:_WHO])
    yield "</table>"
    if len(who) > _WHO:
        yield f'<p class="dim">and {len(who) - _WHO:,} more, which --json lists</p>'
    if finding.doers.not_judged:
        yield f'<p class="dim">and {finding.doers.not_judged:,} times others, who were not judged</p>'


def _counts(finding: Finding) -> str:
    words = (("deny", finding.would_deny), ("kill", finding.would_kill))
    return ", ".join(f"would {word} {count:,}" for word, count in words if count)


def _doubts(finding: Finding) -> str:
    said = ""
    if finding.on_error:
        said += f" · {finding.on_error:,} by onError: something could not be read"
    if finding.unrecorded:
        said += f" · {finding.unrecorded:,} more without a record"
    return said


def _row(each: SubjectReport) -> str:
    looks = each.guess.looks.value
    return (
        f'<tr><td><code>{_text(each.doer.exe)}</code><div class="dim">{_text(each.facts)}</div></td>'
        f'<td class="n">{each.doing.count:,}</td><td><span class="tag {looks}">{looks}</span></td>'
        f"<td>{_list(each.guess.why)}</td><td>{_samples(each.doing.samples[:3])}</td></tr>"
    )


def _list(sentences: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{_text(each)}</li>" for each in sentences) + "</ul>"


def _samples(deeds: Iterable[Deed]) -> str:
    shown = (
        f"<li>{clock(deed.time_ns)} <code>{_text(deed.command)}</code> "
        f"{_text(deed.operation)} <code>{_text(deed.on)}</code></li>"
        for deed in deeds
    )
    return "<ul>" + "".join(shown) + "</ul>"


def _contrast(contrast: Contrast) -> Iterator[str]:
    sums = contrast.sums()
    yield "<h2>Against the other set</h2>"
    yield (
        f"<p>Only these would deny {sums['onlyHere']['wouldDeny']:,} and kill "
        f"{sums['onlyHere']['wouldKill']:,}; only the others would deny "
        f"{sums['onlyThere']['wouldDeny']:,} and kill {sums['onlyThere']['wouldKill']:,}. "
        f"On {contrast.alike:,} operations both say the same.</p>"
    )
    found = contrast.differences()
    if found:
        yield (
            '<table><tr><th>these</th><th>the others</th><th class="n">times</th>'
            "<th>for example</th></tr>"
        )
        for (here, there), count, deeds in found[:_PAIRS]:
            yield (
                f"<tr><td>{_text(str(here))}</td><td>{_text(str(there))}</td>"
                f'<td class="n">{count:,}</td><td>{_samples(deeds[:3])}</td></tr>'
            )
        yield "</table>"


def _text(words: str) -> str:
    """Escape what a process or a policy wrote, and show what cannot be seen."""
    return escape(neutral(words), quote=True)
