# SPDX-License-Identifier: MIT
"""
Tests that need a kernel to enforce in: they run in the guest of ``tests/vm/run``.

On the host they are collected and skipped, so a plain ``pytest`` says what it left out.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import shared
from kernel_coverage.programs import Watcher
from lab.claims import Claims
from taker import Taker

_HERE = Path(__file__).parent
_IS_SOAK = "ENFORCER_SOAK" in os.environ
_IN_GUEST = os.environ.get("ENFORCER_GUEST") == "1"
_PREEMPT = Path("/sys/kernel/debug/sched/preempt")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let several machines share the tests."""
    parser.addoption("--claims", metavar="DIR", type=Path, help="take the files to run from DIR")
    parser.addoption("--machine", metavar="NAME", default="", help="the name to take them by")


def pytest_configure(config: pytest.Config) -> None:
    """Take files from a queue where one is named."""
    if (directory := config.getoption("--claims")) is not None:
        taker = Taker(Claims(directory), config.getoption("--machine"))
        config.pluginmanager.register(taker, "taker")
    if _IN_GUEST and "ENFORCER_COVERAGE" in os.environ:
        Watcher().start()


@pytest.hookimpl(tryfirst=True)  # before -m looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this directory, and skip them on the host."""
    skip = pytest.mark.skip(reason="not in the guest: tests/vm/run -- .venv/bin/pytest tests/vm")
    long = pytest.mark.skip(reason="ten thousand rules take long: make soak")
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker(pytest.mark.vm)
            if not _IN_GUEST:
                item.add_marker(skip)
            elif not _IS_SOAK and item.get_closest_marker("long"):
                item.add_marker(long)


@pytest.hookimpl(tryfirst=True)  # before fixtures, which start engines
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Take the shared engine from whoever must have one of its own."""
    if _IN_GUEST:
        shared.wanted_by(item.path.name)


def pytest_sessionfinish() -> None:
    """End what was shared."""
    shared.close()


@pytest.fixture(scope="session")
def scratch() -> Path:
    """Return the directory of an ext4 file system, for what an overlay cannot show."""
    path = Path("/mnt/scratch")
    if not path.is_mount():
        pytest.skip("no ext4: start the guest with --scratch 64")
    return path


@pytest.fixture
def preemption() -> Iterator[None]:
    """Let the kernel preempt its own code, as some are built to; it is a switch in Debian's."""
    if not _PREEMPT.exists():
        subprocess.run(["mount", "-t", "debugfs", "none", "/sys/kernel/debug"], check=False)
    if not _PREEMPT.exists():
        pytest.skip("this kernel has no switch for preemption")
    before = _PREEMPT.read_text().partition("(")[2].partition(")")[0]
    _PREEMPT.write_text("full")
    assert "(full)" in _PREEMPT.read_text()
    yield
    _PREEMPT.write_text(before)
