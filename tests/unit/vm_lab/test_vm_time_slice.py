# SPDX-License-Identifier: MIT
"""Machines that share processors change less often."""

import re
import subprocess
from pathlib import Path

import pytest
from lab.time_slice import LONG, LONGEST, time_slice

_SLICE = re.compile(r"^se\.slice +: +(\d+)$", re.MULTILINE)


def slice_of_child() -> int:
    with subprocess.Popen(["sleep", "60"]) as child:
        try:
            found = _SLICE.search(Path(f"/proc/{child.pid}/sched").read_text())
        finally:
            child.kill()
    if found is None:
        pytest.skip("this kernel does not show time slices")
    return int(found[1])


@pytest.mark.parametrize("wanted", [LONG, LONGEST])
def test_who_is_started_within_has_longer_slices(wanted):
    """And nobody else: neither before nor behind it."""
    before = slice_of_child()
    with time_slice(wanted):
        within = slice_of_child()

    assert before == slice_of_child()
    assert before < wanted
    assert within in {before, wanted}  # Linux before 6.12 or glibc before 2.41 know no requests


def test_whoever_has_another_policy_keeps_it(monkeypatch):
    """Real-time and idle tasks have no slices of this kind."""
    asked = []
    monkeypatch.setattr("lab.time_slice.os.sched_getscheduler", lambda pid: 5)
    monkeypatch.setattr("lab.time_slice.ctypes.CDLL", lambda name: asked)

    with time_slice(LONG):
        pass

    assert [] == asked
