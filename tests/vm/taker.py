# SPDX-License-Identifier: MIT
"""
Runs the tests of a shared queue in one process of pytest, file after file, until nothing is left.

Importing pytest and what tests need costs seconds in an emulated machine, so a file must not cost a
process. Nothing is collected before it is taken; after each file all fixtures are torn down.
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import ledger
import pytest
from lab.claims import Claims, Entry, Result


class Taker:
    """A plugin that takes files from *claims* in the name of *machine*."""

    def __init__(self, claims: Claims, machine: str) -> None:
        self._claims = claims
        self._machine = machine
        self._result: Result | None = None
        self._files: dict[Path, pytest.Item | pytest.Collector] = {}
        self._collected = 0
        self._took = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> bool:
        """Find the files of the queue, and import none of them yet."""
        # For each file that it is asked for, pytest lists the directories above anew. That takes half a
        # second when emulated, so it is asked for one of each directory.
        files = {Path(file).parent: file for file in map(_file, self._claims.entries())}
        if files:
            for one in session.perform_collect([*files.values()], genitems=False):
                assert isinstance(one.parent, pytest.Directory)
                self._files |= {node.path: node for node in one.parent.collect()}
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take and run until the queue has nothing for this machine."""
        ledger.keep()  # here, or what this process loads is on record behind some files and not behind others
        cpus = len(os.sched_getaffinity(0))
        gc.freeze()  # what has been imported stays: no collection need look at it
        while (entry := self._claims.take(self._machine, cpus=cpus)) is not None:
            self._took = True
            self._run(session, entry)
        return True

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be imported has failed."""
        if self._result is not None and not report.passed:
            self._add(report, "error")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what became of each test, and how long it took."""
        if self._result is not None:
            self._result.spend(report.nodeid, report.duration)
        if self._result is not None and (report.when == "call" or not report.passed):
            self._add(report, "failed" if report.when == "call" else "error")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """A machine that found the queue empty has nothing to complain of."""
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and not self._took:
            session.exitstatus = pytest.ExitCode.OK

    def _run(self, session: pytest.Session, entry: Entry) -> None:
        began, busy = time.monotonic(), _busy()
        self._result = result = Result(self._machine)
        try:
            items = self._collect(session, entry)
            for item, following in zip(items, [*items[1:], None], strict=False):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                _stop_where_asked(session)
            result.complete = True
        finally:
            self._result = None
            result.seconds, result.busy = time.monotonic() - began, _busy() - busy
            self._claims.finish(entry, result)

    def _collect(self, session: pytest.Session, entry: Entry) -> list[pytest.Item]:
        """Import the file of *entry* and return its tests."""
        file = self._files.get(session.config.invocation_params.dir / _file(entry))
        if file is None:
            raise pytest.UsageError(f"{entry.test} names no file of tests")
        items = [item for item in session.genitems(file) if _is_of(item, entry)]
        session.config.hook.pytest_collection_modifyitems(
            session=session, config=session.config, items=items
        )
        if not items and "::" in entry.test:
            raise pytest.UsageError(f"{entry.test} names no test")
        self._collected += len(items)
        session.items, session.testscollected = items, self._collected
        _stop_where_asked(session)
        return items

    def _add(self, report: pytest.CollectReport | pytest.TestReport, bad: str) -> None:
        assert self._result is not None
        reason = ""
        if report.skipped:
            outcome = "xfailed" if hasattr(report, "wasxfail") else "skipped"
            if isinstance(report.longrepr, tuple):
                reason = report.longrepr[2].removeprefix("Skipped: ")
        else:
            outcome = "passed" if report.passed else bad
        self._result.add(report.nodeid, outcome, reason)


def _busy() -> float:
    """Seconds that the processors of this machine have worked, all together."""
    words = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0].split()
    ticks = list(map(int, words[1:9]))
    idle, waiting = ticks[3:5]
    return (sum(ticks) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def _file(entry: Entry) -> str:
    return entry.test.partition("::")[0]


def _is_of(item: pytest.Item, entry: Entry) -> bool:
    """Tell whether *entry* is the file of *item*, its class, its function, the test, or a beginning of cases."""
    _, _, wanted = entry.test.partition("::")
    _, _, name = item.nodeid.partition("::")
    if "[" in wanted and not wanted.endswith("]"):
        return name.startswith(wanted)
    return not wanted or name == wanted or name.startswith((f"{wanted}::", f"{wanted}["))


def _stop_where_asked(session: pytest.Session) -> None:
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
