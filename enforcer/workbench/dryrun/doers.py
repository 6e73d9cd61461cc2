# SPDX-License-Identifier: MIT
"""
Who did what a rule would have refused, in a bounded number of places.

Whoever runs programs chooses how many there are. So once all places are taken, a place is had in the way
that costs a report least: doers that differ in user, parent or scope only share one; then whoever cannot
look ordinary gives way to one who may; then the rarest gives way. What has no place is counted, and not
judged by anybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from enforcer.events.object import target
from enforcer.events.operations import OPERATIONS
from enforcer.events.repeats import until_ns
from enforcer.identity.cgroup import unit_of
from enforcer.policy.language.vocabulary import SubjectFlag
from enforcer.policy.model.policy import Verb
from enforcer.safe_text import readable
from enforcer.workbench.dryrun.ordinary import Outlook, outlook
from enforcer.workbench.dryrun.programs import Programs

if TYPE_CHECKING:
    from enforcer.events.types import Record

__all__ = ["OTHERS", "PLACES", "Deed", "Doers", "Doing", "Subject"]

PLACES: Final = 200
"""Doers of each rule that a report can judge."""

OTHERS: Final = "and other users, parents or scopes of it"
"""Said of one whose place others share."""

_SAMPLES: Final = 5  # deeds kept of each
_MOMENTS: Final = 64  # times kept of each, the first ones
_SETTLED: Final = (Outlook.UNUSUAL, Outlook.UNCLEAR, Outlook.ORDINARY)  # whatever their times are


@attrs.frozen
class Deed:
    """One operation, as a sample, with its record."""

    time_ns: int
    operation: str
    on: str
    command: str
    record: Record | None = attrs.field(default=None, eq=False, repr=False)


@attrs.frozen
class Subject:
    """
    Who did it: the same program, started by the same one, for the same user, in the same unit.

    Attributes:
        above: executables of the ancestors, the parent first, as they were at the first deed.
    """

    exe: str
    parent: str
    user: str
    unit: str
    container: str
    flags: int
    above: tuple[str, ...] = attrs.field(default=(), eq=False)

    @classmethod
    def of(cls, record: Record) -> Subject:
        """Tell who *record* is about."""
        event = record.event
        above = tuple(each.exe or each.name for each in record.ancestors if each.exe or each.name)
        return cls(
            exe=record.process.exe or record.process.name,
            parent=above[0] if above else "",
            user=record.user if record.user is not None else str(event.uid),
            unit=(unit_of(record.cgroup) or "") if record.cgroup else "",
            container=record.container_id or "",
            flags=event.subj_flags & (SubjectFlag.FILELESS | SubjectFlag.SCRIPT),
            above=above,
        )


@attrs.define
class Doing:
    """
    What one doer did.

    Attributes:
        with_others: whether it is also what others did that differ in user, parent or scope only.
    """

    count: int = 0
    kills: int = 0
    first_ns: int = 0
    last_ns: int = 0
    moments: list[int] = attrs.field(factory=list)
    samples: list[Deed] = attrs.field(factory=list)
    with_others: bool = False

    def observe(self, record: Record) -> None:
        """Add *record*."""
        times = record.event.times
        self.count += times
        self.kills += times if record.event.action is Verb.KILL else 0
        self.first_ns = min(self.first_ns or record.time_ns, record.time_ns)
        self.last_ns = max(self.last_ns, until_ns(record))
        if len(self.moments) < _MOMENTS:
            self.moments.append(record.time_ns)
        # What is run, where that is known; else what runs.
        words = tuple(map(readable, record.event.args)) or record.process.cmdline
        deed = Deed(
            record.time_ns,
            OPERATIONS[record.event.op].full,
            target(record.event),
            " ".join(words) if words else record.process.exe or record.process.name,
            record,
        )
        self._sample(deed)

    def add(self, other: Doing) -> None:
        """Add all that *other* has."""
        self.with_others = True
        self.count += other.count
        self.kills += other.kills
        self.first_ns = min(self.first_ns, other.first_ns)
        self.last_ns = max(self.last_ns, other.last_ns)
        self.moments = sorted((*self.moments, *other.moments))[:_MOMENTS]
        for deed in other.samples:
            self._sample(deed)

    def _sample(self, deed: Deed) -> None:
        if len(self.samples) < _SAMPLES and not any(
            (each.on, each.command) == (deed.on, deed.command) for each in self.samples
        ):
            self.samples.append(deed)


class _Kind(NamedTuple):
    """What doers have in common that can share a place: one name, and one guess, in a report."""

    exe: str
    flags: int
    container: str
    service: str


@attrs.frozen(eq=False)
class _Place:
    doer: Subject
    doing: Doing


@attrs.define
class Doers:
    """
    The doers of one rule.

    Attributes:
        programs: knows the files of the machine where it happens.
        places: for so many doers at most.
        kept: those that have a place.
        not_judged: operations of those that have none.
    """

    programs: Programs = attrs.field(factory=Programs)
    places: int = PLACES
    kept: dict[Subject, Doing] = attrs.field(factory=dict, init=False)
    not_judged: int = attrs.field(default=0, init=False)
    _sorted: dict[Outlook, dict[_Kind, list[_Place]]] = attrs.field(factory=dict, init=False)

    def observe(self, record: Record) -> None:
        """Add *record*."""
        doer = Subject.of(record)
        doing = self.kept.get(doer)
        if doing is None:
            doing = self._place(doer)
        if doing is None:
            self.not_judged += record.event.times
        else:
            doing.observe(record)

    def _place(self, doer: Subject) -> Doing | None:
        """Give *doer* a place, of its own or with others; None: those that have one go before it."""
        if len(self.kept) < self.places:
            return self.kept.setdefault(doer, Doing())
        if not self._sorted:  # files are not looked at before it has to be
            self._sorted = {each: {} for each in Outlook}
            for each, doing in self.kept.items():
                self._sort(_Place(each, doing), outlook(each, self.programs))
        looks = outlook(doer, self.programs)
        if not self._room(doer, looks):
            return self._shared(self._sorted[looks].get(_kind(doer), []))
        place = _Place(doer, Doing())
        self._sort(place, looks)
        return self.kept.setdefault(doer, place.doing)

    def _sort(self, place: _Place, looks: Outlook) -> None:
        self._sorted[looks].setdefault(_kind(place.doer), []).append(place)

    def _room(self, doer: Subject, looks: Outlook) -> bool:
        """Make room for *doer*, which *looks* so, unless it has to share a place or gets none."""
        is_shared = _kind(doer) in self._sorted[looks]
        # Nothing is lost of these guesses: they do not depend on when something came.
        if looks in _SETTLED and is_shared:
            return False
        if any(map(self._merge, _SETTLED)) or self._displace(min(looks, Outlook.OPEN) - 1):
            return True
        # Times of several doers may be less regular than those of each.
        if looks >= Outlook.OPEN:
            if is_shared:
                return False
            if self._merge(Outlook.OPEN):
                return True
        return self._displace(looks)

    def _shared(self, places: list[_Place]) -> Doing | None:
        """Return the most frequent of *places*, which from now on stands for others, too."""
        doings = (place.doing for place in places)
        doing = max(doings, key=lambda each: each.count, default=None)
        if doing is not None:
            doing.with_others = True
        return doing

    def _merge(self, looks: Outlook) -> bool:
        """Of the kind that has the most places, put the rarest to the most frequent."""
        places: list[_Place] = max(self._sorted[looks].values(), key=len, default=[])
        if len(places) < 2:
            return False
        places.sort(key=lambda each: -each.doing.count)
        rarest = places.pop()
        places[0].doing.add(rarest.doing)
        del self.kept[rarest.doer]
        return True

    def _displace(self, most: int) -> bool:
        """Take the place of who looks least ordinary, *most* at most; of these, of the rarest and oldest."""
        looks = next(each for each in Outlook if self._sorted[each])
        if looks > most:
            return False
        found = (place for places in self._sorted[looks].values() for place in places)
        rarest = min(found, key=lambda each: (each.doing.count, each.doing.last_ns))
        kind = _kind(rarest.doer)
        left = [each for each in self._sorted[looks].pop(kind) if each is not rarest]
        if left:
            self._sorted[looks][kind] = left
        self.not_judged += self.kept.pop(rarest.doer).count
        return True


def _kind(doer: Subject) -> _Kind:
    service = doer.unit if doer.unit.endswith(".service") else ""
    return _Kind(doer.exe, doer.flags, doer.container, service)
