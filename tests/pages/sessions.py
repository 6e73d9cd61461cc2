# SPDX-License-Identifier: MIT
"""
The blocks of a page, run as they are printed: one folder and one order for all that run at one place.

Each command gets a shell of its own, with standard output and error in one pipe. So nothing is a terminal,
and ``cd`` and variables end with the line.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
from pages.blocks import INTERRUPT, PAGES, PLACES, Block, Command, blocks, commands
from pages.likeness import differ
from patience import scaled

__all__ = ["Outcome", "Session", "left_out", "problems", "runs_at", "tally"]

_LIMIT = 300.0  # seconds that one command may take on a quiet machine
_PAUSE = 0.1
_QUIET = 0.5  # seconds without another line, after which a command has said all
_ENVIRONMENT = {"NO_COLOR": "1", "COLUMNS": "80", "LANG": "C.UTF-8", "TERM": "dumb"}
# Who started the tests may ignore Ctrl-C, and what ignores it at its start does so to its end.
_SHELL = ("env", "--default-signal=INT", "bash", "-o", "pipefail", "-c")


@attrs.frozen
class Outcome:
    """What came of a command, or of a block that a command that stays has printed."""

    block: Block
    command: Command
    came: tuple[str, ...]
    code: int

    def __str__(self) -> str:
        return f"{self.block.page.name}:{self.command.line + 1}: {self.command.text}"


@attrs.define(eq=False)
class _Shell:
    """One command that runs, and what it has printed so far."""

    process: subprocess.Popen[bytes]
    output: Path
    seen: int = 0

    @property
    def lines(self) -> list[str]:
        """The lines that nobody has taken."""
        text = self.output.read_text("utf-8", "replace")
        return [line.rstrip() for line in text.splitlines()[self.seen :]]

    def take(self) -> tuple[str, ...]:
        """Return these lines, which are taken then."""
        lines = self.lines
        self.seen += len(lines)
        return tuple(lines)

    def end(self, number: int | None = None) -> int:
        """Wait for the end, after a signal to all of its processes; returns the exit code."""
        if number is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)
        return self.process.wait(scaled(_LIMIT))

    def await_lines(self, number: int, quiet: float = _QUIET) -> None:
        """Wait until it has printed so many lines and, for *quiet* seconds, no more; or ends, or takes too long."""
        end = time.monotonic() + scaled(_LIMIT)
        last, since = -1, time.monotonic()
        while self.process.poll() is None and time.monotonic() < end:
            if (now := len(self.lines)) != last:
                last, since = now, time.monotonic()
            if now >= number and time.monotonic() - since >= quiet:
                return
            time.sleep(_PAUSE)


@attrs.define(eq=False)
class Session:
    """The commands of one page at one place, in *folder*; *environment* is added to this process's."""

    blocks: Sequence[Block]
    folder: Path
    environment: Mapping[str, str] = attrs.field(factory=dict)
    _stays: _Shell | None = None
    _outputs: Path = attrs.field(factory=lambda: Path(tempfile.mkdtemp(prefix="printed-")))
    _shells: list[_Shell] = attrs.field(factory=list)

    def run(self) -> Iterator[Outcome]:
        """Run them, one after another, and yield what came of each."""
        with self._cleaned():
            waiting = list(self.blocks)
            while waiting:
                block = waiting.pop(0)
                beside = []
                while waiting and waiting[0].marks.get("meanwhile") == "":
                    beside.append(waiting.pop(0))
                yield from self._block(block, beside)

    def _block(self, block: Block, beside: Sequence[Block]) -> Iterator[Outcome]:
        if first := block.marks.get("first"):
            self._done(first)
        if name := block.marks.get("file"):
            self._write(name, block.lines)
        elif "goes on" in block.marks:
            assert self._stays is not None, f"{block}: nothing stays that could go on"
            self._stays.await_lines(len(block.lines))
            shown = Command("", block.line - 1, block.lines)
            yield Outcome(block, shown, self._stays.take(), 0)
        else:
            yield from self._typed(block, beside)
        if last := block.marks.get("last"):
            self._done(last)

    def _typed(self, block: Block, beside: Sequence[Block]) -> Iterator[Outcome]:
        listed = commands(block)
        waits = next((c for c in listed if c.is_interrupted), listed[-1])
        for command in listed:
            name = command.shows
            if name and command.printed and not (self.folder / name).exists():
                self._write(name, command.printed)
                continue
            shell = self._begin(command.text)
            if command is waits and (beside or block.marks.get("meanwhile")):
                yield from self._meanwhile(shell, block, beside)
            if command.is_interrupted:
                shell.await_lines(max(1, command.printed.index(INTERRUPT)))
                before = shell.take()
                code = shell.end(signal.SIGINT)
                yield Outcome(block, command, (*before, INTERRUPT, *shell.take()), code)
            elif "stays" in block.marks and command is listed[-1]:
                shell.await_lines(max(1, len(command.printed)))
                self._stays = shell
                yield Outcome(block, command, shell.take(), 0)
            else:
                code = shell.end()
                yield Outcome(block, command, shell.take(), code)

    def _meanwhile(self, shell: _Shell, block: Block, beside: Sequence[Block]) -> Iterator[Outcome]:
        """Run what another shell gets once a command has said its first line."""
        shell.await_lines(1, quiet=0)
        for other in beside:
            yield from self._block(other, [])
        if said := block.marks.get("meanwhile"):
            self._done(said, has_to=False)

    def _begin(self, text: str) -> _Shell:
        output = self._outputs / str(len(self._shells))
        with output.open("wb") as sink:
            process = subprocess.Popen(
                [*_SHELL, text],
                cwd=self.folder,
                env={**os.environ, **_ENVIRONMENT, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._shells.append(_Shell(process, output))
        return self._shells[-1]

    def _done(self, text: str, *, has_to: bool = True) -> None:
        shell = self._begin(text)
        code = shell.end()
        assert not has_to or code == 0, (text, shell.take())

    def _write(self, name: str, lines: Sequence[str]) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", "utf-8")

    @contextmanager
    def _cleaned(self) -> Iterator[None]:
        """Leave nothing that runs, and no files of ours."""
        try:
            yield
        finally:
            for shell in self._shells:
                shell.end(signal.SIGINT)
            shutil.rmtree(self._outputs)


def problems(outcome: Outcome) -> list[str]:
    """Return what is not as printed: lines with ``-`` and ``+``, or how a command failed that prints nothing."""
    if outcome.command.printed:
        found = differ(outcome.command.printed, outcome.came)
    elif outcome.code:
        found = [f"ended with code {outcome.code}:", *outcome.came]
    else:
        return []
    return [str(outcome), *found] if found else []


def runs_at(page: Path, place: str) -> list[Block]:
    """Return the blocks of *page* that are run at *place*."""
    wanted = (b for b in blocks(page) if b.is_typed or {"file", "goes on"} & b.marks.keys())
    return [b for b in wanted if b.place == place and "not run" not in b.marks]


def left_out(page: Path) -> list[Block]:
    """Return the blocks of *page* with commands that nobody runs."""
    return [block for block in blocks(page) if block.is_typed and "not run" in block.marks]


def tally() -> str:
    """Return how many blocks are run at which place, and how many are not."""
    counts = {place: sum(len(runs_at(page, place)) for page in PAGES) for place in PLACES}
    counts["not run"] = sum(len(left_out(page)) for page in PAGES)
    return ", ".join(f"{place} {number}" for place, number in counts.items())
