# SPDX-License-Identifier: MIT
"""What is freed goes back to the system, where the C library is glibc."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from enforcer.libbpf import heap

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library has ways of its own"
)

LARGE = """
import re, sys
from pathlib import Path
from enforcer.libbpf import heap
if sys.argv[1] == "settled":
    heap.settle()
for _ in range(3):
    block = b"x" * (4 << 20)
    at = id(block)
    del block
maps = Path("/proc/self/maps").read_text()
first, last = (int(n, 16) for n in re.search(r"(?m)^(\\w+)-(\\w+) .*\\[heap\\]$", maps).groups())
print(first <= at < last)
"""


HUGE = """
import ctypes, sys
from enforcer.libbpf import heap
ctypes.CDLL(None).prctl(41, 0, 0, 0, 0)  # PR_SET_THP_DISABLE: who runs the tests may have settled
if sys.argv[1] == "settled":
    heap.settle()
print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("THP_enabled:")])
"""


def said(script, how):
    """Return what a process of its own prints, which settles its heap or not."""
    command = [sys.executable, "-c", script, how]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize(("how", "is_in_heap"), [("settled", "False"), ("as it is", "True")])
def test_large_blocks_stay_out_of_the_heap_once_it_is_settled(how, is_in_heap):
    """By itself, glibc takes them there after the first one was freed."""
    assert is_in_heap == said(LARGE, how)


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="no process has huge pages"
)
@pytest.mark.parametrize(("how", "enabled"), [("settled", "0"), ("as it is", "1")])
def test_the_kernel_fills_no_holes_once_it_is_settled(how, enabled):
    """By itself, it makes huge pages of what is in use and of what was given back between."""
    assert enabled == said(HUGE, how)


def test_what_was_freed_below_a_block_goes_back():
    """The end of the heap is held by one block; what is free below goes all the same."""
    blocks = [b"x" * 100_000 for _ in range(400)]
    last = blocks.pop()
    del blocks
    before = resident()

    heap.trim()

    assert resident() < before - 20_000_000
    assert len(last) == 100_000
