# SPDX-License-Identifier: MIT
"""The whole screen: which panels, how large, for any size of terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.workbench.dashboard.health import head, health_rows, rates_panel
from enforcer.workbench.dashboard.lists import (
    clock,
    events_panel,
    policies_panel,
    policies_width,
    style_of,
    tops_panel,
)
from enforcer.workbench.dashboard.model import Focus, View
from enforcer.workbench.dashboard.rows import Frame, Glyphs, clean, fitted, fold, side_by_side
from enforcer.workbench.dashboard.search import KEYS, unknown_keys

if TYPE_CHECKING:
    from enforcer.events.document_types import BriefDocument
    from enforcer.workbench.dashboard.model import Model
    from enforcer.workbench.dashboard.rows import Row

__all__ = ["LEAST", "draw"]

LEAST = (40, 10)
"""Columns and lines below which nothing sensible can be shown."""

_UPPER = 6  # lines of the rates, with their heading
_UPPER_FROM = 16  # lines of a screen that has room for them
_TOPS_FROM = 20
_KEYS_FROM = 80  # cells that all keys of the lists take
_BESIDE_FROM = 72  # cells of a screen on which two panels, or three, have room beside each other

_HELP = (
    ("up down, k j", "move; also PgUp PgDn Home End"),
    ("Enter", "all about the selected event, and what would allow it;"),
    ("", "of the selected policy its rules, with counts"),
    ("Tab", "switch between events and policies"),
    ("/", "filter the events: word must occur, -word must not,"),
    ("", "key:word in that field only. Enter keeps it, Esc drops it. Keys:"),
    ("", " ".join(KEYS)),
    ("Space, p", "pause the display; again: go on"),
    ("m", "switch the selected policy to audit, or back to enforce; asks first"),
    ("Esc", "back; in the list: clear the filter, show the newest event"),
    ("Ctrl-L", "redraw the screen"),
    ("?, h", "this help; again: back"),
    ("q, Ctrl-C", "quit; enforcement goes on"),
)


_HELP_NOTES = (
    "Rates and most frequent values count records. The kernel counts policies exactly.",
    "Of many denials in one second, the newest of each rule are shown.",
    "In policies, * marks a mode that was set at run time.",
)


def draw(model: Model, width: int, height: int, glyphs: Glyphs, now: float) -> Frame:
    """Draw *model* as it is at *now* (monotonic seconds) on *width* by *height* cells."""
    if width < LEAST[0] or height < LEAST[1]:
        rows: list[Row] = [[(f"too small: needs {LEAST[0]}x{LEAST[1]}", "")]]
    else:
        body = height - 2
        match model.view:
            case View.HELP:
                middle = _help(width)
            case View.DETAIL:
                middle = _detail(model, width, body)
            case _:
                middle = _lists(model, width, body, glyphs)
        middle = (middle + [[]] * body)[:body]
        rows = [head(model, width, glyphs, now), *middle, _foot(model, width)]
    rows = (rows + [[]] * height)[:height]
    return Frame(tuple(fitted(row, width, glyphs) for row in rows))


def _lists(model: Model, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    rows: list[Row] = []
    tops = 0
    is_narrow = width < _BESIDE_FROM
    if height >= _TOPS_FROM and not is_narrow:
        tops = 4 + min(7, max(0, (height - 22) // 3))
    if height >= _UPPER_FROM and not is_narrow:
        wanted = max(policies_width(model), width * 30 // 100)
        left = width - 1 - min(wanted, width * 45 // 100)
        rows += side_by_side(
            [
                (rates_panel(model, left, glyphs), left),
                (policies_panel(model, width - left - 1, _UPPER, glyphs), width - left - 1),
            ],
            glyphs,
        )
    elif model.focus is Focus.POLICIES:
        return [
            *policies_panel(model, width, height - 2, glyphs),
            *health_rows(model, glyphs),
        ]
    elif height >= _UPPER_FROM:
        rows += rates_panel(model, width, glyphs)
    room = height - len(rows) - tops - 2
    events = events_panel(model, width, room, glyphs)
    rows += (events + [[]] * room)[:room]
    if tops:
        rows += tops_panel(model, width, tops, glyphs)
    return rows + health_rows(model, glyphs)


def _detail(model: Model, width: int, height: int) -> list[Row]:
    detail = model.detail
    if detail is None:
        return []
    rows = _of_policy(detail.of) if isinstance(detail.of, str) else _of_event(detail.of)
    lines: list[Row] = []
    for text, style in detail.lines:
        indent = len(text) - len(text.lstrip(" "))
        folded = fold(text[indent:], width - 2 - indent)
        lines += [[(" " * (indent + 1) + part, style)] for part in folded]
    if detail.is_waiting:
        lines.append([(" asking the daemon", "dim")])
    room = height - len(rows)
    detail.scroll = max(0, min(detail.scroll, len(lines) - room))
    return rows + lines[detail.scroll : detail.scroll + room]


def _of_event(event: BriefDocument) -> list[Row]:
    return [
        [
            (f" {clock(event['time'])} ", "dim"),
            (f"{event['outcome']} ", style_of(event["outcome"])),
            (f"{event['operation']} {clean(event['target'])} ", "title"),
            (f"by {clean(event['process']['name'])}[{event['process']['pid']}]", ""),
        ],
        [(f" {event['id']}", "dim")],
        [],
    ]


def _of_policy(name: str) -> list[Row]:
    return [[(f" policy {clean(name)}", "title")], []]


def _help(width: int) -> list[Row]:
    rows: list[Row] = [[], [("  Keys", "title")], []]
    for key, what in _HELP:
        for number, part in enumerate(fold(what, width - 17)):
            rows.append([(f"  {'' if number else key:<14}", "key"), (part, "")])
    rows.append([])
    for note in _HELP_NOTES:
        rows += [[(f"  {part}", "dim")] for part in fold(note, width - 3)]
    return rows


def _foot(model: Model, width: int) -> Row:
    if model.question is not None:
        name = clean(model.question.policy)
        effect = "its rules refuse" if model.question.mode == "enforce" else "nothing is refused"
        return [
            (f" Let policy {name} {model.question.mode}: {effect}? ", "warn"),
            ("y", "key"),
            (" yes, any other key: no", ""),
        ]
    if model.typing is not None:
        row: Row = [(" filter: ", "key"), (f"{clean(model.typing)}_", "")]
        if unknown := model.search.unknown:
            row.append((f"  {unknown_keys(unknown)}", "bad"))
        return row
    if model.said:
        return [(f" {clean(model.said)}", "bad" if model.is_said_badly else "good")]
    keys: tuple[tuple[str, str], ...]
    if model.view is View.DETAIL:
        keys = (("Esc", "back"), ("up down", "scroll"), ("m", "mode of its policy"), ("q", "quit"))
    elif model.view is View.HELP:
        keys = (("Esc, ?", "back"), ("q", "quit"))
    else:
        ends = (("?", "help"), ("q", "quit"))
        keys = (
            ("/", "filter"),
            ("Space", "pause"),
            ("Enter", "details" if model.focus is Focus.EVENTS else "rules"),
            ("Tab", "policies" if model.focus is Focus.EVENTS else "events"),
            ("m", "mode"),
        )
        # Help has all keys: where not all have room, it is the one that must not be cut.
        keys = (*ends, *keys) if width < _KEYS_FROM else (*keys, *ends)
    row = [(" ", "")]
    for key, what in keys:
        row += [(key, "key"), (f" {what}   " if width >= 100 else f" {what}  ", "dim")]
    return row
