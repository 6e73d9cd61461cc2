# SPDX-License-Identifier: MIT
"""What a kernel gives is found by loading everything, so this is where a program that it refuses shows."""

from __future__ import annotations

import json

from daemon import leftovers, told

LATE = {"EXEC_ARGV"}
CALLS = {
    "prevent",
    "kill after",
}  # whether results of system calls can be replaced is the kernel's choice


def test_nothing_is_refused_here():
    """Every program loads, every operation is prevented, and nothing stays behind."""
    found = json.loads(told("doctor", "--json"))

    assert [] == found["problems"]
    gives = {each["operation"]: each["gives"] for each in found["operations"]}
    assert gives.pop("SYSCALL") in CALLS
    assert "observe" == gives.pop("ATTEMPT")
    assert dict.fromkeys(LATE, "kill after") == {op: gives.pop(op) for op in LATE}
    assert {"prevent"} == set(gives.values())
    assert {"programs": [], "links": [], "pins": []} == leftovers()
