# SPDX-License-Identifier: MIT
"""Everything that one record says, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enforcer.ui.rows import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["lines_of", "lines_of_brief"]

Line = tuple[str, str]

_VERDICT = (
    "message",
    "policy",
    "rule",
    "place",
    "action",
    "enforced",
    "prevented",
    "errno",
    "signal",
)
_APART = frozenset(
    {*_VERDICT, "process", "parent", "ancestors", "object", "container", "pod", "matches"}
)
_NAMES = 16  # cells of the names of fields


def lines_of(record: Mapping[str, Any], explanation: Iterable[Line] = ()) -> Iterator[Line]:
    """
    Yield the lines of *record*, a whole one as JSON has it, each with its style.

    *explanation* is put where it belongs.
    """
    yield ("Verdict", "title")
    verdict = {key: record.get(key) for key in _VERDICT}
    if not record.get("enforced"):
        del verdict["errno"], verdict["signal"]  # nobody got them
    yield from _fields(verdict)
    yield from explanation
    yield from _said(record.get("matches") or ())
    yield ("", "")
    yield from _lineage(record)
    for title in ("object", "process", "parent", "container", "pod"):
        part = record.get(title)
        if part and any(value not in (None, [], "") for value in part.values()):
            yield ("", "")
            yield (title.capitalize(), "title")
            yield from _fields(part)
    yield ("", "")
    yield ("Record", "title")
    yield from _fields({key: value for key, value in record.items() if key not in _APART})


def lines_of_brief(event: Mapping[str, Any]) -> Iterator[Line]:
    """Yield the lines of an *event* of which only the short form is left."""
    yield ("Verdict", "title")
    yield from _fields({key: event.get(key) for key in (*_VERDICT, "effect", "id")})
    yield ("", "")
    yield from _lineage({**event, "parent": None})


def _said(matches: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    """Yield what each policy said, if more than one said something."""
    for number, match in enumerate(matches):
        if not number:
            yield ("", "")
            yield ("What policies said", "title")
        verdict = match["action"] if match["enforced"] else f"would {match['action']}"
        yield (f"  {verdict:<{_NAMES}} {clean(match['policy'])}/{clean(match['rule'])}", "")


def _lineage(record: Mapping[str, Any]) -> Iterator[Line]:
    """Yield who did it, below whom."""
    ancestors = record.get("ancestors") or [record["parent"]]
    yield ("Who", "title")
    for depth, actor in enumerate([*reversed(ancestors), record["process"]]):
        command = " ".join(clean(word) for word in actor.get("cmdline") or ())
        exe = clean(actor.get("exe") or actor.get("name") or "?")
        said = f"{'  ' * depth}  {exe}[{actor['pid']}]"
        yield (f"{said}  {command}" if command else said, "")


def _fields(values: Mapping[str, Any]) -> Iterator[Line]:
    for key, value in values.items():
        if value is None or value in ([], ""):
            continue
        yield (f"  {clean(key):<{_NAMES}} {_shown(value)}", "")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(clean(each) for each in value)
    return clean(value)
