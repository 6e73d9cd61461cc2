# SPDX-License-Identifier: MIT
"""
Whether what a page prints is what came out, but for what differs each time.

These are alike, whatever they are:

- times of day (``14:02:11``), dates, and moments as RFC 3339 writes them;
- process ids (``[4711]``, ``pid 812``), and the 33 digits of a record's id;
- durations (``1 m 12 s``, ``0.3 ms``, ``60s ago``) and sizes (``10.4 KiB``);
- versions (``0.1.0``, ``1.5``, ``6.12.43``) and the ABI, each behind its name;
- how many spaces stand between columns, where they are several.

``…`` in a page stands for anything within a line, and for any lines where it is the whole line.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

__all__ = ["ELLIPSIS", "differ", "is_alike", "merged"]

ELLIPSIS = "…"

_DURATION = r"\d+(?:\.\d+)? (?:ns|µs|ms|s|m|h|d)(?: \d\d? (?:s|m|h))*"
# Longer ones first: what one of them has taken, no other looks at.
_ALIKE = (
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?",
    r"\d{4}-\d\d-\d\d",
    r"\d\d:\d\d:\d\d",
    r"\[\d+\]",
    r"pid \d+",
    r"\b[0-9a-f]{8}(?:-[0-9a-f]+){2,}\b",
    r"\b\d+(?:\.\d+)? [KMG]iB",
    r"(?<=^kernel )\S+$",
    r"(?<=^libbpf )\S+$",
    r"(?<=^ABI )\S+$",
    r"(?<=^enforcer )\d\S+$",
    rf"\b{_DURATION}(?!\w)",
)
_SPACES = re.compile(r" {2,}")
_ANY = re.compile("|".join(f"({pattern})" for pattern in _ALIKE))


def is_alike(printed: Sequence[str], came: Sequence[str]) -> bool:
    """Tell whether the lines *printed* in a page stand for those that *came*."""
    reached = {0}
    for line in printed:
        if line == ELLIPSIS:
            reached = {end for end in range(len(came) + 1) if reached and end >= min(reached)}
        else:
            stands_for = _pattern(line).fullmatch
            reached = {at + 1 for at in reached if at < len(came) and stands_for(came[at])}
    return len(came) in reached


def merged(printed: Sequence[str], came: Sequence[str]) -> list[str]:
    """Return what to print for *came*: lines of *printed* that still hold, and what is new."""
    if is_alike(printed, came):
        return list(printed)
    return [line for gap, held in _parts(printed, came) for line in (*_between(*gap), *held)]


def differ(printed: Sequence[str], came: Sequence[str]) -> list[str]:
    """Return the differences as lines with ``-`` and ``+``; none if they are alike."""
    if is_alike(printed, came):
        return []
    changes = ((old, _between(old, new)) for (old, new), _ in _parts(printed, came))
    return [
        line
        for old, new in changes
        if list(old) != new
        for line in (*(f"-{each}" for each in old), *(f"+{each}" for each in new))
    ]


_Gap = tuple[Sequence[str], Sequence[str]]


def _parts(printed: Sequence[str], came: Sequence[str]) -> Iterator[tuple[_Gap, Sequence[str]]]:
    """Yield what stands before each line that holds, as printed and as it came, and that line; then the rest."""
    old = new = 0
    for at, there in [*_pairs(printed, came), (len(printed), len(came))]:
        yield (printed[old:at], came[new:there]), printed[at : at + 1]
        old, new = at + 1, there + 1


def _between(old: Sequence[str], came: Sequence[str]) -> list[str]:
    """What stands between two lines that hold: what came, with as little of it as was printed before."""
    if ELLIPSIS not in old:
        return list(came)
    ahead = list(old).index(ELLIPSIS)
    behind = len(old) - 1 - list(reversed(old)).index(ELLIPSIS)
    tail = min(len(old) - 1 - behind, max(0, len(came) - ahead))
    return [*came[:ahead], ELLIPSIS, *came[len(came) - tail :]]


def _pairs(printed: Sequence[str], came: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of lines that stand for each other, as many as there are in one order."""
    patterns = [None if line == ELLIPSIS else _pattern(line) for line in printed]
    best = [[0] * (len(came) + 1) for _ in range(len(printed) + 1)]
    holds = [[bool(p and p.fullmatch(line)) for line in came] for p in patterns]
    for i in reversed(range(len(printed))):
        for j in reversed(range(len(came))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], holds[i][j] + best[i + 1][j + 1])
    found, i, j = [], 0, 0
    while i < len(printed) and j < len(came):
        if holds[i][j] and best[i][j] == 1 + best[i + 1][j + 1]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


@functools.cache
def _pattern(line: str) -> re.Pattern[str]:
    """Return what the *line* of a page stands for."""
    parts, end = [], 0
    line = line.rstrip()
    for found in _ANY.finditer(line):
        parts.append(_exactly(line[end : found.start()]))
        kind = _ALIKE[(found.lastindex or 1) - 1]
        parts.append(f"(?:{kind})")
        end = found.end()
    return re.compile("".join([*parts, _exactly(line[end:])]))


def _exactly(text: str) -> str:
    parts = (_SPACES.split(part) for part in text.split(ELLIPSIS))
    return ".*".join(" {2,}".join(map(re.escape, part)) for part in parts)
