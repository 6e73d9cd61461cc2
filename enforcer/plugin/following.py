# SPDX-License-Identifier: MIT
"""
The logs of all engines as one stream of lines, with kubectl for a reader.

One kubectl reads the logs of all pods that have a container of one name. It does not see pods that come, nor containers
that start anew. So who follows looks now and then which there are, and begins again from the moment before. What
comes twice is told once, by the time that a node gave each line.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import selectors
import time
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.cli.exits import UsageError
from enforcer.cluster.agent.troubles import Troubles
from enforcer.plugin.engines import SELECTOR
from enforcer.plugin.kubectl import KubectlError, end, sentence

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Generator, Iterable, Iterator

    from enforcer.plugin.engines import Engine, Engines

__all__ = ["MAX_ENGINES", "Following", "Line", "Rhythm"]

MAX_ENGINES: Final = 500
"""Logs that are read at once: each is a connection through the API server to a node."""

_MAX_LINE: Final = 1 << 20
_MAX_RECENT: Final = 100_000
_MAX_HELD: Final = 10
_PIECE: Final = 1 << 16
_FORM: Final = re.compile(
    rb"\[pod/(?P<pod>[a-z0-9.-]+)/[a-z0-9-]+\] (?:(?P<time>\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|[+-]\d\d:\d\d)) )?(?P<text>.*)",
    re.DOTALL,
)
_WHAT: Final = "logs of engines"
_HOLD: Final = 2.0  # seconds for which what kubectl says waits, should that be all that comes


@attrs.frozen
class Rhythm:
    """
    Times, in seconds.

    Attributes:
        look: between two looks which engines there are.
        overlap: so much is read again after a break. Clocks of nodes may differ by that.
        pause: after a break, on average; it doubles, up to *longest*.
        longest: no pause is longer.
    """

    look: float = 15.0
    overlap: float = 60.0
    pause: float = 1.0
    longest: float = 30.0


@attrs.frozen
class Line:
    """A line of the log of the engine in *pod*, on *node*."""

    pod: str
    node: str
    text: bytes


@attrs.define(eq=False, repr=False)
class _Reader:
    """One kubectl, and what of a line has come."""

    process: subprocess.Popen[bytes]
    said: bytearray = attrs.field(factory=bytearray, init=False)
    buffer: bytearray = attrs.field(factory=bytearray, init=False)
    is_skipping: bool = attrs.field(default=False, init=False)

    def lines(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that *piece* completes. One that is too long is left out: it is no record."""
        *whole, rest = piece.split(b"\n")
        for part in whole:
            if not self.is_skipping and len(self.buffer) + len(part) <= _MAX_LINE:
                yield bytes(self.buffer + part)
            self.buffer.clear()
            self.is_skipping = False
        self.buffer += rest[: _MAX_LINE + 1 - len(self.buffer)]
        self.is_skipping |= len(self.buffer) > _MAX_LINE


