# SPDX-License-Identifier: MIT
"""A daemon that is killed, started again and told things, and the records that it leaves."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import warm
from engine import ENFORCER, Started, launch
from patience import scaled
from record_log import RecordLog

from enforcer import places
from enforcer.runtime.control.protocol import Client

__all__ = [
    "PINS",
    "Daemon",
    "Tail",
    "ask",
    "every_map",
    "leftovers",
    "managed",
    "maps",
    "told",
    "until",
]

PINS = Path("/sys/fs/bpf/enforcer")
_LIMIT = 600.0  # under attack, in an emulated machine, a start takes minutes


def ask(*argv: str, said: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run one command of enforcer, which finds *said* on its standard input."""
    return warm.run([ENFORCER, *argv], timeout=scaled(_LIMIT), said=said)


def told(*argv: str) -> str:
    """Run one command of enforcer that must succeed; returns what it printed."""
    ended = ask(*argv)
    assert ended.returncode == 0, (argv, ended.stdout, ended.stderr)
    return ended.stdout


def kernel_counts() -> dict[str, int]:
    """What the kernel side of the running daemon has counted, by the names in ``enforcer status``."""
    counts: dict[str, int] = json.loads(told("status", "--json"))["kernel"]
    return counts


def until(holds: Callable[[], Any], limit: float = 180.0, pause: float = 0.15) -> Any:
    """
    Wait until *holds* returns something true, and return it; ask each *pause* seconds.

    *limit* is in seconds of a quiet machine.
    """
    limit = scaled(limit)
    end = time.monotonic() + limit
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < end, f"after {limit:g} s still {value!r}"
        time.sleep(pause)


def leftovers() -> dict[str, list[str]]:
    """What of enforcer's is in the kernel: programs, links and pins."""
    programs = {
        entry["id"]: entry["name"]
        for entry in _bpftool("prog")
        if entry.get("name", "").startswith("enf_")
    }
    links = [programs[e["prog_id"]] for e in _bpftool("link") if e.get("prog_id") in programs]
    pins = [str(path) for path in sorted(PINS.rglob("*"))] if PINS.is_dir() else []
    return {"programs": sorted(programs.values()), "links": sorted(links), "pins": pins}


def _bpftool(kind: str) -> list[dict[str, Any]]:
    said = subprocess.run(
        ["bpftool", kind, "list", "-j"], capture_output=True, check=True, timeout=scaled(60)
    ).stdout
    return list(json.loads(said or b"[]"))


def maps() -> int:
    """How many BPF maps there are in the kernel."""
    return len(every_map())


def every_map() -> list[dict[str, Any]]:
    """All BPF maps in the kernel; ``bytes_memlock`` is what it accounts to each, as ``fdinfo`` has it."""
    return _bpftool("map")


@attrs.define
class Daemon:
    """
    ``enforcer start`` with *paths*, in *directory*; its log is that of all starts together.

    With *is_executed* each start is a program of its own, else a copy of one that is there.
    """

    directory: Path
    paths: tuple[str, ...]
    is_executed: bool = False
    process: Started | None = None
    starts: int = 0
    usual: float = 0.0
    """Seconds that the newest whole start has taken."""
    _records: RecordLog = attrs.field(
        default=attrs.Factory(lambda self: RecordLog(self.log), takes_self=True), init=False
    )

    @property
    def log(self) -> Path:
        """The records as JSON."""
        return self.directory / "events.json"

    @property
    def output(self) -> str:
        """What the newest start printed."""
        return self.output_from(0)

    def output_from(self, offset: int) -> str:
        """What the newest start printed behind so many bytes."""
        with self._output.open("rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")

    @property
    def output_size(self) -> int:
        """How many bytes the newest start printed."""
        return self._output.stat().st_size

    @property
    def _output(self) -> Path:
        return self.directory / f"output-{self.starts}"

    @property
    def is_active(self) -> bool:
        """Whether the newest start came so far, and runs."""
        is_running = self.process is not None and self.process.poll() is None
        return is_running and "enforcer: active: " in self.output

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self.process is not None
        return self.process.pid

    def launch(self, *options: str) -> None:
        """Start, and do not wait."""
        self.starts += 1
        with self._output.open("wb") as sink:
            argv = ("start", *self.paths, "--quiet", "--json-log", str(self.log), *options)
            self.process = launch(argv, sink, is_executed=self.is_executed)

    def start(self, *options: str) -> None:
        """Start, and wait until it is active."""
        began = time.monotonic()
        self.launch(*options)
        assert self.process is not None
        end = time.monotonic() + scaled(_LIMIT)
        while "enforcer: active: " not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < end, self.output
            time.sleep(0.15)  # each look reads a file, for milliseconds when emulated
        self.usual = time.monotonic() - began

    def kill(self) -> None:
        """End the process as an attacker would, or the kernel that has no memory."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(scaled(60))

    def stop(self) -> None:
        """End it in order."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(scaled(120)) == 0, self.output

    def request(self, command: str, **fields: Any) -> dict[str, Any]:
        """Ask as the commands do, but without a process for each: emulated, that takes seconds."""
        with Client.connect(places.SOCKET, timeout=scaled(_LIMIT)) as client:
            return client.ask(command, **fields)

    def resident(self) -> int:
        """Its resident memory in bytes: its own, files and libraries that it has mapped, and the rings."""
        said = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"(?m)^VmRSS:\s*(\d+) kB$", said)[1]) << 10  # type: ignore[index]

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        return dict(self.request("status")["status"])

    def records(self) -> list[dict[str, Any]]:
        """What its log has so far."""
        return self._records.records()

    def catch_up(self) -> None:
        """Wait until it has written every record: a full ring has no room for more."""
        seen = [-1]

        def rests() -> bool:
            seen.append(self.status()["records"]["total"])
            return seen[-1] == seen[-2]

        until(rests, 300)

    def generation(self) -> int:
        """The active generation."""
        return int(self.status()["generation"])


@contextmanager
def managed(directory: Path, *paths: Path, is_executed: bool = False) -> Iterator[Daemon]:
    """A daemon that is not started yet; nothing of it is left after the block."""
    directory.mkdir(parents=True, exist_ok=True)
    daemon = Daemon(directory, tuple(map(str, paths)), is_executed)
    try:
        yield daemon
    finally:
        if daemon.process is not None and daemon.process.poll() is None:
            daemon.process.send_signal(signal.SIGTERM)
            try:
                daemon.process.wait(scaled(120))
            except subprocess.TimeoutExpired:
                daemon.process.kill()
        if any(leftovers().values()):
            ask("stop", "--force")


@attrs.define
class Tail:
    """
    Reads a log while it grows, and moves it away when it is large, as logrotate would.

    *torn* counts lines that are no record: a writer that was killed may leave half of one.
    """

    path: Path
    limit: int = 16 << 20
    torn: int = 0
    _offset: int = 0

    def records(self) -> Iterator[dict[str, Any]]:
        """What came since the last time."""
        if not self.path.exists():
            return
        yield from self._read(self.path, self._offset)
        if self._offset > self.limit:
            moved = self.path.with_suffix(".moved")
            shutil.move(self.path, moved)
            until(self.path.exists)
            yield from self._read(moved, self._offset)
            moved.unlink()
            self._offset = 0

    def _read(self, path: Path, offset: int) -> Iterator[dict[str, Any]]:
        with path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                offset += len(line)
                self._offset = offset
                try:
                    yield json.loads(line)
                except ValueError:
                    self.torn += 1
