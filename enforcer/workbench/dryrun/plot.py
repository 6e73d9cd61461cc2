# SPDX-License-Identifier: MIT
"""Plots as inline SVG: no scripts, no fonts, nothing from elsewhere. All text is escaped here."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.workbench.dryrun.findings import Timeline

__all__ = ["bars", "clock", "timeline"]

_WIDTH, _HEAD, _HEIGHT, _FOOT = 720, 16, 96, 16
_BAR: Final = 18
_LABEL: Final = 300


def clock(time_ns: int, *, with_day: bool = False) -> str:
    """Write a time of day, UTC."""
    moment = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if with_day else f"{moment:%H:%M:%S}"


def timeline(line: Timeline, first_ns: int, last_ns: int, title: str) -> str:
    """Draw how often something happened between *first_ns* and *last_ns*, which all plots share."""
    points = line.points()
    most = max((count for _, count in points), default=1)
    begin = min([first_ns, *(time for time, _ in points)])
    span = max(last_ns - begin, line.step_ns, 1)
    width = max(2.0, _WIDTH * line.step_ns / (span + line.step_ns) - 1)
    room = _HEIGHT - _HEAD - _FOOT
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">',
        f'<line class="axis" x1="0" y1="{_HEIGHT - _FOOT}" x2="{_WIDTH}" y2="{_HEIGHT - _FOOT}"/>',
    ]
    for time, count in points:
        x = (time - begin) / (span + line.step_ns) * _WIDTH
        height = max(1.5, room * count / most)
        y = _HEIGHT - _FOOT - height
        parts.append(
            f'<rect class="bar" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
            f"<title>{escape(clock(time))}: {count}</title></rect>"
        )
    parts += [
        f'<text x="0" y="{_HEIGHT - 3}">{clock(begin)}</text>',
        f'<text x="{_WIDTH}" y="{_HEIGHT - 3}" text-anchor="end">{clock(max(last_ns, begin))}</text>',
        f'<text x="{_WIDTH}" y="10" text-anchor="end">at most {most:,} in {_span(line.step_ns)}</text>',
        "</svg>",
    ]
    return "".join(parts)


def bars(rows: Sequence[tuple[str, int, str]], title: str) -> str:
    """Draw a horizontal bar for each label, number and class."""
    most = max((count for _, count, _ in rows), default=1) or 1
    height = len(rows) * _BAR + 4
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}">'
    ]
    for at, (label, count, kind) in enumerate(rows):
        y = at * _BAR + 2
        width = (_WIDTH - _LABEL - 70) * count / most
        parts.append(
            f'<text x="{_LABEL - 6}" y="{y + 12}" text-anchor="end">{escape(_short(label))}'
            f"<title>{escape(label)}</title></text>"
            f'<rect class="{escape(kind, quote=True)}" x="{_LABEL}" y="{y + 2}" '
            f'width="{max(1.0, width):.1f}" height="{_BAR - 5}"/>'
            f'<text x="{_LABEL + width + 5:.1f}" y="{y + 12}">{count:,}</text>'
        )
    return "".join([*parts, "</svg>"])


def _short(label: str, most: int = 44) -> str:
    return label if len(label) <= most else "…" + label[-most + 1 :]


def _span(step_ns: int) -> str:
    seconds = step_ns // 1_000_000_000
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
