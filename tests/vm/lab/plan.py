# SPDX-License-Identifier: MIT
"""
What a run consists of: the boots of each circle, and the files of tests that each boot is for.

A boot has a queue. The ordinary one holds most files and is worked at by several machines; the others
are for files that need a machine of another kind, and have one machine each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .claims import Entry
from .kernel import LAB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_KERNEL = "cloud"
ALL_KERNELS = ("6.1", DEFAULT_KERNEL, LAB, "7.3")
TESTS = Path("tests/vm")

# About how long the files take on a processor of their own, in units of 10 seconds; others count as 1.
# This is an order and no more: who takes the longest first is left with little at the end.
WEIGHTS = {
    "test_around_code.py": 3,
    "test_around_descriptors.py": 3,
    "test_around_loader.py": 4,
    "test_around_names.py": 2,
    "test_around_network.py": 3,
    "test_around_overlay.py": 2,
    "test_around_protection.py": 12,
    "test_around_records.py": 3,
    "test_around_spelling.py": 3,
    "test_around_views.py": 5,
    "test_attempts.py": 4,
    "test_confirm.py": 15,
    "test_containers.py": 3,
    "test_core.py": 9,
    "test_dashboard.py": 3,
    "test_doctor.py": 3,
    "test_exec.py": 5,
    "test_fast.py": 6,
    "test_files.py": 4,
    "test_flood.py": 3,
    "test_growth.py": 5,
    "test_kernel_pins.py": 5,
    "test_kernel_session.py": 3,
    "test_kubearmor.py": 9,
    "test_marks.py": 7,
    "test_memory.py": 6,
    "test_mount_events.py": 2,
    "test_network.py": 3,
    "test_outputs.py": 4,
    "test_paths.py": 4,
    "test_point_arguments.py": 4,
    "test_points.py": 10,
    "test_policies.py": 15,
    "test_preempt.py": 4,
    "test_printed.py": 5,
    "test_protect.py": 7,
    "test_race.py": 3,
    "test_reload.py": 11,
    "test_remembered.py": 12,
    "test_replay.py": 13,
    "test_sctp.py": 3,
    "test_subjects.py": 3,
    "test_survival.py": 17,
    "test_syscalls.py": 4,
    "test_system_events.py": 7,
    "test_tracing.py": 10,
}

# Elsewhere: on the host these skip what needs a kernel that enforces.
BESIDE = ("tests/unit/kernel/test_kernel_pins.py", "tests/unit/kernel/test_kernel_session.py")

# Files that show nothing on one processor.
PROCESSORS = {
    "test_fast.py": 2,
    "test_preempt.py": 2,
    "test_race.py": 2,
    "test_remembered.py": 2,
}

_LSMS = "lsm=landlock,lockdown,yama,apparmor"
# Files with a boot of their own: its name, and the options of tests/vm/run.
APART = {
    "test_without_bpf_lsm.py": ("lsms", ("--append", _LSMS)),
    "test_service.py": ("systemd", ("--systemd",)),
    "test_package.py": ("package", ("--systemd",)),
    "test_cost.py": ("icount", ("--icount",)),
    "test_printed_pages.py": ("printed", ("--systemd",)),
    "test_printed_without_bpf.py": ("printed-lsms", ("--append", _LSMS)),
}

# Files that only the outer circle runs, on one kernel, and why.
OUTER = {
    "test_package.py": "dpkg compiles a package when it installs it, which takes minutes when emulated",
    "test_printed_pages.py": "each command of the pages is a program, and some run for a minute",
    "test_printed_without_bpf.py": "a boot of its own for the few commands of one page",
}

# Tests of other files that such a boot can do as well, by its name.
ALSO = {"systemd": ("test_outputs.py::test_the_journal_has_fields",)}

# What is proven only where bpf_override_return may replace the result of a function.
OVERRIDE = "bpf_override_return"
OVERRIDING = (
    "test_syscalls.py",
    "test_tracing.py::test_case[attacks-entry-",
    "test_tracing.py::test_case[ordinary-entry-",
    "test_points.py::test_a_function_refuses_where_its_result_can_be_replaced",
)

_SCRATCH = ("--scratch", "256")
SOAK = "soak"
_SOAKED = (
    "test_reload.py",
    "test_survival.py",
    "test_race.py",
    "test_fast.py",
    "test_growth.py",
    "test_remembered.py",
)
_SOAK_FILE = Path("tests/soak/test_soak.py")


@dataclass(frozen=True)
class Boot:
    """One way to boot *kernel*, with *options* of tests/vm/run, for the tests of *entries*."""

    name: str
    kernel: str
    entries: Sequence[Entry]
    options: Sequence[str] = ()
    machines: int = 1
    cpus: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def processors(self, number: int) -> int:
        """Return how many the machine *number* has: the first, and one for a dead one, what any needs."""
        if 1 < number <= self.machines:
            return self.cpus
        return max([self.cpus, *(entry.cpus for entry in self.entries)])


def inner(
    files: Sequence[str], beside: Sequence[str] = (), *, machines: int, cpus: int, has_lab: bool
) -> list[Boot]:
    """
    Return the boots of ``make test``, in their order.

    Args:
        files: names of test files in tests/vm.
        beside: paths of others, for the ordinary boot.
        machines: how many take from the ordinary queue.
        cpus: the processors of each.
        has_lab: whether the laboratory's kernel is there.
    """
    special = _apart(DEFAULT_KERNEL, files)
    if has_lab:
        wanted = [test for test in OVERRIDING if test.partition("::")[0] in files]
        special.insert(0, Boot(LAB, LAB, _entries(wanted), _SCRATCH, cpus=cpus))
    ordinary = _ordinary(DEFAULT_KERNEL, files, beside, machines=machines, cpus=cpus)
    return [*special, ordinary]


def outer(
    files: Sequence[str], beside: Sequence[str] = (), *, machines: int, cpus: int, has_lab: bool
) -> list[Boot]:
    """Return the boots of ``make test-all``, as :func:`inner`: all on every kernel, and the soak at a tenth."""
    soaked = [_SOAK_FILE, *(TESTS / name for name in _SOAKED)]
    boots = [
        Boot(
            SOAK,
            DEFAULT_KERNEL,
            [Entry(str(path), PROCESSORS.get(path.name, 1)) for path in soaked],
            _SCRATCH,
            machines=machines,
            cpus=cpus,
            environment={"ENFORCER_SOAK": "10"},
        )
    ]
    for kernel in ALL_KERNELS:
        if kernel == LAB and not has_lab:
            continue
        # The kernel of the inner circle is seen there on the processor that is emulated fastest.
        options = ("--cpu", "max") if kernel == DEFAULT_KERNEL else ()
        here = [name for name in files if kernel == DEFAULT_KERNEL or name not in OUTER]
        boots += _apart(kernel, here, options)
        boots.append(_ordinary(kernel, files, beside, options, machines=machines, cpus=cpus))
    return boots


def _ordinary(
    kernel: str,
    files: Sequence[str],
    beside: Sequence[str],
    options: Sequence[str] = (),
    *,
    machines: int,
    cpus: int,
) -> Boot:
    rest = [name for name in files if name not in APART]
    entries = [*_entries(rest), *map(Entry, beside)]
    return Boot(
        kernel,
        kernel,
        sorted(entries, key=_longest_first),
        (*_SCRATCH, *options),
        machines=machines,
        cpus=cpus,
    )


def _longest_first(entry: Entry) -> tuple[int, str]:
    return -WEIGHTS.get(Path(entry.test).name, 1), entry.test


def _apart(kernel: str, files: Sequence[str], options: Sequence[str] = ()) -> list[Boot]:
    return [
        Boot(f"{kernel}-{name}", kernel, _entries([file, *ALSO.get(name, ())]), (*options, *own))
        for file, (name, own) in APART.items()
        if file in files
    ]


def _entries(tests: Sequence[str]) -> list[Entry]:
    return [Entry(str(TESTS / test), PROCESSORS.get(test.partition("::")[0], 1)) for test in tests]
