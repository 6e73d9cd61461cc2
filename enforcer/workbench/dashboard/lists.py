# SPDX-License-Identifier: MIT
"""The panels with lists: the newest denials and kills, what is most frequent, the policies."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from enforcer.workbench.dashboard.model import Focus
from enforcer.workbench.dashboard.rows import clean, fit, side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.events.document_types import BriefDocument
    from enforcer.runtime.control.policy_answers import PolicyState
    from enforcer.workbench.dashboard.model import Model
    from enforcer.workbench.dashboard.rows import Glyphs, Row

__all__ = [
    "clock",
    "events_panel",
    "heading",
    "policies_panel",
    "policies_width",
    "shares",
    "style_of",
    "tops_panel",
    "tree",
]

_WIDE = 120  # cells from which an event takes one line
_ALIGNED = 60  # cells from which effects that are shorter than others can leave room empty
_EFFECT = 13  # "EPERM SIGKILL"
_OUTCOME = 11  # "would allow"
_HEAD = 2 + 9 + _OUTCOME + 1  # mark, time and outcome
_SECOND = 11  # where the second line of an event begins
_COLUMNS = 4  # of an event on one line
_STEP = 4
_REASON = 16  # cells that the last column of an event is left at least, if it wants them
_POLICIES = 35  # cells of the heading of the policies
_TITLE = 22  # cells that a heading takes besides its title
_MODE = 9  # "disabled*"
_COUNTS = 15  # how often a policy refused, and how often it decided in audit mode
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
        unknown = model.search.unknown
        text = clean(model.search.text) + (f" (no key {', '.join(unknown)})" if unknown else "")
        note = f"filter: {text} {glyphs.dot} {note}"
    rows = [heading("Denials and kills, newest first", width, glyphs, note)]
    lines = 1 if width >= _WIDE else 2
    room = max(1, (height - 1) // lines)
    place = model.place(events)
    first = max(0, min(place - room // 2, len(events) - room))
    seen = events[first : first + room]
    cells = _event_cells([_texts(event, glyphs, lines) for event in seen], width, lines)
    for number, event in enumerate(seen, start=first):
        is_chosen = number == place and model.focus is Focus.EVENTS
        rows += _event(event, width, cells, glyphs, is_chosen=is_chosen)
    if not events:
        rows.append([("   none match the filter" if model.search.text else "   none yet", "dim")])
    return rows[:height]


def _texts(event: BriefDocument, glyphs: Glyphs, lines: int) -> tuple[str, ...]:
    """Return what has a column of its own: on one line also who did it, and what the caller got."""
    deed = f"{event['operation']} {clean(event['target'])}"
    rule = clean(f"{event['policy']}/{event['rule']}")
    reason = clean(event["message"])
    if lines > 1:
        return deed, rule, reason
    effect = " ".join(event["effect"])
    return tree(event, glyphs), deed, rule, ": ".join(filter(None, (effect, reason)))


def _event_cells(texts: Sequence[Sequence[str]], width: int, lines: int) -> list[int]:
    room = width - (_HEAD if lines == 1 else _SECOND)
    *wanted, last = [max(map(len, column)) + 1 for column in zip(*texts, strict=True)] or [0]
    # One long message among many short ones must not cost what all events have.
    cells = shares(wanted, room - min(last, _REASON))
    spare = room - min(last, _REASON) - sum(cells)
    return [*cells, min(last, _REASON) + spare]


def _event(
    event: BriefDocument, width: int, cells: list[int], glyphs: Glyphs, *, is_chosen: bool
) -> list[Row]:
    """Draw one event: on one line, or if there are only three columns on two."""
    chosen = "chosen" if is_chosen else ""
    outcome = event["outcome"]
    head: Row = [
        (f"{glyphs.marker if is_chosen else ' '} ", ""),
        (f"{clock(event['time'])} ", chosen or "dim"),
        (f"{outcome:<{_OUTCOME}} ", chosen or style_of(outcome)),
    ]
    lines = 1 if len(cells) == _COLUMNS else 2
    texts = _texts(event, glyphs, lines)
    if lines == 1:
        for number, (text, cell) in enumerate(zip(texts, cells, strict=True)):
            head.append((f"{fit(text, cell - 1, glyphs, keep_end=number == 0)} ", chosen))
        return [head]
    effect = f"{' '.join(event['effect']):<{_EFFECT if width >= _ALIGNED else 0}} "
    actors = fit(tree(event, glyphs), width - _HEAD - len(effect), glyphs, keep_end=True)
    head.append((effect + actors, chosen))
    second: Row = [(" " * _SECOND, "")]
    for text, cell, style in zip(texts, cells, ("", "name", "dim"), strict=True):
        second.append((f"{fit(text, cell - 1, glyphs)} ", style))
    return [head, second]


def shares(wanted: Sequence[int], room: int) -> list[int]:
    """
    Divide *room* among columns that want so many cells.

    If it is too little, those that want least get it, and the others as much as each other. Wishes
    count in steps, so that the columns do not move with every new event.
    """
    wanted = [-(-cells // _STEP) * _STEP for cells in wanted]
    cells = [0] * len(wanted)
    left = room
    for place, column in enumerate(sorted(range(len(wanted)), key=wanted.__getitem__)):
        cells[column] = min(wanted[column], left // (len(wanted) - place))
        left -= cells[column]
    return cells


# ---- The most frequent ------------------------------------------------------------------------


def tops_panel(model: Model, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Draw the most frequent rules, binaries, containers and paths of late."""
    tops = model.picture.tops
    kinds = [("rules", "Rules"), ("binaries", "Binaries"), ("paths", "Paths")]
    if tops.get("containers"):
        kinds.insert(2, ("containers", "Containers"))
    wanted = [
        max([len(title) + _TITLE, *(len(clean(name)) + 8 for name, _ in tops.get(kind, ()))])
        for kind, title in kinds
    ]
    room = width - len(kinds) + 1
    widths = shares(wanted, room)
    widths[-1] += room - sum(widths)
    blocks = []
    for (kind, title), cells in zip(kinds, widths, strict=True):
        notes = [n for n in ("times, 5 min", "times", "n") if cells >= len(title) + len(n) + 8]
        rows = [heading(title, cells, glyphs, notes[0] if notes else "")]
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


