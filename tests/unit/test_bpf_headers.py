# SPDX-License-Identifier: MIT
"""The headers of ``bpf/include``: each compiles alone, and none includes itself by a detour."""

import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from enforcer.libbpf import abi

ROOT = Path(__file__).parents[2]
HEADERS = sorted((ROOT / "bpf" / "include").glob("*.h"))
SOURCES = sorted((ROOT / "bpf" / "src").glob("*.c"))


def included(file):
    """Return the names of our headers that *file* includes."""
    return re.findall(r'^#include "(.+)"$', file.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def clang():
    """Return the command that compiles BPF sources, without a source."""
    sys.path.insert(0, str(ROOT))
    try:
        import build
    finally:
        sys.path.remove(str(ROOT))
    try:
        compiler = build.find_clang()
    except build.BuildError as error:
        pytest.skip(str(error))
    return [compiler, *build.bpf_flags(compiler)]


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_a_header_compiles_alone(clang, header):
    """A header includes what it uses: the order of includes in a source does not matter."""
    source = f'#include "{header.name}"\n'

    done = subprocess.run(
        [*clang, "-Wno-unused-function", "-fsyntax-only", "-x", "c", "-"],
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )

    assert not done.returncode, done.stderr


def test_no_two_headers_include_each_other():
    """The headers form an order, from the ABI to the units that use it."""
    graph = {header.name: included(header) for header in HEADERS}

    assert len(graph) == len(list(TopologicalSorter(graph).static_order()))


def test_every_header_has_a_reader():
    """A header that no source includes, directly or by another header, is left over."""
    graph = {header.name: included(header) for header in HEADERS}
    found, open_ = set(), [name for source in SOURCES for name in included(source)]

    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += graph[name]

    assert set(graph) == found


def test_units_include_no_sources():
    """A source is compiled by itself: nobody includes it."""
    names = {name for file in (*HEADERS, *SOURCES) for name in included(file)}

    assert not [name for name in names if name.endswith(".c")]


@pytest.mark.parametrize("name", abi.STATS)
def test_every_counter_is_counted(name):
    """A counter that no program counts would say 0 for ever."""
    readers = [header for header in HEADERS if header.name != "enforcer_abi.h"]

    assert [file for file in (*SOURCES, *readers) if f"ENF_STAT_{name}" in file.read_text()]
