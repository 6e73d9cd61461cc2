# SPDX-License-Identifier: MIT
"""The panels of numbers: the head, the rates of verdicts, and the health of engine and daemon."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from enforcer.kernel_counters import COUNTERS
from enforcer.workbench.dashboard.history import ROWS, SPAN, spark
from enforcer.workbench.dashboard.lists import heading, short
from enforcer.workbench.dashboard.model import Link
from enforcer.workbench.dashboard.rows import clean, fit

if TYPE_CHECKING:
    from enforcer.runtime.control.watch_answers import BeatHealth
    from enforcer.workbench.dashboard.model import Model, Picture
    from enforcer.workbench.dashboard.rows import Glyphs, Piece, Row

__all__ = ["head", "health_rows", "rates_panel"]

_TROUBLES = {name: each.trouble for name, each in COUNTERS.items() if each.trouble}
"""What counters of the kernel side say if they are not 0."""


def head(model: Model, width: int, glyphs: Glyphs, now: float) -> Row:
    """Draw the first line: where, what is active, how things stand with the daemon."""
    health = model.picture.health
    said = [clean(model.host)]
    if health:
        said.append(_policies(model.picture))
        said.append(f"up {_span(health['uptimeSeconds'])}")
        if health.get("protected"):
            said.append("protected")
    badge = _badge(model, now)
    left = f" {glyphs.dot} ".join(said)
    room = width - len(" enforcer  ") - len(" ") - len(badge[0]) - 1
    return [(" enforcer  ", "title"), (f"{fit(left, room, glyphs)} ", ""), badge, (" ", "")]


def _policies(picture: Picture) -> str:
    health = picture.health
    if health is not None and (posture := health.get("posture")):
        return clean(posture["summary"])
    count = None if health is None else health.get("policyCount")
    return f"{len(picture.policies) if count is None else count} policies"


def _badge(model: Model, now: float) -> Piece:
    match model.link:
        case Link.WAITING:
            return ("connecting", "dim")
        case Link.GONE:
            return (f"NO DAEMON for {_span(max(0.0, now - model.since))}, reconnecting", "bad")
    quiet = model.silence(now)
    if model.frozen is not None:
        return (f"PAUSED, {model.missed:,} newer", "warn")
    if model.held is not None:
        return ("still while you answer", "warn")
    if quiet:
        return (f"daemon silent for {quiet:.0f} s", "bad")
    return ("live", "good")


def rates_panel(model: Model, width: int, glyphs: Glyphs) -> list[Row]:
    """Draw how many verdicts of each kind there are, now and over the last minutes."""
    history = model.picture.history
    note = f"now {glyphs.dot} {SPAN / 60:.0f} min {glyphs.dot} all"
    rows = [heading("Verdicts per second", width, glyphs, note)]
    room = width - 9 - 8 - 8 - 1
    for name in ROWS:
        rate = history.rate(name)
        drawn = spark(history.rates(name, room), glyphs.bars)
        rows.append(
            [
                (f" {name:<8}", name),
                (f"{short(rate):>7} ", "name"),
                (drawn, name),
                (f" {short(history.totals[name]):>7} ", "dim"),
            ]
        )
    return rows


def health_rows(model: Model, glyphs: Glyphs) -> list[Row]:
    """Draw the two lines on losses and health."""
    picture = model.picture
    health = picture.health
    if model.link is Link.GONE:
        return [[(f" {clean(model.why)}", "bad")], [(" shown: the state before", "dim")]]
    if picture.problem:
        return [[(f" health unknown: {clean(picture.problem)}", "bad")], _second(picture, glyphs)]
    if not health:
        return [[(" waiting for the daemon", "dim")], []]
    parts = [
        _rings(health),
        _lost(health),
        _hooks(health),
        _degraded(picture),
        _outputs(health),
    ]
    row: Row = [(" ", "")]
    for number, part in enumerate(parts):
        row += [(f" {glyphs.dot} ", "dim")] if number else []
        row.append(part)
    return [row, _second(picture, glyphs)]


def _rings(health: BeatHealth) -> Piece:
    shares = [
        100 * used / size if size else 0.0
        for used, size in (health["rings"][name] for name in ("decisions", "activity"))
    ]
    text = "rings " + " + ".join(f"{share:.0f}%" for share in shares)
    return (text, "bad" if max(shares) > 70 else "warn" if max(shares) > 40 else "")


def _lost(health: BeatHealth) -> Piece:
    records = health["records"]
    lost = records["lostDecisions"] + records["lostActivity"] + records["malformed"]
    return (f"lost {short(lost)}", "bad" if lost else "good")


def _hooks(health: BeatHealth) -> Piece:
    # "missing" are hooks in whose place this kernel calls others. Without a hook that policies need, no start succeeds.
    return (f"hooks {health['programs']}", "good")


def _degraded(picture: Picture) -> Piece:
    names = [
        f"{policy['name']}/{rule}"
        for policy in picture.policies
        for rule in policy.get("degraded", ())
    ]
    if not names:
        return ("degraded 0", "good")
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return (f"degraded {clean(names[0])}{more}", "warn")


def _outputs(health: BeatHealth) -> Piece:
    bad = [sink["name"] for sink in health["sinks"] if sink["failing"] or sink["dropped"]]
    return (f"outputs failing: {clean(', '.join(bad))}", "bad") if bad else ("outputs ok", "good")


def _second(picture: Picture, glyphs: Glyphs) -> Row:
    """Draw what needs a word more: what awaits confirmation, what went unread, what was said last."""
    row: Row = [(" ", "")]
    health = picture.health
    pending = health.get("pending") if health is not None else None
    posture = health.get("posture") if health is not None else None
    if pending:
        how = posture["confirm"] if posture else "enforcer confirm"
        said = f"not confirmed, {pending['left']:.0f} s left"
        row.append((f"{said}: {clean(how)}" if how is not None else said, "warn"))
        row.append((f" {glyphs.dot} ", "dim"))
    elif posture and posture["returned"]:
        row.append(("not confirmed in time: the policies before are active", "warn"))
        row.append((f" {glyphs.dot} ", "dim"))
    if refused := health.get("refusedCount") if health is not None else 0:
        files = "1 file" if refused == 1 else f"{refused} files"
        row.append((f"{files} refused: enforcer status", "bad"))
        row.append((f" {glyphs.dot} ", "dim"))
    counters = health["kernel"] if health is not None else {}
    for name, words in _TROUBLES.items():
        if counters.get(name):
            row.append((f"{short(counters[name])} {words}", "warn"))
            row.append((f" {glyphs.dot} ", "dim"))
    if picture.notices:
        at, text = picture.notices[-1]
        row.append((f"{time.strftime('%H:%M:%S', time.localtime(at))} {clean(text)}", "dim"))
    elif len(row) > 1:
        row.pop()
    else:
        row.append(("no problems", "dim"))
    return row


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} m"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} m"
    return f"{minutes // 1440} d"
