# SPDX-License-Identifier: MIT
"""
The fast lane: the extension makes lines of JSON for outputs that take all records unchanged.

A record whose shape is known is written without Python. For each new shape, Python makes the first
records itself, then a template. The template is used only if it writes exactly the bytes that Python
wrote. Python makes it again whenever what is known of processes is no longer fresh. So both lanes write
the same lines, and no line is older than the caches of identities.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.template import Templates, plans
from enforcer.identity.cache import Cache
from enforcer.identity.resolver import FRESH
from enforcer.libbpf.lane import End, Lane
from enforcer.policy.model.policy import Verb
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from enforcer.events.enrich import Enricher, WallClock
    from enforcer.events.types import Event, Lost, Record
    from enforcer.identity.resolver import Identity
    from enforcer.libbpf.batch import Batch
    from enforcer.libbpf.lane import Run
    from enforcer.sinks.fanout import Outlet
    from enforcer.sinks.redaction import Redactor

__all__ = ["Express", "plain_outlets"]

_Who = tuple[int, ...]

_FRESH_NS: Final = int(FRESH * 1e9)
_WHOLE_NS: Final = 1_000_000_000  # until Python makes one record of a shape again in any case
_HOPELESS_NS: Final = 5_000_000_000  # until a shape without a template is tried again
_ROOM: Final = 4 << 20  # bytes of lines of which there are templates: each holds a record, too
_IDENTITY_ROOM: Final = 12 << 20  # bytes of memory for who caused records


def plain_outlets(outlets: Sequence[Outlet]) -> list[Outlet]:
    """Choose those that get the same lines of JSON of all records."""
    plain = [outlet for outlet in outlets if _fields(outlet) is not None]
    return [outlet for outlet in plain if _fields(outlet) == _fields(plain[0])]


def _fields(outlet: Outlet) -> dict[str, str] | None:
    """Return what *outlet* adds to the line of a record; None if it is something else."""
    sink = outlet.sink
    if not isinstance(sink, Output) or not sink.is_plain:
        return None
    form = sink.form
    if form is json_line:
        return {}
    if not isinstance(form, partial) or form.func is not json_line or form.args:
        return None
    return dict(form.keywords.get("fields", {}))


@attrs.frozen
class _Shown:
    """The last record of a shape that Python made, how long its line is, and who was known to have caused it."""

    record: Record
    identity: Identity
    until: int
    size: int


@attrs.define(eq=False, repr=False)
class Express:
    """
    Writes lines for *outlets*, which all get the same.

    Attributes:
        outlets: not empty.
        enricher, redactor: make the records of which templates are made.
        calm: denials and kills in a second that are not worth a template.
        unlearnt: shapes whose lines are more than text and fields.
    """

    outlets: list[Outlet]
    enricher: Enricher
    redactor: Redactor
    lane: Lane = attrs.field(factory=Lane.make)
    templates: Templates = attrs.field(factory=Templates)
    clock: Callable[[], int] = time.monotonic_ns
    calm: int = 500
    unlearnt: int = attrs.field(default=0, init=False)
    _strict: int = attrs.field(default=0, init=False)
    _calm_until: int = attrs.field(default=0, init=False)
    _form: Callable[[Record | Lost], bytes] = attrs.field(init=False)
    _shown: dict[int, _Shown] = attrs.field(factory=dict, init=False)
    _held: int = attrs.field(default=0, init=False)
    _known: Cache[_Who, tuple[int, Identity]] = attrs.field(
        factory=lambda: Cache(1024, _IDENTITY_ROOM, lambda known: known[1].weight), init=False
    )
    _settled: list[tuple[Record, int]] = attrs.field(factory=list, init=False)

    @_form.default
    def _same_for_all(self) -> Callable[[Record | Lost], bytes]:
        fields = _fields(self.outlets[0]) or {}
        return partial(json_line, fields=fields)

    def __attrs_post_init__(self) -> None:
        for kind, op, fields in plans():
            self.lane.vary(kind, op, fields)

    def run(self, batch: Batch, at: int) -> Run:
        """Write records from the place *at* on, up to the first that Python must look at."""
        now = self.clock()
        run = self.lane.run(batch, at, now, self.enricher.clock.at(0))
        if run.end is End.STALE and self._still_holds(self._shown[run.template], now):
            self.lane.extend(run.template, now + _FRESH_NS)
            run = attrs.evolve(run, end=End.FULL)  # to be called again
        if run.lines:
            for outlet in self.outlets:
                if isinstance(outlet.sink, Output):
                    outlet.sink.write_lines(run.text, run.lines)
        return run

    def heed(self, raw: bytes, record: Record, end: End, stale: int) -> None:
        """
        Learn of *raw* and its *record*, which the run had to leave to Python.

        Args:
            raw: as it came.
            record: as it was shown.
            end: why it was left.
            stale: the template that is to be looked at again.
        """
        is_strict = record.event.action >= Verb.DENY
        if is_strict:
            self._count_strict()
        if end is End.PLAIN or end is End.DONE or end is End.FULL:
            return
        if is_strict and end is End.LEARN and self._strict <= self.calm:
            return  # so few that each is made in full, and kept to be looked at
        line = self._form(record)
        if end is End.STALE and self._writes(stale, raw, line):
            self.lane.extend(stale, self.clock() + _FRESH_NS)
            self._keep(stale, record, line)
            return
        self._learn(raw, record, line)

    def _count_strict(self) -> None:
        now = self.clock()
        if now >= self._calm_until:
            self._calm_until, self._strict = now + _WHOLE_NS, 0
        self._strict += 1

    def _learn(self, raw: bytes, record: Record, line: bytes) -> None:
        try:
            pieces = self.templates.find(record.event, self._line) or []
        except Exception:  # noqa: BLE001 -- its line is written; Python goes on writing these
            pieces = []
        until = self.clock() + (_FRESH_NS if pieces else _HOPELESS_NS)
        if self._held + len(line) > _ROOM:
            self._forget()
        made = self.lane.learn(raw, pieces, until)
        if made is None:
            self._settled += self._taken()
            made = self.lane.learn(raw, pieces, until)
        if made is None:
            return
        self._keep(made, record, line)
        if pieces and not self._writes(made, raw, line):
            # Python wrote something else: a value has words of its own. Python goes on writing these.
            pieces = []
            self.lane.learn(raw, pieces, self.clock() + _HOPELESS_NS)
        if not pieces:
            self.unlearnt += 1

    def _forget(self) -> None:
        """Begin anew: what processes choose makes lines long, and templates are only bounded by their number."""
        self._settled += self._taken()
        self.lane.forget()
        self._shown.clear()
        self._held = 0

    def _keep(self, number: int, record: Record, line: bytes) -> None:
        now = self.clock()
        identity = self._identity(record.event, now)
        before = self._shown.get(number)
        self._held += len(line) - (before.size if before is not None else 0)
        self._shown[number] = _Shown(record, identity, now + _WHOLE_NS, len(line))

    def _still_holds(self, shown: _Shown, now: int) -> bool:
        """Whether nothing else is known by now of who caused records of this shape."""
        if shown.record.event.action >= Verb.DENY:
            return False  # these are looked at one by one as soon as they are few
        return now < shown.until and self._identity(shown.record.event, now) is shown.identity

    def _identity(self, event: Event, now: int) -> Identity:
        """Tell who caused *event*: the same object for as long as nothing changes."""
        who = (event.pid, event.start_ns, event.exec_ns, event.ppid, event.cgroup, event.uid)
        known = self._known.get(who)
        if known is not None and now < known[0] + _FRESH_NS:
            return known[1]
        found = self.enricher.identify(event)
        if known is not None and known[1] == found:
            found = known[1]
        self._known.put(who, (now, found))
        return found

    def _writes(self, number: int, raw: bytes, line: bytes) -> bool:
        return self.lane.write(number, raw, self.enricher.clock.at(0)) == line

    def _line(self, event: Event, clock: WallClock) -> bytes:
        """Make the line of *event* as it would be by *clock*."""
        record = attrs.evolve(self.enricher, clock=clock).enrich(event)
        return self._form(self.redactor.apply(record))

    def counts(self) -> Iterator[tuple[Record, int]]:
        """Take how many records like each were written here since the last call."""
        settled, self._settled = self._settled, []
        yield from settled
        yield from self._taken()

    def _taken(self) -> list[tuple[Record, int]]:
        return [(self._shown[number].record, count) for number, count in self.lane.counts()]
