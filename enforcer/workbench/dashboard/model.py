# SPDX-License-Identifier: MIT
"""
The state of a dashboard: what the daemon sent and what its user has chosen. Frames are drawn from it.

Nothing here draws, waits or asks.
"""

from __future__ import annotations

import enum
from collections import deque
from typing import TYPE_CHECKING

import attrs

from enforcer.workbench.dashboard.history import History
from enforcer.workbench.dashboard.search import Search

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.events.document_types import BriefDocument
    from enforcer.runtime.control.policy_answers import PolicyState
    from enforcer.runtime.control.watch_answers import Beat, BeatHealth, Opening

__all__ = ["Detail", "Focus", "Link", "Model", "Picture", "Question", "View"]

_EVENTS = 1000
_STALE = 3.5  # seconds without a beat after which the daemon is said to be silent


class Link(enum.Enum):
    """How things stand with the daemon."""

    WAITING = "waiting"
    LIVE = "live"
    GONE = "gone"


class View(enum.Enum):
    """What fills the screen."""

    LIST = "list"
    DETAIL = "detail"
    HELP = "help"


class Focus(enum.Enum):
    """Which list the arrow keys move in."""

    EVENTS = "events"
    POLICIES = "policies"


@attrs.define
class Picture:
    """What the daemon said, up to one moment."""

    history: History = attrs.field(factory=History)
    events: deque[BriefDocument] = attrs.field(factory=lambda: deque(maxlen=_EVENTS))
    tops: dict[str, list[tuple[str, int]]] = attrs.field(factory=dict)
    health: BeatHealth | None = None
    notices: list[tuple[float, str]] = attrs.field(factory=list)
    problem: str = ""

    def still(self) -> Picture:
        """Return it as it is now."""
        return attrs.evolve(self, history=self.history.copy(), events=self.events.copy())

    @property
    def policies(self) -> list[PolicyState]:
        """Every policy, as ``enforcer policy list --json`` has it."""
        return self.health.get("policies", []) if self.health is not None else []


@attrs.define
class Detail:
    """
    One event, or the policy of that name, that is looked at.

    *lines* are what is known of it, with their styles.
    """

    of: BriefDocument | str
    lines: list[tuple[str, str]] = attrs.field(factory=list)
    is_waiting: bool = True
    scroll: int = 0


@attrs.frozen
class Question:
    """What must be confirmed before it is done."""

    policy: str
    mode: str


@attrs.define
class Model:
    """
    The state of one dashboard.

    Attributes:
        host: the machine's name.
        chosen: id of the selected event; None: the newest, whichever that is.
        typing: what is being typed as a filter; None: nothing is.
        frozen: what is shown while paused.
        held: what is shown while something is asked or typed: nothing moves under a prompt.
    """

    host: str
    live: Picture = attrs.field(factory=Picture)
    frozen: Picture | None = None
    held: Picture | None = None
    link: Link = Link.WAITING
    why: str = ""
    since: float = 0.0
    heard: float = 0.0
    view: View = View.LIST
    focus: Focus = Focus.EVENTS
    search: Search = attrs.field(factory=Search)
    typing: str | None = None
    chosen: str | None = None
    policy: str | None = None
    detail: Detail | None = None
    question: Question | None = None
    said: str = ""
    is_said_badly: bool = False
    missed: int = 0

    @property
    def picture(self) -> Picture:
        """What is shown."""
        return self.frozen or self.held or self.live

    def hold(self, *, still: bool) -> None:
        """Keep what is shown *still*, or let it go on."""
        self.held = self.live.still() if still else None

    # ---- What the daemon sends -----------------------------------------------------------------

    def open(self, answer: Opening, now: float) -> None:
        """The daemon was reached: take over its history."""
        self.link, self.why, self.heard = Link.LIVE, "", now
        self.live.history.begin((float(at), totals) for at, totals in answer.get("history", ()))
        self._take(answer.get("newest", ()))

    def beat(self, beat: Beat, now: float) -> None:
        """Take one beat."""
        live = self.live
        self.link, self.why, self.heard = Link.LIVE, "", now
        live.history.add(float(beat["at"]), beat["totals"])
        tops = {
            "rules": beat["rules"],
            "binaries": beat["binaries"],
            "containers": beat["containers"],
            "paths": beat["paths"],
        }
        live.tops = {
            kind: [(str(name), int(count)) for name, count in counted]
            for kind, counted in tops.items()
        }
        live.notices = [(float(at), str(text)) for at, text in beat["notices"]]
        live.health = beat.get("health") or live.health
        live.problem = str(beat.get("problem", ""))
        self._take(beat["newest"])

    def lose(self, why: str, now: float) -> None:
        """The daemon cannot be reached."""
        if self.link is not Link.GONE:
            self.since = now
        self.link, self.why = Link.GONE, why

    def silence(self, now: float) -> float:
        """Return for how long nothing has been heard, if that is longer than it should be."""
        quiet = now - self.heard
        return quiet if self.link is Link.LIVE and quiet > _STALE else 0.0

    def _take(self, events: Iterable[BriefDocument]) -> None:
        """Add *events* where their time puts them. The first beat may have some that the opening had."""
        kept = self.live.events
        known = {event["id"] for event in kept}
        new = [event for event in events if event["id"] not in known]
        is_late = bool(new and kept and new[0]["time"] < kept[-1]["time"])
        kept.extend(new)
        if is_late:
            in_order = sorted(kept, key=lambda event: event["time"])
            kept.clear()
            kept.extend(in_order)
        self.missed += len(new) if self.frozen is not None else 0

    # ---- What the user chose -------------------------------------------------------------------

    def events(self) -> list[BriefDocument]:
        """Return the events that pass the filter, the newest first."""
        return [event for event in reversed(self.picture.events) if self.search.finds(event)]

    def place(self, events: list[BriefDocument]) -> int:
        """Return where the selected one is in *events*; the first if it is not."""
        if self.chosen is None:
            return 0
        return next((n for n, event in enumerate(events) if event["id"] == self.chosen), 0)

    def selected_policy(self) -> PolicyState | None:
        """Return the policy that the selection is on, or that the selected event is of."""
        policies = self.picture.policies
        name = self.policy
        if self.focus is Focus.EVENTS:
            events = self.events()
            name = events[self.place(events)]["policy"] if events else None
        elif name is None and policies:
            return policies[0]
        return next((policy for policy in policies if policy["name"] == name), None)

    def say(self, text: str, *, badly: bool = False) -> None:
        """Show *text* until the next key."""
        self.said, self.is_said_badly = text, badly
