# SPDX-License-Identifier: MIT
"""
What a run consists of: the boots of each circle, and the files of tests that each boot is for.

A boot has a queue. The ordinary one holds most files and is worked at by several machines; the others
are for files that need a machine of another kind, and have one machine each.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .claims import Entry
from .kernel import LAB
from .omissions import OUTER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_KERNEL = "cloud"
ALL_KERNELS = ("6.1", DEFAULT_KERNEL, LAB, "7.3")
TESTS = Path("tests/vm")

# About how long the files take on a processor of their own, in units of 10 seconds; others count as 1.
# This is an order and no more: who takes the longest first is left with little at the end.
WEIGHTS = {
    "test_argv.py": 3,
    "test_around_code.py": 3,
    "test_around_descriptors.py": 3,
    "test_around_loader.py": 4,
    "test_around_names.py": 2,
    "test_around_network.py": 3,
    "test_around_nfs.py": 3,
    "test_around_overlay.py": 2,
    "test_around_protection.py": 12,
    "test_around_records.py": 3,
    "test_around_spelling.py": 3,
    "test_around_views.py": 5,
    "test_attempts.py": 4,
    "test_containers.py": 3,
    "test_core.py": 9,
    "test_dashboard.py": 3,
    "test_directories.py": 6,
    "test_doctor.py": 3,
    "test_drift_services.py": 16,
    "test_engine_image.py": 2,
    "test_engine_pod.py": 6,
    "test_exec.py": 5,
    "test_fast.py": 6,
    "test_files.py": 4,
    "test_first_moments.py": 12,
    "test_flood.py": 3,
    "test_fuse.py": 2,
    "test_growth.py": 5,
    "test_hook.py": 18,
    "test_kernel_pins.py": 5,
    "test_kernel_session.py": 3,
    "test_kubearmor.py": 9,
    "test_marks.py": 7,
    "test_memory.py": 6,
    "test_mount_events.py": 2,
    "test_nested.py": 12,
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
    "test_rootless.py": 6,
    "test_runtimes.py": 24,
    "test_sctp.py": 3,
    "test_shares.py": 7,
    "test_subjects.py": 3,
    "test_survival.py": 17,
    "test_syscalls.py": 4,
    "test_system_events.py": 4,
    "test_tenants.py": 12,
    "test_tolerant.py": 5,
    "test_tracing.py": 10,
    "test_volumes.py": 14,
}

# Files that want no more of the engine than their policies, and share one in a machine (shared.py). Others ask what it
# knows of processes from before it, or about its start, or how it ends.
ONE_ENGINE = frozenset(
    {
        "test_argv.py",
        "test_around_descriptors.py",
        "test_around_encryption.py",
        "test_around_loader.py",
        "test_around_nameless.py",
        "test_around_names.py",
        "test_around_network.py",
        "test_around_nfs.py",
        "test_around_overlay.py",
        "test_around_quota.py",
        "test_around_records.py",
        "test_around_spelling.py",
        "test_around_views.py",
        "test_attempts.py",
        "test_extremes.py",
        "test_fast.py",
        "test_files.py",
        "test_fuse.py",
        "test_hunt_names.py",
        "test_hunt_processes.py",
        "test_hunt_sockets.py",
        "test_kubearmor.py",
        "test_mount_events.py",
        "test_network.py",
        "test_paths.py",
        "test_point_arguments.py",
        "test_race.py",
        "test_sctp.py",
        "test_system_events.py",
        "test_tracing.py",
    }
)

# Elsewhere: on the host these skip what needs a kernel that enforces, or are about whatever kernel there is.
BESIDE = (
    "tests/unit/kernel/test_kernel_pins.py",
    "tests/unit/kernel/test_kernel_session.py",
    "tests/unit/libbpf/test_libbpf_types.py",
)

# One of two processes on the host runs these, half of the work, and the other one the rest. Who shares tests out one by
# one has each process collect all of them.
FIRST_ON_HOST = (
    "tests/unit/cli",
    "tests/unit/compiler",
    "tests/unit/kube",
    "tests/unit/policy",
    "tests/unit/runtime",
)

# Files that show nothing on one processor. They have a boot of their own: on a second processor whoever attacks in the
# other files, as long as something else takes, would keep it busy for nothing.
PROCESSORS = {
    "test_fast.py": 2,
    "test_preempt.py": 2,
    "test_race.py": 2,
    "test_remembered.py": 2,
}

_ALL_FLAGS = ("--cpu", "max")
_COUNTS = "--icount"
_LSMS = "lsm=landlock,lockdown,yama,apparmor"
# Files with a boot of their own: its name, and the options of tests/vm/run.
APART = {
    "test_confirm.py": ("confirm", ()),
    "test_without_bpf_lsm.py": ("lsms", ("--append", _LSMS)),
    "test_service.py": ("systemd", ("--systemd",)),
    "test_package.py": ("package", ("--systemd",)),
    "test_cost.py": ("icount", (_COUNTS,)),
    "test_printed_pages.py": ("printed", ("--systemd",)),
    "test_printed_package.py": ("printed-package", ("--systemd",)),
    "test_printed_without_bpf.py": ("printed-lsms", ("--append", _LSMS)),
    "test_many_processors.py": ("processors", ("--possible", "256")),
}

# Those of them that wait for three quarters of their time. In the place of another, they would leave a processor idle.
WAITING = frozenset({"test_confirm.py"})

# Tests of other files that such a boot can do as well, by its name.
ALSO = {"systemd": ("test_outputs.py::test_the_journal_has_fields",)}

# What is proven only where bpf_override_return may replace the result of a function.
OVERRIDE = "bpf_override_return"
OVERRIDING = (
    "test_syscalls.py",
    "test_tracing.py::test_case[entry-",
    "test_points.py::test_a_function_refuses_where_its_result_can_be_replaced",
)

_SCRATCH = ("--scratch", "256")
_AMOUNTS = {"ENFORCER_OUTER": "1"}  # tests/amount.py
# Seconds of each searcher, on one kernel: tests/vm/hunt/campaign.py.
_LONG_HUNT = {"ENFORCER_HUNT": "600"}
SOAK = "soak"
# Tests that do more at a tenth of the soak than in the ordinary boots; the other tests of these files come along.
SOAKED = (
    "test_race.py",
    "test_remembered.py",
    "test_growth.py::test_ten_thousand_rules_leave_the_daemon_and_the_maps_small",
)
_SOAK_FILE = Path("tests/soak/test_soak.py")
STORM = "ENFORCER_STORM"
"""Where a boot with it finds the script of a storm; who boots writes it first."""

CONTAINERS = "containers"
_CONTAINERS = TESTS / "containers"
# Two processors, as runtimes are programs in Go, and room for what they write.
_CONTAINERS_CPUS = 2
_CONTAINERS_OPTIONS = ("--systemd", "--mem", "3G")
PARTS = (SOAK, CONTAINERS, *ALL_KERNELS)
"""The parts of the outer circle that boot machines."""


def node_id(name: str) -> str:
    """Return how pytest calls what a table of this module calls *name*."""
    return name if "/" in name.partition("::")[0] else str(TESTS / name)


@dataclass(frozen=True)
class Boot:
    """
    One way to boot *kernel*, with *options* of tests/vm/run, for the tests of *entries*.

    Each of its machines fills *slots* of the run's.
    """

    name: str
    kernel: str
    entries: Sequence[Entry]
    options: Sequence[str] = ()
    machines: int = 1
    cpus: int = 1
    slots: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def part(self) -> str:
        """The one of PARTS that it belongs to: the soak, the containers, or a kernel."""
        return self.name if self.name in (SOAK, CONTAINERS) else self.kernel

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
    several = _several(DEFAULT_KERNEL, files)
    ordinary = _ordinary(DEFAULT_KERNEL, files, beside, machines=machines, cpus=cpus)
    return [*special, *several, ordinary]


def outer(
    files: Sequence[str], beside: Sequence[str] = (), *, machines: int, cpus: int, has_lab: bool
) -> list[Boot]:
    """
    Return the boots of ``make test-all``, as :func:`inner`: all on every kernel, the soak at a tenth, and the
    runtimes of containers.
    """
    soaked = [str(_SOAK_FILE), *SOAKED]
    boots = [
        Boot(
            SOAK,
            DEFAULT_KERNEL,
            _entries(soaked),
            _SCRATCH,
            machines=machines,
            cpus=cpus,
            environment={
                "ENFORCER_SOAK": "10",
                STORM: "build/test/storm.gz",
                **_AMOUNTS,
            },
        ),
        _containers(machines),
    ]
    for kernel in ALL_KERNELS:
        if kernel == LAB and not has_lab:
            continue
        # The kernel of the inner circle is seen there on the processor that is emulated fastest.
        processor = _ALL_FLAGS if kernel == DEFAULT_KERNEL else ()
        here = [name for name in files if kernel == DEFAULT_KERNEL or name not in OUTER]
        boots += _apart(kernel, here, processor)
        boots += _several(kernel, here, processor)
        boots.append(_ordinary(kernel, here, beside, processor, machines=machines, cpus=cpus))
    return [boots[0], *(replace(boot, environment=_outer_amounts(boot)) for boot in boots[1:])]


def _outer_amounts(boot: Boot) -> Mapping[str, str]:
    return {**_AMOUNTS, **(_LONG_HUNT if boot.name == DEFAULT_KERNEL else {})}


def _containers(machines: int) -> Boot:
    entries = [Entry(str(path), _CONTAINERS_CPUS) for path in _CONTAINERS.glob("test_*.py")]
    return Boot(
        CONTAINERS,
        DEFAULT_KERNEL,
        sorted(entries, key=_order),
        _CONTAINERS_OPTIONS,
        machines=(machines + 1) // 2,
        cpus=_CONTAINERS_CPUS,
    )


def _ordinary(
    kernel: str,
    files: Sequence[str],
    beside: Sequence[str],
    options: Sequence[str] = (),
    *,
    machines: int,
    cpus: int,
) -> Boot:
    rest = [name for name in files if name not in {*APART, *PROCESSORS}]
    entries = [*_entries(rest), *map(Entry, beside)]
    return Boot(
        kernel,
        kernel,
        sorted(entries, key=_order),
        (*_SCRATCH, *options),
        machines=machines,
        cpus=cpus,
    )


def _several(kernel: str, files: Sequence[str], options: Sequence[str] = ()) -> list[Boot]:
    """Return the boot for those of *files* that need several processors, if there are any."""
    entries = sorted(_entries([name for name in files if name in PROCESSORS]), key=_order)
    return [Boot(f"{kernel}-smp", kernel, entries, (*_SCRATCH, *options))] if entries else []


def _order(entry: Entry) -> tuple[bool, int, str]:
    """Those that share an engine come last: between two of them, another file would end it."""
    name = Path(entry.test).name
    return name in ONE_ENGINE, -WEIGHTS.get(name, 1), entry.test


def _apart(kernel: str, files: Sequence[str], processor: Sequence[str] = ()) -> list[Boot]:
    def options(file: str, own: Sequence[str]) -> Sequence[str]:
        # No other kernel has the files of OUTER, and counts are compared with bounds for one model.
        return own if file in OUTER or _COUNTS in own else (*processor, *own)

    return [
        Boot(
            f"{kernel}-{name}",
            kernel,
            _entries([file, *ALSO.get(name, ())]),
            options(file, own),
            slots=0 if file in WAITING else 1,
        )
        for file, (name, own) in APART.items()
        if file in files
    ]


def _entries(tests: Sequence[str]) -> list[Entry]:
    return [Entry(node_id(test), PROCESSORS.get(test.partition("::")[0], 1)) for test in tests]
