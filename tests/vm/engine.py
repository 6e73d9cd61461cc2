# SPDX-License-Identifier: MIT
"""
The engine under test: a daemon with one policy text, and attempts made as processes of their own.

Starting takes seconds in an emulated machine, so a module starts one engine for many tests. Nor does
the daemon import anew what it consists of, unless the start itself is what is tested: see ``warm.py``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import attempter
import attrs
import ledger
import shared
import warm
from patience import scaled
from record_log import RecordLog
from shared import Started

ENFORCER = str(Path(sys.executable).with_name("enforcer"))
EXECUTED = (sys.executable, ledger.__file__)  # the same as a program that keeps the ledger
START_LIMIT = 600.0


def launch(argv: Sequence[str], sink: IO[bytes], *, is_executed: bool = False) -> Started:
    """Run ``enforcer`` with *argv*, which prints into *sink*; a program of its own if *is_executed*."""
    if not is_executed:
        return warm.start([ENFORCER, *argv], sink)
    return subprocess.Popen(
        [*EXECUTED, *argv],
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.STDOUT,
    )


def whole_lines(log: Path) -> list[str]:
    """The lines of *log*, if there is one; without the last if it is being written."""
    if not log.exists():
        return []
    whole, _, _ = log.read_text().rpartition("\n")
    return whole.splitlines()


@attrs.define
class Engine:
    """A running daemon; *log* is its JSON record file."""

    process: Started
    log: Path
    _log: RecordLog = attrs.field(
        default=attrs.Factory(lambda self: RecordLog(self.log), takes_self=True), init=False
    )

    def events(self) -> list[dict[str, Any]]:
        """Every record so far."""
        return self._log.records()

    def wait_for(self, wanted: Any, limit: float = 20.0) -> dict[str, Any]:
        """The newest record for which *wanted* holds; records reach the log a little later."""
        until = time.monotonic() + scaled(limit)
        while time.monotonic() < until:
            for event in reversed(self.events()):
                if wanted(event):
                    return event
            time.sleep(0.1)
        message = f"no such record among {len(self.events())}: {self.events()[-3:]}"
        raise AssertionError(message)


def _begin(argv: Sequence[str], output: Path, *, is_executed: bool = False) -> Started:
    with output.open("wb") as sink:
        return launch(argv, sink, is_executed=is_executed)


def _wait_until_active(process: Started, output: Path) -> None:
    until = time.monotonic() + scaled(START_LIMIT)
    while "enforcer: active: " not in output.read_text():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < until, output.read_text()
        time.sleep(0.1)


def _active(argv: Sequence[str], output: Path) -> Started:
    """Run ``enforcer`` with *argv* until it is active."""
    process = _begin(argv, output)
    _wait_until_active(process, output)
    return process


@contextmanager
def running(
    policy: str, directory: Path, *options: str, is_executed: bool = False
) -> Iterator[Engine]:
    """Run the daemon with *policy* (YAML) until the block ends; fail if it does not come up."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "policy.yaml"
    file.write_text(policy)
    with engine([str(file)], directory, *options, is_executed=is_executed) as it:
        yield it


@contextmanager
def engine(
    paths: Sequence[str], directory: Path, *options: str, is_executed: bool = False
) -> Iterator[Engine]:
    """Run the daemon with policy files: the shared one where that will do."""
    if not options and not is_executed:
        with shared.lease(_active, paths) as had:
            if had is not None:
                attempter.forget()
                try:
                    yield Engine(*had)
                finally:
                    attempter.forget()
                return
    shared.close()
    directory.mkdir(parents=True, exist_ok=True)
    log, output = directory / "events.json", directory / "output"
    argv = ("start", *paths, "--json-log", str(log), *options)
    process = _begin(argv, output, is_executed=is_executed)
    try:
        _wait_until_active(process, output)
        attempter.forget()
        yield Engine(process, log)
    finally:
        attempter.forget()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(scaled(60))
    assert process.returncode == 0, output.read_text()


def attempt(*argv: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """
    Run one program and return how it ended; -9 as return code is SIGKILL.

    A program that cannot be run at all ends with 126, as it does for a shell.
    """
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=scaled(60),
            **options,
        )
    except PermissionError as refused:
        return subprocess.CompletedProcess(argv, 126, b"", str(refused).encode())


def python(code: str, *argv: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run Python code as a process; it sees ``os`` and ``sys`` imported and *argv* as sys.argv[1:]."""
    return attempt(sys.executable, "-ISc", "import os, sys\n" + code, *argv, **options)


def perl(code: str, *argv: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """
    Run Perl code as a process; it sees *argv* as @ARGV, and what dies of an error ends with its errno.

    In an emulated machine it begins in a third of the time of a Python, so it is for what needs no more
    than system calls. Its syscall() takes no literals for strings.
    """
    return attempt("/usr/bin/perl", "-e", code, *argv, **options)


def uid_of(name: str) -> int:
    """The number of a user."""
    return int(subprocess.check_output(["id", "-u", name], env=os.environ.copy()))