def policies_width(model: Model) -> int:
    """Return how many cells the longest name of a policy takes with what stands beside it."""
    longest = max((len(clean(policy["name"])) for policy in model.picture.policies), default=0)
    return max(2 + longest + 1 + _MODE + _COUNTS, _POLICIES)


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
    room = height - 2
    first = max(0, min(place - room // 2, len(policies) - room))
    cells = width - 2 - _MODE - _COUNTS - 1
    heads = f"{'mode':<{_MODE}}{'refused':>7} {'audited':>7}"
    rows.append([(f"  {fit('name', cells, glyphs)} {heads}", "dim")])
    for policy in policies[first : first + room]:
        is_chosen = policy["name"] == name and model.focus is Focus.POLICIES
        style = "chosen" if is_chosen else ""
        mode = policy["mode"] if policy["enabled"] else "disabled"
        mode += "*" if policy["modeSet"] else ""
        end = f"{short(policy['refused']):>7} {short(policy['audited']):>7}"
        rows.append(
            [
                (f"{glyphs.marker if is_chosen else ' '} ", ""),
                (f"{fit(clean(policy['name']), cells, glyphs)} ", style or "name"),
                (f"{mode:<{_MODE}}", style or _mode_style(policy)),
                (end, style),
            ]
        )
    return rows


def _mode_style(policy: PolicyState) -> str:
    if not policy["enabled"]:
        return "dim"
    return "good" if policy["mode"] == "enforce" else "audited"
