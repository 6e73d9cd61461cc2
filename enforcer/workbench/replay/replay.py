# SPDX-License-Identifier: MIT
"""A recording decided again: every access, by one or more sets of policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.events.decode import Decoder, Layout, MalformedEventError
from enforcer.events.enrich import Enricher, Origins, WallClock
from enforcer.events.types import EventFlag, RowFlag
from enforcer.libbpf import abi
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.workbench.replay.accesses import Accesses
from enforcer.workbench.replay.candidate import Candidate, is_told
from enforcer.workbench.replay.coverage import Coverage
from enforcer.workbench.replay.documents import read_end, read_losses, read_people
from enforcer.workbench.replay.identity import People
from enforcer.workbench.replay.journal import BlockKind, Journal, JournalError
from enforcer.workbench.replay.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from enforcer.events.types import Record
    from enforcer.libbpf.replaying import Spoken
    from enforcer.workbench.replay.accesses import RecordedAccess

__all__ = ["Losses", "Replay"]

_ONE: Final = 1


@attrs.frozen
class Losses:
    """
    What a verdict on this recording does not rest on.

    Attributes:
        accesses, lines: that found no room while they were recorded.
        torn: bytes at the end that make no block.
        damaged: blocks that could not be read.
        malformed: records that do not fit together.
        unknown_lines: programs whose beginning was lost; conditions on their lineage fell to onError.
        is_ended: whether the recording came to an orderly end.
    """

    accesses: int = 0
    lines: int = 0
    torn: int = 0
    damaged: int = 0
    malformed: int = 0
    unknown_lines: int = 0
    is_ended: bool = True


@attrs.define
class Replay:
    """One recording, opened, with what is known of its processes."""

    journal: Journal
    lines: Lines
    people: People
    coverage: Coverage
    _seconds: float | None = None
    accesses: Accesses = attrs.field(factory=Accesses)
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0

    @classmethod
    def open(cls, path: Path) -> Replay:
        """
        Open the recording at *path*.

        Raises:
            JournalError: the file is not a journal, or another version made it.
            OSError: it cannot be read.
        """
        journal = Journal.open(path)
        made_for = journal.head.get("abi")
        if made_for != f"{abi.ABI_HASH:016x}":
            journal.close()
            raise JournalError(
                f"{path} was recorded by another version of enforcer, and this version cannot "
                "read it: replay it with that version, or record again"
            )
        lines = Lines.of(journal)
        people = People(lines)
        people.learn(journal.documents(BlockKind.PEOPLE, read_people))
        coverage = Coverage.of(journal, lines)
        people.learn_workloads(coverage.workloads)
        ends = [end.get("seconds", 0.0) for end in journal.documents(BlockKind.END, read_end)]
        return cls(journal, lines, people, coverage, ends[0] if ends else None)

    @property
    def wall_ns(self) -> int:
        """What the wall clock had more than the clock of the records."""
        return self.journal.head.get("wall", 0)

    @property
    def seconds(self) -> float:
        """How long was recorded, by its end if it has one, else by its last access."""
        if self._seconds is not None:
            return self._seconds
        return max(0, self.last_ns - self.journal.head.get("began", 0)) / 1e9

    def run(
        self,
        candidates: Sequence[Candidate],
        hear: Callable[[RecordedAccess, tuple[Spoken | None, ...]], None],
    ) -> None:
        """Decide every access by all *candidates*, and tell *hear* what they said, if any said something."""
        for access in self.accesses.of(self.journal):
            self.count += 1
            self.first_ns = self.first_ns or access.time_ns
            self.last_ns = max(self.last_ns, access.time_ns)
            if access.op == Op.EXEC_ARGV:
                self._hear_arguments(access)
            said = tuple(candidate.decide(access) for candidate in candidates)
            if any(said):
                hear(access, said)

    def losses(self, candidates: Sequence[Candidate]) -> Losses:
        """Say what is missing, after :meth:`run`."""
        lost = list(self.journal.documents(BlockKind.LOST, read_losses))
        return Losses(
            accesses=sum(each.get("accesses", 0) for each in lost),
            lines=sum(each.get("lines", 0) for each in lost),
            torn=self.journal.torn,
            damaged=self.journal.damaged,
            malformed=self.accesses.malformed
            + self.lines.malformed
            + sum(candidate.malformed for candidate in candidates[:_ONE]),
            unknown_lines=len(set[int]().union(*(c.labels.lost for c in candidates))),
            is_ended=self.journal.is_ended,
        )

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()

    def _hear_arguments(self, access: RecordedAccess) -> None:
        reader = self.accesses.reader
        raw = access.views[-1]
        head = reader.read(raw)
        if head is not None and (argc := head[reader.at["argc"]]):
            words = reader.name(head, raw).removesuffix(b"\0").split(b"\0")[:argc]
            self.people.hear(access.line, access.tid, tuple(words))


@attrs.define
class RecordMaker:
    """Makes records of verdicts on recorded accesses, as they would have come from the kernel."""

    replay: Replay
    candidate: Candidate
    _decoder: Decoder = attrs.field(factory=lambda: Decoder(Layout(*abi.decoder("enf_event"))))
    _enricher: Enricher = attrs.field(init=False)

    @_enricher.default
    def _make_enricher(self) -> Enricher:
        origins = Origins({0: self.candidate.origins})
        offset = self.replay.wall_ns
        clock = WallClock(wall_ns=lambda: offset, boot_ns=lambda: 0)
        resolver: Any = self.replay.people
        return Enricher(origins, resolver, clock)

    def record(self, access: RecordedAccess, said: Spoken | None) -> Record | None:
        """Make the record of what was *said* of *access*; None where there would have been none."""
        if said is None or not is_told(said):
            return None
        try:
            event = self._decoder.decode(access.views[-1])
        except MalformedEventError:
            self.candidate.malformed += 1
            return None
        event = attrs.evolve(
            event,
            op=Op(said.op),
            action=Verb(said.action),
            row=said.row,
            row_flags=RowFlag(said.row_flags),
            flags=EventFlag.ON_ERROR if said.on_error else EventFlag(0),
            mark_at=said.mark_at,
            matches=(),
            n_matches=0,
            generation=0,
        )
        self.replay.people.line, self.replay.people.exe = access.line, event.exe
        return self._enricher.enrich(event)
