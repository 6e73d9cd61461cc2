# SPDX-License-Identifier: MIT
"""
The same thing many times while attackers look for a gap: reloads, broken policies, killed daemons.

``make test`` does a few rounds, ``make soak`` a thousand.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from churn import Churn, Place, Variant
from daemon import Daemon, Tail, maps, told, until

from enforcer.errors import EnforcerError

__all__ = ["BROKEN", "WAYS", "Folder", "Rounds"]

WAYS = ("command", "request", "signal", "rename", "write", "link")
_SIZES = (
    5,
    60,
    8,
    2200,
    12,
    5,
    60,
    8,
    200,
    12,
)  # one has no room in a session, others change hooks
_TABLES = (200, 5, 60, 700, 30, 2000, 90)
_WARM = 4
_GROWTH = 8 << 20  # bytes of resident memory that may come and go


@attrs.define
class Folder:
    """A folder of policies, as Kubernetes mounts a ConfigMap: links through ``..data``."""

    path: Path
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)

    @classmethod
    def make(cls, path: Path, text: str) -> Folder:
        """Make the folder with one policy file."""
        path.mkdir(parents=True)
        folder = cls(path)
        folder.link(text)
        (path / "policy.yaml").symlink_to("..data/policy.yaml")
        return folder

    @property
    def file(self) -> Path:
        """The file itself."""
        return (self.path / "..data").resolve() / "policy.yaml"

    def rename(self, text: str) -> None:
        """Replace the file as editors do."""
        beside = self.file.with_name(".policy.yaml.new")
        beside.write_text(text)
        beside.replace(self.file)

    def write(self, text: str) -> None:
        """Replace what is in the file; for a moment it is incomplete."""
        self.file.write_text(text)

    def link(self, text: str) -> None:
        """Replace the folder behind the links."""
        old = (self.path / "..data").resolve() if (self.path / "..data").is_symlink() else None
        new = self.path / f"..{next(self._numbers)}"
        new.mkdir()
        (new / "policy.yaml").write_text(text)
        beside = self.path / "..data_tmp"
        beside.symlink_to(new.name)
        beside.replace(self.path / "..data")
        if old is not None:
            shutil.rmtree(old)


@attrs.define
class Rounds:
    """What happens to one daemon; *variants* says what was active under which generation."""

    place: Place
    folder: Folder
    daemon: Daemon
    tail: Tail
    variant: Variant
    extra: tuple[str, ...] = ()
    variants: dict[int, Variant] = attrs.field(factory=dict)
    newest: int = 0
    seen: list[int] = attrs.field(factory=list)
    records: int = 0

    @classmethod
    def prepare(cls, place: Place, daemon: Daemon, folder: Folder, *extra: str) -> Rounds:
        """Put variant 'a' into *folder*."""
        first = place.variant("a", _SIZES[0], *extra)
        folder.rename(first.text)
        return cls(place, folder, daemon, Tail(daemon.log), first, extra)

    def started(self) -> None:
        """Take note of the generation of a start."""
        self._note(self.daemon.generation())

    def start_afresh(self) -> None:
        """Start where nothing may be active, so that generations may begin anew."""
        self.daemon.start()
        self.newest, self.seen = 0, []
        self.started()
        for _ in self.tail.records():  # of before
            pass

    def next_variant(self, number: int, size: int | None = None) -> Variant:
        """The other letter, in the size that is next."""
        letter = "b" if self.variant.letter == "a" else "a"
        return self.place.variant(letter, size or _SIZES[number % len(_SIZES)], *self.extra)

    def reload(self, variant: Variant, way: str) -> None:
        """Activate *variant* by one of the :data:`WAYS`."""
        before, printed = self.newest, self.daemon.output_size
        self.variant = variant
        {"write": self.folder.write, "link": self.folder.link}.get(way, self.folder.rename)(
            variant.text
        )
        said = ""
        if way == "command":
            said = told("reload")
        elif way == "request":
            assert self.daemon.request("reload")["generation"] > before
        elif way == "signal":
            os.kill(self.daemon.pid, signal.SIGHUP)
        # Each question takes the daemon time that it has not got for the answer.
        self._note(until(lambda: self._newer(before), pause=0.3))
        if way != "request":  # whoever came first has told of it: the command, or the daemon
            said += self.daemon.output_from(printed)
            for name in ("a-vault", "b-vault"):
                sign = "+" if name.startswith(variant.letter) else "-"
                assert f"{sign} policy {name} ({self.folder.path}/policy.yaml:" in said, said

    def _newer(self, before: int) -> int:
        generation = self.daemon.generation()
        return generation if generation > before else 0

    def _note(self, generation: int) -> None:
        assert generation > self.newest
        for between in range(self.newest + 1, generation + 1):
            self.variants[between] = self.variant
        self.newest = generation

    def check_records(self) -> None:
        """Each record has its reason in the text that was active under its generation."""
        for record in self.tail.records():
            if record["kind"] != "match":
                continue
            generation = record["generation"]
            assert generation in self.variants, (generation, record)
            assert self.variants[generation].explains(record), record
            self.records += 1
            if not self.seen or generation > self.seen[-1]:
                self.seen.append(generation)

    def run_reloads(self, number: int, churn: Churn, ways: Sequence[str] = WAYS) -> None:
        """Reload *number* times, by *ways* in turn; the attackers try under each generation."""
        for n in range(number):
            self.reload(self.next_variant(n), ways[n % len(ways)])
            churn.advance()
            self.check_records()

    def run_broken(self, number: int, churn: Churn) -> None:
        """Reload *number* broken policies: each is refused, nothing changes, nothing grows."""
        before: tuple[int, int] | None = None
        for n, name in enumerate(itertools.islice(itertools.cycle(BROKEN), number)):
            if n == _WARM:  # what grows once has grown
                before = self._memory()
            with self.broken(name):
                generation = self.daemon.generation()
                with pytest.raises(EnforcerError) as refused:
                    self.daemon.request("reload")
                assert str(refused.value), name
                assert generation == self.daemon.generation(), name
                churn.advance()
        after = self._memory()
        if before is not None:
            assert before[0] == after[0], "maps are left behind"
            assert after[1] <= before[1] + _GROWTH, "memory grows"

    @contextmanager
    def broken(self, name: str) -> Iterator[None]:
        """Break the policies within the block; afterwards they are what is active."""
        with BROKEN[name](self):
            yield
        mended = self.daemon.request("reload")
        assert (True, self.newest) == (mended["unchanged"], mended["generation"]), name

    def _memory(self) -> tuple[int, int]:
        return maps(), int(self.daemon.status()["memory"]["residentBytes"])

    def run_restarts(self, number: int, churn: Churn, *, stand: int = 3) -> None:
        """Kill the daemon and start it *number* times, with tables of other sizes."""
        for n in range(number):
            self.daemon.kill()
            churn.advance(stand)
            self.variant = self.next_variant(n, _TABLES[n % len(_TABLES)])
            self.folder.rename(self.variant.text)
            self.daemon.start()
            self.started()
            churn.advance(stand)
            self.check_records()


# ---- Ways to be broken ------------------------------------------------------------------------


@contextmanager
def _text(rounds: Rounds, text: str) -> Iterator[None]:
    rounds.folder.rename(text)
    try:
        yield
    finally:
        rounds.folder.rename(rounds.variant.text)


@contextmanager
def _edited(rounds: Rounds, old: str, new: str) -> Iterator[None]:
    assert old in rounds.variant.text
    with _text(rounds, rounds.variant.text.replace(old, new, 1)):
        yield


@contextmanager
def _too_large(rounds: Rounds) -> Iterator[None]:
    with _text(rounds, rounds.variant.text + "#" * (1 << 20)):
        yield


@contextmanager
def _too_many(rounds: Rounds) -> Iterator[None]:
    """More kinds of processes than there are labels for: only the compiler can say so."""
    rules = "".join(
        f"    - {{file: read, match: {{path: /none/{n}, process: {{binary: /none/{n}}}}}, action: deny}}\n"
        for n in range(600)
    )
    head = "---\napiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: many}\n"
    with _text(rounds, f"{rounds.variant.text}{head}spec:\n  rules:\n{rules}"):
        yield


@contextmanager
def _owned(rounds: Rounds) -> Iterator[None]:
    os.chown(rounds.folder.file, 1001, -1)
    try:
        yield
    finally:
        os.chown(rounds.folder.file, 0, 0)


@contextmanager
def _mode(rounds: Rounds, path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode & 0o7777
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@contextmanager
def _gone(rounds: Rounds) -> Iterator[None]:
    away = rounds.folder.path.with_name("away")
    rounds.folder.path.rename(away)
    try:
        yield
    finally:
        away.rename(rounds.folder.path)


@contextmanager
def _fifo(rounds: Rounds) -> Iterator[None]:
    rounds.folder.file.unlink()
    os.mkfifo(rounds.folder.file)
    try:
        yield
    finally:
        rounds.folder.file.unlink()
        rounds.folder.write(rounds.variant.text)


BROKEN: dict[str, Any] = {
    "no YAML": lambda r: _edited(r, "rules:", "rules: ]"),
    "cut off": lambda r: _text(r, r.variant.text[: r.variant.text.rindex("match:")]),
    "empty": lambda r: _text(r, ""),
    "unknown key": lambda r: _edited(r, "action: deny", "action: deny, colour: red"),
    "unknown operation": lambda r: _edited(r, "file: read", "file: reed"),
    "unknown field": lambda r: _edited(r, "path:", "pathh:"),
    "name twice": lambda r: _text(r, f"{r.variant.text}---\n{r.variant.text}"),
    "file too large": _too_large,
    "too many labels": _too_many,
    "owned by another": _owned,
    "writable by all": lambda r: _mode(r, r.folder.file, 0o666),
    "folder writable by all": lambda r: _mode(r, r.folder.path, 0o777),
    "folder gone": _gone,
    "no file": _fifo,
}
