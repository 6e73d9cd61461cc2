# SPDX-License-Identifier: MIT
"""What a kernel gives is found by loading everything, so this is where a program that it refuses shows."""

from __future__ import annotations

import json

from daemon import leftovers, told

# Whether results of functions can be replaced is the kernel's choice.
BY_KERNEL = {"prevent", "kill after"}


def test_nothing_is_refused_here():
    """Every program loads, every operation is prevented, and nothing stays behind."""
    found = json.loads(told("doctor", "--json"))

    assert [] == found["problems"]
    by_word = {each["operation"]: each for each in found["operations"]}
    assert len(found["operations"]) == len(by_word)
    assert by_word["exec"]["reason"].startswith("with args: kill after, ")
    gives = {word: each["gives"] for word, each in by_word.items()}
    assert {gives.pop("syscall"), gives.pop("kprobe")} <= BY_KERNEL
    assert ("observe", "kill after") == (gives.pop("attempts"), gives.pop("tracepoint"))
    assert {"prevent"} == set(gives.values())
    assert {"programs": [], "links": [], "pins": []} == leftovers()
