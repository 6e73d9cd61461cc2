# SPDX-License-Identifier: MIT
"""
Events to records: add the rule, the process, and the policy's message.

Runs after the kernel has decided. What it cannot find out is left open and stops nothing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from enforcer.events.operations import OPERATIONS
from enforcer.events.placeholders import Placeholders
from enforcer.events.rows import OldRows, RowTable
from enforcer.events.sentence import default_message
from enforcer.events.types import (
    Event,
    EventFlag,
    GuardAct,
    Match,
    Origin,
    PolicyMatch,
    Record,
    RowFlag,
)
from enforcer.identity.actor import Actor
from enforcer.identity.naming import process_id, program_id, ticks_of
from enforcer.policy.language.syscall_table import call_name
from enforcer.policy.language.templates import render
from enforcer.policy.language.vocabulary import Op
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from enforcer.identity.resolver import Identity, Resolver
    from enforcer.identity.words import Words

__all__ = ["Enricher", "Origins", "WallClock", "message_of", "with_messages"]

MAX_ROWS = 1 << 17
"""How many rows of images that are no longer active to remember: less than a MB."""

_UNKNOWN_ROW = Origin(policy="-", rule="-", place="-")
_PROTECTION = Origin(policy="enforcer", rule="self-protection", place="-", severity="critical")


@attrs.define(eq=False, repr=False)
class WallClock:
    """Turns CLOCK_BOOTTIME into wall clock time; :meth:`adjust` follows steps of the latter."""

    wall_ns: Callable[[], int] = time.time_ns
    boot_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    _offset: int = attrs.field(init=False)

    @_offset.default
    def _measure(self) -> int:
        return self.wall_ns() - self.boot_ns()

    def adjust(self) -> None:
        """Measure the difference of the clocks again."""
        self._offset = self._measure()

    def at(self, boot_ns: int) -> int:
        """Tell what the wall clock showed at *boot_ns*."""
        return boot_ns + self._offset

    def now(self) -> int:
        """Tell what the wall clock shows."""
        return self.wall_ns()


@attrs.define(eq=False, repr=False)
class Origins:
    """
    Row tables of the active images and of late, by generation: records come after the fact.

    In a flood a record waits while policies change many times, so many tables are kept.
    """

    _tables: dict[int, Sequence[Origin] | OldRows] = attrs.field(factory=dict)
    _opened: dict[int, RowTable] = attrs.field(factory=dict)

    def learn(self, generation: int, origins: Sequence[Origin]) -> None:
        """Know the rows of the image *generation*."""
        self._tables[generation] = origins

    def keep(self, generations: Collection[int]) -> None:
        """Pack the other tables, and forget the oldest of them beyond :data:`MAX_ROWS` rows in all."""
        kept: dict[int, Sequence[Origin] | OldRows] = {}
        rows = 0
        for generation in sorted(self._tables, reverse=True):
            table = self._tables[generation]
            if generation in generations:
                kept[generation] = table
            elif (rows := rows + len(table)) <= MAX_ROWS:
                kept[generation] = OldRows.of(table) if isinstance(table, RowTable) else table
        self._tables = kept
        self._opened.clear()

    def table(self, generation: int) -> Sequence[Origin]:
        """Return the rows of the image *generation*; none if it is not known."""
        found = self._tables.get(generation, ())
        if not isinstance(found, OldRows):
            return found
        if generation not in self._opened:
            self._opened = {generation: found.open()}  # late records come in order
        return self._opened[generation]

    def find(self, generation: int, row: int) -> Origin:
        """Tell where a row is from."""
        table = self.table(generation)
        return table[row] if row < len(table) else _UNKNOWN_ROW


@attrs.define(eq=False, repr=False)
class Enricher:
    """Makes records of events."""

    origins: Origins
    resolver: Resolver
    clock: WallClock = attrs.field(factory=WallClock)

    def enrich(self, event: Event) -> Record:
        """Make a record of *event*."""
        origin = self._origin(event)
        identity = self.identify(event)
        container = identity.container
        parent, above = _above(event, identity)
        record = Record(
            time_ns=self.clock.at(event.time_ns),
            event=event,
            origin=origin,
            message="",
            syscall=_syscall(event, origin),
            process=_process(event, identity),
            parent=parent,
            ancestors=(parent, *above),
            has_all_ancestors=identity.ancestry.is_complete,
            program_id=program_id(event.pid, ticks_of(event.start_ns), event.exec_ns),
            started_ns=self.clock.at(event.start_ns),
            user=identity.user,
            group=identity.group,
            cwd=readable(identity.cwd) if identity.cwd is not None else None,
            cgroup=identity.cgroup,
            container_runtime=identity.runtime or (container.runtime if container else None),
            container_id=container.id if container else None,
            container_name=identity.bundle.name if identity.bundle else None,
            container_image=identity.bundle.image if identity.bundle else None,
            container_root=identity.bundle.root if identity.bundle else None,
            pod_uid=container.pod_uid if container else None,
            pod_name=identity.pod.name,
            pod_namespace=identity.pod.namespace,
        )
        record = attrs.evolve(record, message=message_of(record))
        return attrs.evolve(record, said=self._said(record)) if event.matches else record

    def identify(self, event: Event) -> Identity:
        """Learn who caused *event*."""
        return self.resolver.identify(
            pid=event.pid,
            start_ns=event.start_ns,
            exec_ns=event.exec_ns,
            parent_pid=event.ppid,
            parent_start_ns=event.parent_start_ns,
            cgroup_id=event.cgroup,
            uid=event.uid,
            gid=event.gid,
        )

    def _said(self, record: Record) -> tuple[PolicyMatch, ...]:
        """Tell what each policy said; who decided is one of them, also if it found no room there."""
        event = record.event
        if isinstance(event.op, GuardAct):
            return ()  # no policy said anything
        found = {match.row: match for match in event.matches}
        found.setdefault(event.row, _own(event, event.op))
        return tuple(self._says(record, found[row]) for row in sorted(found))

    def _says(self, record: Record, match: Match) -> PolicyMatch:
        origin = self.origins.find(record.event.generation, match.row)
        message = _message_of_match(record, match, origin)
        return PolicyMatch(match=match, origin=origin, message=message)

    def _origin(self, event: Event) -> Origin:
        if isinstance(event.op, GuardAct):
            return _PROTECTION
        return self.origins.find(event.generation, event.row)


def _own(event: Event, op: Op) -> Match:
    """Make the match of who decided."""
    return Match(
        event.row,
        op,
        event.action,
        event.is_enforced,
        bool(event.flags & EventFlag.ON_ERROR),
        bool(event.row_flags & RowFlag.DEFAULT),
        bool(event.row_flags & RowFlag.GUARD),
    )


def _syscall(event: Event, origin: Origin) -> str:
    if event.attempt is not None:
        return call_name(event.attempt.call)
    if event.op is Op.SYSCALL:
        return call_name(event.code)
    return origin.syscall or OPERATIONS[event.op].syscall


def _process(event: Event, identity: Identity) -> Actor:
    # The kernel recorded the executable; /proc is only believed where it still says the same, since
    # the process may have execed between the event and now.
    facts = identity.process
    exe = event.exe or facts.exe
    cmdline = facts.cmdline if not event.exe or facts.exe == event.exe else None
    is_refused = event.is_prevented or event.attempt is not None
    if OPERATIONS[event.op].event == "exec" and not is_refused:
        cmdline = None
    return _actor(event.pid, ticks_of(event.start_ns), event.comm, exe, cmdline)


def _above(event: Event, identity: Identity) -> tuple[Actor, tuple[Actor, ...]]:
    """Describe the parent, whose name the kernel recorded, and the other ancestors."""
    known = identity.ancestry.ancestors
    parent = Actor(
        id=process_id(event.ppid, ticks_of(event.parent_start_ns)),
        pid=event.ppid,
        name=readable(event.parent_comm),
        exe=known[0].raw_exe if known else None,
        cmdline=known[0].cmdline if known else None,
    )
    return parent, known[1:]


def _actor(pid: int, ticks: int, comm: bytes, exe: bytes | None, cmdline: Words | None) -> Actor:
    return Actor(
        id=process_id(pid, ticks),
        pid=pid,
        name=readable(comm),
        exe=exe or None,
        cmdline=cmdline.shown if cmdline else None,
    )


def with_messages(record: Record) -> Record:
    """Make the messages of *record* again, its own and those of each policy, of what it has now."""
    record = attrs.evolve(record, message=message_of(record))
    said = tuple(
        attrs.evolve(each, message=_message_of_match(record, each.match, each.origin))
        for each in record.said
    )
    return attrs.evolve(record, said=said)


def _message_of_match(record: Record, match: Match, origin: Origin) -> str:
    """Make the message of one policy; that of who decided is the record's."""
    event = record.event
    if match.row == event.row:
        return record.message
    flags = event.flags & ~EventFlag.ENFORCED
    if match.is_enforced:
        flags |= EventFlag.ENFORCED
    own = attrs.evolve(event, op=match.op, action=match.action, row=match.row, flags=flags)
    return message_of(attrs.evolve(record, event=own, origin=origin))


def message_of(record: Record) -> str:
    """Make the message of *record*: that of its rule, filled in, or the default one."""
    if record.origin.message is not None:
        return render(record.origin.message, Placeholders(record))
    return default_message(record)
