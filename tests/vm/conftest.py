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

_HERE = Path(__file__).parent
_MINE = pytest.StashKey[set[str]]()
_IS_SOAK = "ENFORCER_SOAK" in os.environ
_IN_GUEST = os.environ.get("ENFORCER_GUEST") == "1"
_PREEMPT = Path("/sys/kernel/debug/sched/preempt")


# About how long the files take on a processor of their own, in units of 10 seconds; others count as 1.
_WEIGHTS = {
    "test_confirm.py": 33,
    "test_containers.py": 12,
    "test_dashboard.py": 8,
    "test_exec.py": 5,
    "test_fast.py": 6,
    "test_files.py": 6,
    "test_flood.py": 4,
    "test_growth.py": 4,
    "test_kubearmor.py": 16,
    "test_marks.py": 9,
    "test_memory.py": 10,
    "test_mount_events.py": 3,
    "test_network.py": 4,
    "test_outputs.py": 5,
    "test_paths.py": 6,
    "test_point_arguments.py": 4,
    "test_points.py": 12,
    "test_policies.py": 11,
    "test_preempt.py": 5,
    "test_protect.py": 5,
    "test_race.py": 5,
    "test_reload.py": 0,
    "test_replay.py": 18,
    "test_sctp.py": 4,
    "test_service.py": 0,
    "test_subjects.py": 3,
    "test_survival.py": 0,
    "test_syscalls.py": 4,
    "test_system_events.py": 5,
    "test_tracing.py": 10,
    "test_without_bpf_lsm.py": 0,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let several machines share the tests."""
    parser.addoption("--part", metavar="K/N", help="run the files of part K of N only")


def _part(option: str, files: list[str]) -> set[str]:
    """Divide *files* into parts of about the same length; return those of the part *option*."""
    number, count = map(int, option.split("/"))
    parts: list[tuple[int, set[str]]] = [(0, set()) for _ in range(count)]
    for file in sorted(files, key=lambda name: (-_WEIGHTS.get(name, 1), name)):
        at = min(range(count), key=lambda i: parts[i][0])
        length, members = parts[at]
        parts[at] = (length + _WEIGHTS.get(file, 1), members | {file})
    return parts[number - 1][1]


def pytest_configure(config: pytest.Config) -> None:
    """Leave the files of other parts alone."""
    if option := config.getoption("--part"):
        mine = _part(option, [path.name for path in _HERE.glob("test_*.py")])
        config.stash[_MINE] = mine


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tell whether *collection_path* is of another part."""
    mine = config.stash.get(_MINE, None)
    if mine is None or collection_path.parent != _HERE or collection_path.is_dir():
        return None
    return (collection_path.name.startswith("test_") and collection_path.name not in mine) or None


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
