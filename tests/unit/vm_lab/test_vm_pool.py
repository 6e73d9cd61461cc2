# SPDX-License-Identifier: MIT
"""Jobs that share slots."""

import os
import sys
import time
from pathlib import Path

import pytest
from lab.pool import Ended, Job, Pool


def _job(directory: Path, name: str, code: str, slots: int = 1, **environment: str) -> Job:
    command = [sys.executable, "-c", code]
    return Job(name, command, directory / f"{name}.log", slots=slots, environment=environment)


def _run(slots: int, jobs: list[Job], *, stop_at: str | None = None) -> list[Ended]:
    ends: list[Ended] = []

    def ended(end: Ended) -> bool:
        ends.append(end)
        return end.job.name != stop_at

    Pool(slots).run(lambda: jobs.pop(0) if jobs else None, ended)
    return ends


def test_each_job_has_its_code_its_log_and_its_environment(tmp_path: Path) -> None:
    """Both outputs arrive in one file."""
    code = "import os, sys; print(os.environ['WORD'], flush=True); sys.exit('bad')"

    ends = _run(1, [_job(tmp_path, "one", code, WORD="hello"), _job(tmp_path, "two", "")])

    assert [("one", 1), ("two", 0)] == [(end.job.name, end.code) for end in ends]
    assert "hello\nbad\n" == (tmp_path / "one.log").read_text()


# Says when it began and ended, and waits in between until the other has begun.
_MEETS = """
import pathlib, time
began = time.monotonic()
pathlib.Path({own!r}).touch()
while not pathlib.Path({other!r}).exists() and time.monotonic() < began + 60:
    time.sleep(0.01)
print(began, time.monotonic())
"""


def test_no_more_run_than_there_are_slots(tmp_path: Path) -> None:
    """A job that fills all runs alone; of the others two meet, and never three."""
    order = [("whole", "whole", 2), ("a", "b", 1), ("b", "a", 1), ("c", "c", 1), ("d", "d", 1)]
    jobs = [
        _job(
            tmp_path, name, _MEETS.format(own=str(tmp_path / name), other=str(tmp_path / other)), n
        )
        for name, other, n in order
    ]

    ends = _run(2, jobs)

    assert {name for name, _, _ in order} == {end.job.name for end in ends if end.code == 0}
    spans = {
        name: tuple(map(float, (tmp_path / f"{name}.log").read_text().split()))
        for name, _, _ in order
    }
    beside = {
        name: [other for other, span in spans.items() if span[0] <= began < span[1]]
        for name, (began, _) in spans.items()
    }
    assert ["whole"] == beside["whole"]
    assert ["a", "b"] in (beside["a"], beside["b"])
    assert max(map(len, beside.values())) == 2


def test_what_fills_no_slot_runs_beside_the_others(tmp_path: Path) -> None:
    """It begins when a slot is free, and leaves that to the next, which it waits for."""
    waits = _MEETS.format(own=str(tmp_path / "waits"), other=str(tmp_path / "next"))
    following = _MEETS.format(own=str(tmp_path / "next"), other=str(tmp_path / "waits"))

    ends = _run(1, [_job(tmp_path, "waits", waits, 0), _job(tmp_path, "next", following)])

    assert {("waits", 0), ("next", 0)} == {(end.job.name, end.code) for end in ends}
    spans = [
        [*map(float, (tmp_path / f"{name}.log").read_text().split())] for name in ("waits", "next")
    ]
    assert max(began for began, _ in spans) < min(ended for _, ended in spans)


def test_the_rest_is_ended_where_that_is_asked_for(tmp_path: Path) -> None:
    """The other is asked to end, so that it can clean up, and no further one begins."""
    ready, cleaned = tmp_path / "ready", tmp_path / "cleaned"
    slow = (
        "import pathlib, signal, sys, time\n"
        f"def end(*_): pathlib.Path({str(cleaned)!r}).touch(); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(600)\n"
    )
    bad = (
        "import pathlib, sys, time\n"
        f"while not pathlib.Path({str(ready)!r}).exists(): time.sleep(0.01)\n"
        "sys.exit(3)\n"
    )
    jobs = [_job(tmp_path, "slow", slow), _job(tmp_path, "bad", bad), _job(tmp_path, "next", "")]

    ends = _run(2, jobs, stop_at="bad")

    assert ["bad"] == [end.job.name for end in ends]
    assert cleaned.exists()
    assert not (tmp_path / "next.log").exists()


def test_an_interruption_leaves_no_process(tmp_path: Path) -> None:
    """Whatever is raised in the middle."""
    pid = tmp_path / "pid"
    code = f"import os, pathlib, time; pathlib.Path({str(pid)!r}).write_text(str(os.getpid())); time.sleep(600)"
    asked = 0

    def following() -> Job | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            return _job(tmp_path, "slow", code)
        deadline = time.monotonic() + 60
        while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pool(2).run(following, lambda _: True)

    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_job_may_lead_to_a_further_one(tmp_path: Path) -> None:
    """What is made up at the end of the last one still runs."""
    jobs = [_job(tmp_path, "one", "")]
    ends: list[str] = []

    def ended(end: Ended) -> bool:
        ends.append(end.job.name)
        if end.job.name == "one":
            jobs.append(_job(tmp_path, "two", ""))
        return True

    Pool(1).run(lambda: jobs.pop(0) if jobs else None, ended)

    assert ["one", "two"] == ends
