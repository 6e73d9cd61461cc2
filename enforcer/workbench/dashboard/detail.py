# SPDX-License-Identifier: MIT
"""Everything that one record says, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.workbench.dashboard.rows import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from enforcer.events.document_types import (
        ActorDocument,
        BriefActor,
        BriefDocument,
        MatchDocument,
        PolicyMatchDocument,
    )
    from enforcer.runtime.control.policy_answers import PolicyDetail

__all__ = ["lines_of", "lines_of_brief", "lines_of_policy"]

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


def lines_of(record: MatchDocument, explanation: Iterable[Line] = ()) -> Iterator[Line]:
    """
    Yield the lines of *record*, a whole one as JSON has it, each with its style.

    *explanation* is put where it belongs.
    """
    every: Mapping[str, object] = record
    yield ("Verdict", "title")
    verdict = {key: every.get(key) for key in _VERDICT}
    if not record["enforced"]:
        del verdict["errno"], verdict["signal"]  # nobody got them
    yield from _fields(verdict)
    yield from explanation
    yield from _said(record.get("matches", ()))
    yield ("", "")
    yield from _lineage(record["ancestors"] or [record["parent"]], record["process"])
    for title in ("object", "process", "parent", "container", "pod"):
        part = every.get(title)
        if isinstance(part, dict) and any(v not in (None, [], "") for v in part.values()):
            yield ("", "")
            yield (title.capitalize(), "title")
            yield from _fields(part)
    yield ("", "")
    yield ("Record", "title")
    yield from _fields({key: value for key, value in every.items() if key not in _APART})


def lines_of_brief(event: BriefDocument) -> Iterator[Line]:
    """Yield the lines of an *event* of which only the short form is left."""
    every: Mapping[str, object] = event
    yield ("Verdict", "title")
    yield from _fields({key: every.get(key) for key in (*_VERDICT, "effect", "id")})
    yield ("", "")
    yield from _lineage(event["ancestors"], event["process"])


def lines_of_policy(policy: PolicyDetail) -> Iterator[Line]:
    """Yield the rules of *policy* with their counts, then the policy as it is active."""
    yield ("Rules", "title")
    yield (f"  {'refused':>9}  {'permitted':>9}  {'audited':>9}  rule", "dim")
    for row in policy["rows"]:
        permitted = row["enforced"] - row["refused"]
        counts = f"{row['refused']:>9,}  {permitted:>9,}  {row['audited']:>9,}"
        yield (f"  {counts}  {clean(row['rule'])}", "")
    yield ("", "")
    yield ("Policy", "title")
    mode = f"{policy['mode']}{', set at run time' if policy['modeSet'] else ''}"
    yield from _fields(
        {
            "mode": mode if policy["enabled"] else f"{mode}; disabled",
            "place": policy["place"],
            "added": "at run time" if policy["origin"] == "added" else None,
        }
    )
    yield ("", "")
    for line in policy["yaml"].splitlines()[1:]:  # the first is the place
        yield (f"  {clean(line)}", "")


def _said(matches: Iterable[PolicyMatchDocument]) -> Iterator[Line]:
    """Yield what each policy said, if more than one said something."""
    for number, match in enumerate(matches):
        if not number:
            yield ("", "")
            yield ("What policies said", "title")
        verdict = match["action"] if match["enforced"] else f"would {match['action']}"
        yield (f"  {verdict:<{_NAMES}} {clean(match['policy'])}/{clean(match['rule'])}", "")


def _lineage(
    ancestors: Sequence[ActorDocument | BriefActor], process: ActorDocument | BriefActor
) -> Iterator[Line]:
    """Yield who did it, below whom."""
    yield ("Who", "title")
    for depth, actor in enumerate([*reversed(ancestors), process]):
        words = actor.get("cmdline")
        command = " ".join(clean(word) for word in words) if isinstance(words, list) else ""
        exe = clean(actor["exe"] or actor["name"] or "?")
        said = f"{'  ' * depth}  {exe}[{actor['pid']}]"
        yield (f"{said}  {command}" if command else said, "")


def _fields(values: Mapping[str, object]) -> Iterator[Line]:
    for key, value in values.items():
        if value is None or value in ([], ""):
            continue
        yield (f"  {clean(key):<{_NAMES}} {_shown(value)}", "")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(clean(each) for each in value)
    return clean(value)
