# SPDX-License-Identifier: MIT
"""
The stack of programs with everything that they call: 512 bytes for all frames, of which there are eight.

Linux 6.1 counts each frame as a multiple of 32 bytes (check_max_stack_depth() of the kernel's verifier), so that a
program which newer kernels load can be too large for it. The verifier counts what it has seen used. This counts
what the object could use, which is not less.
"""

from __future__ import annotations

import bisect
import functools
import re
import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

OBJECT = Path(__file__).parents[3] / "enforcer/libbpf/objects/enforcer.bpf.o"
STACK, FRAMES, UNIT = 512, 8, 32
SHARED = ".text"
"""The section of functions that programs call."""


@attrs.define
class Function:
    """A function of the object: the depth of its own frame in bytes, and the names of those that it calls."""

    depth: int = 0
    calls: set[str] = attrs.field(factory=set)


@functools.cache
def disassembled() -> tuple[dict[str, Function], frozenset[str]]:
    """Return all functions of the object by name, and the names of those that are programs."""
    tool = shutil.which("llvm-objdump") or shutil.which("llvm-objdump-19")
    assert tool, "llvm-objdump is missing: run scripts/setup.sh"
    command = [tool, "-d", "-r", "--no-show-raw-insn", str(OBJECT)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    functions: dict[str, Function] = {}
    programs: set[str] = set()
    places: list[tuple[int, str]] = []  # in the shared section, in bytes
    unnamed: list[tuple[str, int]] = []
    section, name, before = "", "", ""
    for line in text.splitlines():
        if found := re.match(r"Disassembly of section (\S+):", line):
            section = found[1]
        elif found := re.match(r"([0-9a-f]+) <(\w+)>:", line):
            name = found[2]
            functions.setdefault(name, Function())
            if section == SHARED:
                places.append((int(found[1], 16), name))
            else:
                programs.add(name)
        elif found := re.search(r"R_BPF_64_(32|64)\s+(\S+)", line):
            if found[2] != SHARED:
                functions[name].calls.add(found[2])  # or data: no function is called like it
            elif found[1] == "32":  # counted in instructions from the next
                unnamed.append((name, (int(before.rsplit(maxsplit=1)[-1], 0) + 1) * 8))
            else:
                unnamed.append((name, int(before.split()[-2], 0)))
        else:
            before = line
            # By r10, or by a copy of it, which every other address on the stack begins with.
            for offset in re.findall(r"(?:r10 (?:\+ )?|r\d+ \+= )- ?(0x[0-9a-f]+|\d+)", line):
                if int(offset, 0) <= STACK:
                    functions[name].depth = max(functions[name].depth, int(offset, 0))
    places.sort()
    starts = [at for at, _ in places]
    for caller, at in unnamed:
        functions[caller].calls.add(places[bisect.bisect_right(starts, at) - 1][1])
    return functions, frozenset(programs)


def deepest(name: str, above: tuple[str, ...] = ()) -> tuple[int, tuple[str, ...]]:
    """Return the greatest stack below *name*, its own frame included, in bytes, and the way there."""
    functions, _ = disassembled()
    function = functions[name]
    assert name not in above, (*above, name)
    below = [deepest(callee, (*above, name)) for callee in function.calls if callee in functions]
    depth, way = max(below, default=(0, ()))
    own = -(-max(function.depth, 1) // UNIT) * UNIT
    return own + depth, (f"{name}: {function.depth}", *way)


@pytest.mark.parametrize("name", sorted(disassembled()[1]))
def test_a_program_and_what_it_calls_fit_into_the_stack(name):
    """Otherwise Linux 6.1 refuses it: "combined stack size of 8 calls is 544. Too large"."""
    depth, way = deepest(name)

    assert depth <= STACK, way
    assert len(way) <= FRAMES, way


def test_frames_and_calls_are_found():
    """The way to a name is the deepest, and ends in a function that the kernel calls for each mount."""
    _, way = deepest("enf_point_entry")

    assert [each.partition(":")[0] for each in way[:5]] == [
        "enf_point_entry",
        "enf_point_once",
        "enf_label",
        "enf_read_exe",
        "enf_resolve",
    ]
    assert len(way) > 6
