# SPDX-License-Identifier: MIT
"""
What the daemon keeps of its records for dashboards: sums, the newest, and the most frequent.

Everything is bounded and costs a few steps per record, also while no dashboard is attached, so that an
incident of a minute ago can still be seen and explained. Answers are made on request, at most once a
second.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from typing import TYPE_CHECKING

import attrs

from enforcer.events.brief import brief
from enforcer.events.document import as_document
from enforcer.events.ident import RecordId
from enforcer.events.stats import outcome
from enforcer.events.types import Lost, Record
from enforcer.events.weight import weight
from enforcer.identity.naming import boot
from enforcer.policy.model.policy import Verb
from enforcer.runtime.control.shelf import Shelf
from enforcer.runtime.control.tops import Tops
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from enforcer.events.document_types import MatchDocument
    from enforcer.runtime.control.record_filter import RecordFilter
    from enforcer.runtime.control.watch_answers import Opening, Sums

__all__ = ["Overview"]

_POINTS = 300  # seconds of history
_KEPT = 1000  # denials and kills, as many others, and as many that dashboards were told of
_KEPT_ROOM = 16 << 20  # bytes of memory for each of these
_LOSSES = 100
_FRESH = 4  # newest of each rule since the last beat
_FRESH_RULES = 128
_FRESH_ROOM = 8 << 20  # bytes of memory for all of these
_IN_BEAT = 40
_AT_FIRST = 100
_TURN = 60.0  # seconds of a window of the most frequent
_SHOWN = 16
_NOTICES = 20


@attrs.define(eq=False, repr=False)
class Overview:
    """Observes records; answers for dashboards."""

    clock: Callable[[], float] = time.monotonic
    notices: deque[tuple[float, str]] = attrs.field(
        factory=lambda: deque(maxlen=_NOTICES), init=False
    )
    _totals: dict[str, int] = attrs.field(factory=dict, init=False)
    _points: deque[tuple[float, dict[str, int]]] = attrs.field(
        factory=lambda: deque(maxlen=_POINTS), init=False
    )
    _strict: Shelf = attrs.field(factory=lambda: Shelf(_KEPT, _KEPT_ROOM), init=False)
    _other: Shelf = attrs.field(factory=lambda: Shelf(_KEPT, _KEPT_ROOM), init=False)
    _sent: Shelf = attrs.field(factory=lambda: Shelf(_KEPT, _KEPT_ROOM), init=False)
    _losses: deque[Lost] = attrs.field(factory=lambda: deque(maxlen=_LOSSES), init=False)
    _began_ns: int = attrs.field(factory=time.time_ns, init=False)
    _fresh: dict[tuple[str, str], Shelf] = attrs.field(factory=dict, init=False)
    _rules: Tops[tuple[str, str]] = attrs.field(factory=Tops, init=False)
    _binaries: Tops[bytes] = attrs.field(factory=Tops, init=False)
    _containers: Tops[str] = attrs.field(factory=Tops, init=False)
    _paths: Tops[bytes] = attrs.field(factory=Tops, init=False)
    _turned: float = attrs.field(init=False)

    @_turned.default
    def _begin(self) -> float:
        return self.clock()

    def observe(self, record: Record | Lost) -> None:
        """Take *record* into account."""
        if isinstance(record, Lost):
            self._losses.append(record)  # not counted: the kernel's own counters tell of losses
            return
        self.count(record, record.event.times)
        size = weight(record)
        if record.event.action < Verb.DENY:
            self._other.append(record, size)
            return
        self._strict.append(record, size)
        rule = (record.origin.policy, record.origin.rule)
        if rule in self._fresh or len(self._fresh) < _FRESH_RULES:
            self._fresh.setdefault(rule, Shelf(_FRESH, _FRESH_ROOM)).append(record, size)
        # Whoever makes long records hides none of other rules.
        while sum(each.held for each in self._fresh.values()) > _FRESH_ROOM:
            del self._fresh[max(self._fresh, key=lambda rule: self._fresh[rule].held)]

    def count(self, record: Record, number: int) -> None:
        """
        Count *number* records like *record*, that differ in path, address and time at most.

        In a flood a path thus counts for those that came with it.
        """
        name = outcome(record.event)
        self._totals[name] = self._totals.get(name, 0) + number
        self._rules.count((record.origin.policy, record.origin.rule), number)
        self._binaries.count(record.process.raw_exe or record.process.name.encode(), number)
        if record.container_id:
            self._containers.count(record.container_id, number)
        if record.event.path:
            self._paths.count(record.event.path, number)

    def note(self, sentence: str) -> None:
        """Remember what the daemon said."""
        self.notices.append((time.time(), sentence))

    def tick(self) -> None:
        """Once a second: go on with the history."""
        now = self.clock()
        self._points.append((now, dict(self._totals)))
        if now >= self._turned + _TURN:
            self._turned = now
            for tops in (self._rules, self._binaries, self._containers, self._paths):
                tops.turn()

    def find(self, number: str) -> Record | None:
        """Return the record with that id, if it is of this boot and still kept."""
        wanted = RecordId.parse(number)
        if wanted is None or wanted.boot != boot():
            return None
        for record in itertools.chain(self._sent, self._strict, self._other):
            # The time tells nearly all apart, for less than the making of the whole name.
            if record.event.time_ns == wanted.time_ns and RecordId.of(record.event) == wanted:
                return record
        return None

    def recent(self, wanted: RecordFilter) -> list[Record | Lost]:
        """Return the records that are kept and *wanted*, the oldest first."""
        kept: list[Record | Lost] = [*self._strict, *self._other, *self._losses]
        return sorted(filter(wanted.wants, kept), key=lambda each: each.time_ns)

    @property
    def kept_since(self) -> tuple[int, int]:
        """From when on denials and kills are kept, and from when on other records, by wall clock."""
        return self._kept_since(self._strict), self._kept_since(self._other)

    def _kept_since(self, kept: Shelf) -> int:
        return next(iter(kept)).time_ns if kept.is_full else self._began_ns

    def document(self, number: str) -> MatchDocument | None:
        """Return the record with that id as a JSON object."""
        found = self.find(number)
        return None if found is None else as_document(found)

    def opening(self) -> Opening:
        """Return what a new dashboard must know about the time before."""
        newest = list(self._strict)[-_AT_FIRST:]
        self._send(newest)
        return {
            "at": self.clock(),
            "history": [[round(at, 2), totals] for at, totals in self._points],
            "newest": [brief(record) for record in newest],
        }

    def beat(self) -> Sums:
        """
        Return what is new since the last call: the same for all dashboards.

        Of denials and kills the newest of each rule come first, so that a flood of one rule hides no
        other; the sums are exact.
        """
        newest, self._fresh = _sample(self._fresh.values()), {}
        self._send(newest)
        return {
            "at": self.clock(),
            "totals": dict(self._totals),
            "newest": [brief(record) for record in newest],
            "rules": [[f"{p}/{rule}", n] for (p, rule), n in self._rules.most(_SHOWN)],
            "binaries": [[readable(name), n] for name, n in self._binaries.most(_SHOWN)],
            "containers": [[name, n] for name, n in self._containers.most(_SHOWN)],
            "paths": [[readable(path)[:256], n] for path, n in self._paths.most(_SHOWN)],
            "notices": [[at, text[:512]] for at, text in list(self.notices)[-3:]],
        }

    def _send(self, newest: Iterable[Record]) -> None:
        for record in newest:
            self._sent.append(record, weight(record))


def _sample(fresh: Iterable[Shelf]) -> list[Record]:
    """Choose the newest of each rule, then the newest of what is left; oldest first."""
    firsts, rest = [], []
    for records in fresh:
        *older, newest = records
        firsts.append(newest)
        rest += older

    def when(record: Record) -> int:
        return record.time_ns

    chosen = sorted(firsts, key=when)[-_IN_BEAT:]
    room = _IN_BEAT - len(chosen)
    if room:
        chosen += sorted(rest, key=when)[-room:]
    return sorted(chosen, key=when)
