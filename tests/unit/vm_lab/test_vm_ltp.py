# SPDX-License-Identifier: MIT
"""The comparison with the Linux Test Project: what counts as a result, and what as a difference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ltp import Comparison, Result, Suite, counted, refusals

NEW = """\
tst_test.c:1900: TINFO: Timeout per run is 0h 01m 30s
open01.c:59: TFAIL: sticky bit is cleared unexpectedly

Summary:
passed   1
failed   2
broken   0
skipped  1
warnings 0
"""
OLD = "x01  1  TPASS  :  done\nx01  2  TFAIL  :  not\nx01  3  TCONF  :  no such thing\n"


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (NEW, (("failed", 2), ("skipped", 1))),
        (OLD, (("failed", 1), ("skipped", 1))),
        ("", ()),
        (NEW.replace("failed   2", "failed   0").replace("skipped  1", "skipped  0"), ()),
    ],
)
def test_what_failed_is_counted_in_both_forms(told, counts) -> None:
    """The library sums up; what is older than it says it line by line."""
    assert counts == counted(told)


def test_tests_that_ended_alike_once_do_not_differ() -> None:
    """Who does not always end alike is not a witness."""
    fine, broken, slow = Result(0, ()), Result(2, (("broken", 1),)), Result(None, ())
    found = Comparison(
        without={"same": {fine}, "unsteady": {fine, slow}, "other": {fine}},
        with_it={"same": {fine}, "unsteady": {slow}, "other": {broken, slow}},
    )

    assert ["other"] == found.differing()
    assert "status 2, 1 broken" == str(broken)


def test_refusals_are_those_since_the_last_look(tmp_path: Path) -> None:
    """Which rules refused; what a policy only watched or tried out refused nothing."""
    log = tmp_path / "events.json"

    def tell(policy: str, action: str, *, enforced: bool = True) -> None:
        record = {"policy": policy, "rule": "r", "action": action, "enforced": enforced}
        with log.open("a") as out:
            out.write(json.dumps(record) + "\n")

    tell("early", "deny")
    _, at = refusals(log, 0)
    tell("keep", "deny")
    tell("watch", "log")
    tell("trial", "kill", enforced=False)
    with log.open("a") as out:
        out.write('{"half')

    assert ["keep/r"] == refusals(log, at)[0]


def test_only_tests_that_were_built_are_run(tmp_path: Path) -> None:
    """By the list of the suite, and chosen by name."""
    (tmp_path / "runtest").mkdir()
    (tmp_path / "runtest/syscalls").write_text(
        "#comment\nopen01 open01\nopen02 open02 -x\nread01 read01\nnever nothing-of-this-name\n"
    )
    for name in ("open01", "open02", "read01"):
        program = tmp_path / "testcases" / name[:-2] / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)

    found = Suite.at(tmp_path, 1.0).tests(["open*", "never"], ["open01"])

    assert [("open02", "open02 -x")] == [(test.name, test.line) for test in found]
