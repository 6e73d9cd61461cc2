# SPDX-License-Identifier: MIT
"""Write a recording session to a journal until the time, the size or the operator ends it."""

from __future__ import annotations

import platform
import selectors
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from enforcer.identity.naming import boot
from enforcer.identity.process import Processes, link
from enforcer.identity.users import Users
from enforcer.libbpf import abi
from enforcer.runtime.reactor import Reactor
from enforcer.safe_text import readable
from enforcer.workbench.replay.coverage import describe
from enforcer.workbench.replay.heads import ACCESS
from enforcer.workbench.replay.journal import FORMAT, BlockKind, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from enforcer.identity.workloads import Workloads
    from enforcer.policy.language.syscall_table import Syscall
    from enforcer.policy.language.vocabulary import Op
    from enforcer.policy.model.workloads import Workload
    from enforcer.workbench.replay.document_types import FoundProcess, JournalHead, PeopleDocument

__all__ = ["Recorded", "Recorder", "Recording", "head_of", "people"]

_BLOCK_BYTES: Final = 1 << 18
_TICK: Final = 1.0
_COMMAND_BYTES: Final = 1024
_TOGETHER: Final = 1000  # processes in one block
_TURN: Final = 0.1  # seconds per readiness, so that a flood cannot keep signals waiting
_LOOK: Final = 0.15  # seconds between two looks at which containers there are
_LAST: Final = 10.0  # seconds for the last records, after the session has ended
_KIND: Final = abi.offsetof("enf_event", "kind")
_TIME_AT, _TIME_SIZE = abi.place("enf_event", "time_ns")
_TIME: Final = slice(_TIME_AT, _TIME_AT + _TIME_SIZE)


class Recording(Protocol):
    """The session that records."""

    def fileno(self) -> int:
        """Return a descriptor that is readable while records wait."""

    def drain(self) -> Sequence[bytes]:
        """Take a batch of records."""

    def stats(self) -> dict[str, int]:
        """Return the counters."""

    def detach(self) -> None:
        """End the recording; waiting records can still be read."""


@attrs.frozen
class Recorded:
    """What there is to say when it is over."""

    seconds: float
    accesses: int
    lines: int
    lost_accesses: int
    lost_lines: int
    size: int
    reason: str


@attrs.define
class _Buffer:
    """Records of one kind that make no block yet."""

    kind: BlockKind
    records: list[bytes] = attrs.field(factory=list)
    size: int = 0

    def add(self, raw: bytes) -> bool:
        """Take *raw*; returns whether it is time for a block."""
        self.records.append(raw)
        self.size += len(raw)
        return self.size >= _BLOCK_BYTES

    def flush(self, writer: Writer) -> None:
        if self.records:
            first, last = (int.from_bytes(self.records[at][_TIME], "little") for at in (0, -1))
            writer.records(self.kind, self.records, first, last)
            self.records, self.size = [], 0


