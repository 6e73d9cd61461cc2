# SPDX-License-Identifier: MIT
"""The panels with lists: the newest denials and kills, what is most frequent, the policies."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from enforcer.ui.model import Focus
from enforcer.ui.rows import clean, fit, side_by_side

if TYPE_CHECKING:
    from enforcer.events.document_types import BriefDocument
    from enforcer.runtime.control.answers import PolicyState
    from enforcer.ui.model import Model
    from enforcer.ui.rows import Glyphs, Row

__all__ = ["clock", "events_panel", "heading", "policies_panel", "style_of", "tops_panel", "tree"]

_WIDE = 120  # cells from which an event takes one line
_OUTCOME = 11  # "would allow"
_STYLES = {
    **{name: name for name in ("killed", "denied", "logged", "allowed")},
    "attempted": "logged",
}


def heading(title: str, width: int, glyphs: Glyphs, note: str = "") -> Row:
    """Return a rule with a *title* at its beginning and a *note* at its end."""
    end = f" {note} " if note else ""
    head = f"{glyphs.rule}{glyphs.rule} {title} "
    room = width - len(head) - len(end) - 2
    return [
        (head, "title"),
        (glyphs.rule * max(0, room), "rule"),
        (end, "dim"),
        (glyphs.rule * 2, "rule"),
    ]


def clock(time: str) -> str:
    """Write the time of a record as a clock here shows it."""
    return f"{datetime.fromisoformat(time).astimezone():%H:%M:%S}"


def style_of(outcome: str) -> str:
    """Return the style of what became of a verdict."""
    return _STYLES.get(outcome, "audited")


def tree(event: BriefDocument, glyphs: Glyphs) -> str:
    """Write who did it, the oldest known ancestor first."""
    actors = [*reversed(event["ancestors"]), event["process"]]
    return f" {glyphs.below} ".join(
        f"{clean(actor['name'] or '?')}[{actor['pid']}]" for actor in actors
    )


# ---- Events -----------------------------------------------------------------------------------


def events_panel(model: Model, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Draw the newest denials and kills; *height* includes the heading."""
    events = model.events()
    total = len(model.picture.events)
    note = f"{len(events)} of {total}" if model.search.text else f"{total} kept"
    if model.search.text:
        note = f"filter: {clean(model.search.text)} {glyphs.dot} {note}"
    rows = [heading("Denials and kills, newest first", width, glyphs, note)]
    lines = 1 if width >= _WIDE else 2
    room = max(1, (height - 1) // lines)
    place = model.place(events)
    first = max(0, min(place - room // 2, len(events) - room))
    for number, event in enumerate(events[first : first + room], start=first):
        is_chosen = number == place and model.focus is Focus.EVENTS
        rows += _event(event, width, glyphs, is_chosen=is_chosen, lines=lines)
    if not events:
        rows.append([("   none match the filter" if model.search.text else "   none yet", "dim")])
    return rows[:height]


def _event(
    event: BriefDocument, width: int, glyphs: Glyphs, *, is_chosen: bool, lines: int
) -> list[Row]:
    chosen = "chosen" if is_chosen else ""
    outcome = event["outcome"]
    head: Row = [
        (f"{glyphs.marker if is_chosen else ' '} ", ""),
        (f"{clock(event['time'])} ", chosen or "dim"),
        (f"{outcome:<{_OUTCOME}} ", chosen or style_of(outcome)),
    ]
    room = width - 2 - 9 - _OUTCOME - 1
    who, deed = tree(event, glyphs), f"{event['operation']} {clean(event['target'])}"
    rule = clean(f"{event['policy']}/{event['rule']}")
    effect = " ".join(event["effect"])
    reason = clean(event["message"])
    if lines == 1:
        cells = [room * share // 100 for share in (24, 30, 20)]
        cells.append(room - sum(cells))
        parts = (who, deed, rule, f"{effect}: {reason}" if effect else reason)
        for number, (part, cell) in enumerate(zip(parts, cells, strict=True)):
            text = fit(part, cell - 1, glyphs, keep_end=number == 0)
            head.append((f"{text} ", chosen))
        return [head]
    head.append((f"{effect:<13} {fit(who, room - 14, glyphs, keep_end=True)}", chosen))
    room = width - 11
    cells = [room * share // 100 for share in (40, 28)]
    cells.append(room - sum(cells))
    second: Row = [(" " * 11, "")]
    for part, cell, style in zip((deed, rule, reason), cells, ("", "name", "dim"), strict=True):
        second.append((f"{fit(part, cell - 1, glyphs)} ", style))
    return [head, second]


# ---- The most frequent ------------------------------------------------------------------------


def tops_panel(model: Model, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Draw the most frequent rules, binaries, containers and paths of late."""
    tops = model.picture.tops
    kinds = [("rules", "Rules"), ("binaries", "Binaries"), ("paths", "Paths")]
    if tops.get("containers"):
        kinds.insert(2, ("containers", "Containers"))
    share = (width - len(kinds) + 1) // len(kinds)
    widths = [share] * (len(kinds) - 1)
    widths.append(width - len(kinds) + 1 - sum(widths))
    blocks = []
    for (kind, title), cells in zip(kinds, widths, strict=True):
        rows = [heading(f"{title}, 5 min" if cells > 24 else title, cells, glyphs)]
        for name, count in tops.get(kind, ())[: height - 1]:
            number = short(count)
            shown = clean(name)[:12] if kind == "containers" and cells < 40 else clean(name)
            keep_end = kind in {"binaries", "paths"}
            text = fit(shown, cells - 7, glyphs, keep_end=keep_end)
            rows.append([(text, ""), (f"{number:>7}", "name")])
        blocks.append((rows, cells))
    joined = side_by_side(blocks, glyphs)
    return (joined + [[]] * height)[:height]


def short(count: float) -> str:
    """Write a number in at most six cells."""
    if count < 10 and count != int(count):
        return f"{count:.1f}"
    if count < 100_000:
        return f"{count:,.0f}"
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if count < 1000 * size:
            return f"{count / size:.1f}{unit}"
    return f"{count / 1e12:.1f}T"


# ---- Policies ---------------------------------------------------------------------------------


def policies_panel(model: Model, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Draw the policies with mode and counts."""
    policies = model.picture.policies
    health = model.picture.health
    count, note = len(policies), ""
    if health is not None:
        count, note = health.get("policyCount", count), f"generation {health['generation']}"
    title = f"Policies ({count})" if count else "Policies"
    rows = [heading(title, width, glyphs, note)]
    selected = model.selected_policy()
    name = selected["name"] if selected is not None else None
    place = next((n for n, policy in enumerate(policies) if policy["name"] == name), 0)
    room = height - 1
    first = max(0, min(place - room // 2, len(policies) - room))
    numbers = width >= 60
    for policy in policies[first : first + room]:
        is_chosen = policy["name"] == name and model.focus is Focus.POLICIES
        style = "chosen" if is_chosen else ""
        mode = policy["mode"] if policy["enabled"] else "disabled"
        mode += "*" if policy["modeSet"] else ""
        acted, would = short(policy["enforced"]), short(policy["audited"])
        end = f"{acted:>6} acted {would:>6} would" if numbers else f"{acted:>6} {would:>6}"
        cells = width - 2 - 10 - len(end) - 1
        rows.append(
            [
                (f"{glyphs.marker if is_chosen else ' '} ", ""),
                (f"{fit(clean(policy['name']), cells, glyphs)} ", style or "name"),
                (f"{mode:<10}", style or _mode_style(policy)),
                (end, style),
            ]
        )
    return rows


def _mode_style(policy: PolicyState) -> str:
    if not policy["enabled"]:
        return "dim"
    return "good" if policy["mode"] == "enforce" else "audited"