@attrs.define(eq=False, repr=False)
class Following:
    """
    Reads logs.

    Attributes:
        report: gets sentences.
        nodes: whose engines alone; none: all.
        tail: how many lines of each log that are there already; None: none, and all since *since*.
        since: seconds since 1970; None: now.
    """

    engines: Engines
    report: Callable[[str], None]
    nodes: frozenset[str] = frozenset()
    tail: int | None = None
    since: float | None = None
    rhythm: Rhythm = attrs.field(factory=Rhythm)
    _troubles: Troubles = attrs.field(init=False)
    _recent: dict[int, None] = attrs.field(factory=dict, init=False)
    _began: float = attrs.field(factory=time.time, init=False)
    _held: list[bytes] = attrs.field(factory=list, init=False)
    _ending: Event = attrs.field(factory=Event, init=False)
    _readers: list[_Reader] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._troubles = Troubles(self.report)

    def once(self) -> Generator[Line, None, None]:
        """
        Yield the lines that are there.

        Raises:
            UsageError: they cannot be read.
        """
        found = self._wanted()
        options = [] if self.since is None else [f"--since-time={_written(self.since)}"]
        had_lines = False
        with self._reading(found, [*options, f"--tail={_all(self.tail)}"]):
            for line in self._lines(found, until=lambda: False):
                had_lines = True
                yield line
        said = self._said()
        if any(each.process.returncode for each in self._readers) or (said and not had_lines):
            raise KubectlError(said or "it ended and said nothing")
        if said:  # of some: a container that does not run yet, a node that is away
            self.report(said)

    def follow(self) -> Generator[Line, None, None]:
        """
        Yield lines as they come, for ever.

        Raises:
            UsageError: they cannot be read at all.
        """
        found = self._wanted()
        looker = _Looker(self._wanted, self._ending, self.rhythm.look)
        looker.start()
        options = self._first()
        failures = 0
        is_first = True
        try:
            while True:
                with self._reading(found, ["--follow", *options]):
                    had_lines = False
                    for line in self._lines(found, until=partial(looker.differs, found)):
                        had_lines = True
                        yield line
                gone = time.time()
                if not looker.differs(found):
                    # It ended by itself: kubectl ends when nothing is left that it could read.
                    failures = 0 if had_lines else failures + 1
                    said = self._said()
                    if is_first and not had_lines and said:
                        raise KubectlError(said)  # of the very first, nothing could be read at all
                    self._troubles.failed(_WHAT, said or "the connection ended")
                    self._ending.wait(self._pause(failures))
                is_first = False
                found = looker.newest or found
                begin = max(self.since or self._began, gone - self.rhythm.overlap)
                options = [f"--since-time={_written(begin)}", "--tail=-1"]
        finally:
            self._ending.set()

    def _first(self) -> list[str]:
        """Return what is read of the logs that are there already."""
        if self.since is None:
            return [f"--tail={self.tail or 0}"]
        return [f"--since-time={_written(self.since)}", f"--tail={_all(self.tail)}"]

    def _pause(self, failures: int) -> float:
        most = min(self.rhythm.longest, self.rhythm.pause * (1 << min(failures, 10)))
        return random.uniform(0.5, 1.0) * most  # noqa: S311 - a pause

    def _wanted(self) -> tuple[Engine, ...]:
        """
        Return the engines whose logs are wanted.

        Raises:
            UsageError: there are none, or too many.
        """
        found = self.engines.all()
        if missing := self.nodes - {each.node for each in found}:
            raise UsageError(f"no engine is on node {min(missing)}")
        wanted = tuple(each for each in found if not self.nodes or each.node in self.nodes)
        if len(wanted) > MAX_ENGINES:
            raise UsageError(
                f"there are {len(wanted):,} engines, and logs of {MAX_ENGINES} are read at most: name nodes "
                "by --node"
            )
        return wanted

    # ---- Processes -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _reading(self, found: tuple[Engine, ...], options: Iterable[str]) -> Iterator[None]:
        """Have kubectl read the logs of *found* for the length of the block."""
        self._readers = []
        try:
            for target in self._targets(found):
                words = ("logs", *target, f"--namespace={self.engines.namespace}")
                form = ("--prefix", "--timestamps", "--ignore-errors", *options)
                self._readers.append(_Reader(self.engines.cluster.kubectl.start(*words, *form)))
            yield
        finally:
            for reader in self._readers:
                end(reader.process)

    def _targets(self, found: tuple[Engine, ...]) -> Iterator[tuple[str, ...]]:
        """Yield what each kubectl reads: one pod that was named, or all whose container has one name."""
        if self.nodes:
            yield from ((f"pod/{each.pod}", f"--container={each.container}") for each in found)
            return
        for name in sorted({each.container for each in found}):
            yield (
                f"--selector={SELECTOR}",
                f"--container={name}",
                f"--max-log-requests={MAX_ENGINES}",
            )

    def _said(self) -> str:
        """Return what all of them said, on standard error or among the lines."""
        held, self._held = b"\n".join(self._held), []
        return sentence(b"\n".join([*(bytes(reader.said) for reader in self._readers), held]))

    # ---- Lines ---------------------------------------------------------------------------------

    def _lines(self, found: tuple[Engine, ...], *, until: Callable[[], bool]) -> Iterator[Line]:
        """Yield what comes, until all have ended, or *until* says so, which is asked each second at least."""
        nodes = {each.pod: each.node for each in found}
        due = time.monotonic() + _HOLD
        with selectors.DefaultSelector() as selector:
            for reader in self._readers:
                for stream in (reader.process.stdout, reader.process.stderr):
                    assert stream is not None  # noqa: S101 - it was started so
                    selector.register(stream, selectors.EVENT_READ, reader)
            while selector.get_map() and not until():
                if self._held and time.monotonic() > due:
                    self._troubles.failed(_WHAT, self._said())
                for key, _ in selector.select(min(1.0, self.rhythm.look)):
                    piece = os.read(key.fd, _PIECE)
                    source: _Reader = key.data
                    if not piece:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is source.process.stderr:
                        source.said += piece
                        del source.said[:-_PIECE]
                    else:
                        for raw in source.lines(piece):
                            if (line := self._line(raw, nodes)) is not None:
                                yield line
            for reader in self._readers:
                if not selector.get_map():
                    reader.process.wait()

    def _line(self, raw: bytes, nodes: dict[str, str]) -> Line | None:
        """Return a line that was not told before; None for others, and for what kubectl itself says."""
        found = _FORM.fullmatch(raw)
        if found is None:
            if raw.strip() and raw not in self._held:
                self._held = [*self._held, raw][:_MAX_HELD]
            return None
        pod = found["pod"].decode()
        if found["time"] is not None and not self._is_new((pod, found["time"], found["text"])):
            return None
        return Line(pod, nodes.get(pod, ""), found["text"])

    def _is_new(self, line: tuple[str, bytes, bytes]) -> bool:
        """Whether a line was not told: a node gives each a time in nanoseconds. Past the limit it is told twice."""
        key = hash(line)
        if key in self._recent:
            return False
        self._recent[key] = None
        if len(self._recent) > _MAX_RECENT:
            del self._recent[next(iter(self._recent))]
        return True


def _all(tail: int | None) -> int:
    return -1 if tail is None else tail


def _written(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


@attrs.define(eq=False, repr=False)
class _Looker:
    """Looks which engines there are, in a thread, so that no line waits for that."""

    look: Callable[[], tuple[Engine, ...]]
    ending: Event
    seconds: float
    newest: tuple[Engine, ...] | None = attrs.field(default=None, init=False)
    _found: SimpleQueue[tuple[Engine, ...]] = attrs.field(factory=SimpleQueue, init=False)

    def start(self) -> None:
        """Begin."""
        Thread(target=self._run, name="engines", daemon=True).start()

    def differs(self, known: tuple[Engine, ...]) -> bool:
        """Whether there are other engines by now than *known*, or other runs of them."""
        with contextlib.suppress(Empty):
            while True:
                self.newest = self._found.get_nowait()
        return self.newest is not None and self.newest != known

    def _run(self) -> None:
        while not self.ending.wait(self.seconds):
            # What cannot be seen now has not changed: logs go on, and the next look may succeed.
            with contextlib.suppress(UsageError):
                self._found.put(self.look())