@attrs.define
class Recorder:
    """
    Moves records, until the journal has *most* bytes, and writes down which *workloads* there are.
    """

    session: Recording
    writer: Writer
    most: int
    workloads: Workloads | None = None
    reactor: Reactor = attrs.field(factory=Reactor)
    _accesses: _Buffer = attrs.field(factory=lambda: _Buffer(BlockKind.ACCESSES), init=False)
    _lines: _Buffer = attrs.field(factory=lambda: _Buffer(BlockKind.LINES), init=False)
    _counts: dict[str, int] = attrs.field(factory=lambda: {"accesses": 0, "lines": 0}, init=False)
    _lost: tuple[int, int] = attrs.field(default=(0, 0), init=False)
    _inhabitants: dict[bytes, Workload] = attrs.field(factory=dict, init=False)
    _reason: str = attrs.field(default="it was stopped", init=False)

    def run(self, seconds: float | None, *, ready: Callable[[], None]) -> Recorded:
        """
        Record until stopped, or for *seconds*; *ready* is called when it has begun.

        Raises:
            KernelError: records cannot be read.
            OSError: the journal cannot be written; what was written before can be read.
        """
        began = time.monotonic()
        endings: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        calls = dict.fromkeys(endings, self.reactor.stop)
        with self.reactor.signals(calls):
            self.reactor.watch(self.session.fileno(), selectors.EVENT_READ, self._pump)
            self.reactor.every(_TICK, self._tick)
            self._look()
            self.reactor.every(_LOOK, self._look)
            if seconds is not None:
                self.reactor.after(seconds, lambda: self._end("its time is over"))
            ready()
            self.reactor.run()
        return self._finish(time.monotonic() - began)

    def _end(self, reason: str) -> None:
        self._reason = reason
        self.reactor.stop()

    def _pump(self, _: int) -> None:
        end = time.monotonic() + _TURN
        while batch := self.session.drain():
            for raw in batch:
                self._take(raw)
            if time.monotonic() >= end or self.reactor.is_stopping:
                return

    def _take(self, raw: bytes) -> None:
        is_access = raw[_KIND] == ACCESS
        self._counts["accesses" if is_access else "lines"] += 1
        buffer = self._accesses if is_access else self._lines
        if buffer.add(raw):
            buffer.flush(self.writer)
            if self.writer.size >= self.most:
                self._end("it has reached its maximum size")

    def _tick(self) -> None:
        self._flush()
        self._count_losses()

    def _look(self) -> None:
        """Write down the containers and pods of which there is news."""
        if self.workloads is None:
            return
        news = [
            each for each in self.workloads.look() if self._inhabitants.get(each.cgroup) != each
        ]
        if news:
            self._inhabitants.update((each.cgroup, each) for each in news)
            now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            self.writer.document(BlockKind.WORKLOADS, describe(news), time_ns=now)

    def _flush(self) -> None:
        self._lines.flush(self.writer)
        self._accesses.flush(self.writer)

    def _count_losses(self) -> None:
        counted = self.session.stats()
        lost = counted.get("LOST_ACTIVITY", 0), counted.get("LOST_DECISIONS", 0)
        if lost != self._lost:
            now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            accesses, lines = (
                after - before for after, before in zip(lost, self._lost, strict=True)
            )
            content = {"until": now, "accesses": accesses, "lines": lines}
            self.writer.document(BlockKind.LOST, content, time_ns=now)
            self._lost = lost

    def _finish(self, seconds: float) -> Recorded:
        """Stop recording, take what waits, and say how it ended."""
        self.reactor.forget(self.session.fileno())
        self.session.detach()
        until = time.monotonic() + _LAST
        while (batch := self.session.drain()) and time.monotonic() < until:
            for raw in batch:
                self._take(raw)
        self._flush()
        self._count_losses()
        accesses, lines = self._lost
        said = {
            "reason": self._reason,
            "seconds": round(seconds, 3),
            **self._counts,
            "lostAccesses": accesses,
            "lostLines": lines,
        }
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self.writer.document(BlockKind.END, said, time_ns=now)
        return Recorded(
            seconds=seconds,
            accesses=self._counts["accesses"],
            lines=self._counts["lines"],
            lost_accesses=accesses,
            lost_lines=lines,
            size=self.writer.size,
            reason=self._reason,
        )


# ---- What the recording is of ---------------------------------------------------------------------


def head_of(ops: Iterable[Op], calls: Iterable[Syscall]) -> JournalHead:
    """Describe a recording that begins now, on this machine, of *ops* and *calls*."""
    boot_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return {
        "format": FORMAT,
        "abi": f"{abi.ABI_HASH:016x}",
        "began": boot_ns,
        "wall": time.time_ns() - boot_ns,
        "boot": boot(),
        "host": platform.node(),
        "kernel": platform.release(),
        "machine": _machine(),
        "operations": sorted(op.name for op in ops),
        "calls": sorted(call.name for call in calls),
    }


def _machine() -> str | None:
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip() or None
    except OSError:
        return None


def people(
    processes: Processes | None = None, users: Users | None = None
) -> Iterator[PeopleDocument]:
    """Describe the processes that there are, and name the users: for readers, not for verdicts."""
    known = processes if processes is not None else Processes()
    names = (users if users is not None else Users()).names()
    yield {"users": {str(uid): name for uid, name in names.items()}}
    found: list[FoundProcess] = []
    for number in sorted(int(each.name) for each in known.proc.iterdir() if each.name.isdigit()):
        stat = known.stat(number)
        if stat is None:
            continue
        words = known.cmdline(number, stat.start_ticks, _COMMAND_BYTES)
        exe = link(known.proc / str(number) / "exe")
        found.append(
            {
                "pid": number,
                "ticks": stat.start_ticks,
                "parent": stat.parent,
                "name": readable(stat.name),
                "exe": readable(exe) if exe is not None else None,
                "cmdline": [readable(word) for word in words] if words is not None else None,
            }
        )
        if len(found) == _TOGETHER:
            yield {"processes": found}
            found = []
    yield {"processes": found}


def is_same_machine(head: JournalHead) -> bool:
    """Tell whether a recording with *head* was made on this machine."""
    return head.get("boot") == boot() or (
        head.get("machine") is not None and head.get("machine") == _machine()
    )
