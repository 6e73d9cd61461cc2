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
    "test_directories.py": 6,
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
    "test_shares.py": 7,
    "test_subjects.py": 3,
    "test_survival.py": 17,
    "test_syscalls.py": 4,
    "test_system_events.py": 7,
    "test_tolerant.py": 5,
    "test_tracing.py": 10,
}

# Files that want no more of the engine than their policies, and share one in a machine (shared.py). Others ask what it
# knows of processes from before it, or about its start, or how it ends.
ONE_ENGINE = frozenset(
    {
        "test_around_descriptors.py",
        "test_around_loader.py",
        "test_around_names.py",
        "test_around_network.py",
        "test_around_overlay.py",
        "test_around_records.py",
        "test_around_spelling.py",
        "test_around_views.py",
        "test_attempts.py",
        "test_fast.py",
        "test_files.py",
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
    "test_printed_package.py": ("printed-package", ("--systemd",)),
    "test_printed_without_bpf.py": ("printed-lsms", ("--append", _LSMS)),
    "test_many_processors.py": ("processors", ("--possible", "256")),
}

# Files that only the outer circle runs, on one kernel, and why.
OUTER = {
    "test_package.py": "dpkg compiles a package when it installs it, which takes minutes when emulated",
    "test_printed_pages.py": "each command of the pages is a program, and some run for a minute",
    "test_printed_package.py": "the same commands once more, with the package",
    "test_printed_without_bpf.py": "a boot of its own for the few commands of one page",
    "test_replay_work.py": "a day's work is emulated for minutes: test_replay.py has a part of it on each kernel",
    "test_many_processors.py": "a boot with 256 processors takes minutes: test_kernel_memory.py computes the same",
}

# Others that only the outer circle runs, on every kernel: a file, a test, or a beginning of cases. Why, and what of the
# inner circle comes nearest.
OUTER_TESTS = {
    "test_service.py::test_a_loop_that_hangs_is_replaced": (
        "the manager waits for its watchdog: test_no_read_succeeds_between_death_and_return"
    ),
    "test_service.py::test_what_it_leaves_is_the_managers": (
        "a death, and another start by the manager: test_root_does_not_end_it_by_itself"
    ),
    "test_without_bpf_lsm.py::test_who_may_be_passed_by_does_not_prevent": (
        "an engine, every program once more, and races on a preemptible kernel"
    ),
    "test_without_bpf_lsm.py::test_doctor_says_how": "loads every program: test_doctor.py",
    "test_memory.py": "a minute in a cgroup without memory: test_around_views.py has who takes all memory",
    "test_preempt.py": "two dozen readers for a while on a preemptible kernel: test_around_views.py has who takes all memory",
    "test_marks.py::test_marks_outlive_a_successor": (
        "thousands of rules are compiled: test_marks_outlive_changes_and_daemons"
    ),
    "test_growth.py::test_policies_that_outgrow_the_maps_replace_them_without_a_gap": (
        "thousands of rules are compiled: test_within_their_room_the_maps_stay, test_reloads_leave_no_gap"
    ),
    "test_around_protection.py::test_without_a_key_root_is_not_enough": (
        "another protected start: test_root_is_asked_for_the_key"
    ),
    "test_around_protection.py::test_who_has_the_key_takes_over": (
        "a protected start: test_its_death_ends_nothing, test_survival.py"
    ),
    "test_confirm.py::test_reload_that_locks_out[room]": "a start: the case that is named hook",
    "test_confirm.py::test_start_after_an_unconfirmed_change": "a start: test_kernel_falls_back_without_a_daemon",
    "test_core.py::test_a_crash_without_pins_refuses_nothing_else": (
        "two engines: test_pins_that_are_removed_by_hand_refuse_nothing_else"
    ),
    "test_core.py::test_what_a_lost_daemon_left_ends_without_a_refusal": (
        "an engine: test_starts_changes_and_stops_refuse_nothing_else"
    ),
    "test_survival.py::test_daemon_is_killed_again_and_again": (
        "a crash and a start under attack: test_counts_stay_exact_under_attack"
    ),
    "test_service.py::test_a_killed_daemon_is_started_again": (
        "a death, and a start by the manager: test_no_read_succeeds_between_death_and_return"
    ),
    "test_without_bpf_lsm.py::test_file_capabilities_are_late": (
        "what such a kernel cannot do, and says: test_what_succeeds_without_a_policy_is_refused is what it can"
    ),
    "test_confirm.py::test_what_the_watch_did_goes_back": (
        "a start, and a window to wait for: test_commands_take_it_back"
    ),
    "test_reload.py::test_broken_policies_change_nothing": (
        "attackers for a minute: test_broken_policy_is_told_without_a_command, test_failed_reload_says_where"
    ),
    "test_cost.py::test_with_few_rules_what_none_names_costs_nothing": (
        "two engines: test_what_no_rule_names_costs_nothing has many rules"
    ),
    "test_survival.py::test_crash_in_the_middle_of_a_start[over another set]": (
        "several starts: the case that is named over nothing"
    ),
    "test_survival.py::test_run_time_change_outlives_a_crash_and_no_orderly_end": (
        "two starts: test_reload.py has a change that outlives reloads"
    ),
    "test_survival.py::test_persisting_outlives_an_orderly_end": (
        "a start and two ends: test_counts_and_records_go_on"
    ),
    "test_fast.py::test_renames_elsewhere_refuse_nobody": "a storm of renames: test_mounts_elsewhere_refuse_nobody",
    "tests/unit/kernel/test_kernel_pins.py": (
        "ten sessions without a daemon: test_confirm.py and test_survival.py have them with one"
    ),
    "tests/unit/kernel/test_kernel_session.py": (
        "four sessions without a daemon: test_exec.py, test_growth.py and test_reload.py have them with one"
    ),
    "test_attempts.py::test_asked_for_later": (
        "a start: test_growth.py has a program that comes with a reload"
    ),
    "test_around_code.py::test_what_is_known_outlives_the_daemon": (
        "a start: test_marks_outlive_changes_and_daemons has what is carried from one to the next"
    ),
    "test_outputs.py::test_a_process_keeps_its_name_over_daemons": (
        "a start: test_counts_and_records_go_on, test_a_process_keeps_its_name_over_exec"
    ),
    "test_point_arguments.py::test_functions_of_a_module": "a module is loaded: TestTogether",
    "test_points.py::test_a_tracing_policy_at_points": "a start: test_tracing.py",
    "test_points.py::test_a_point_that_comes_with_a_reload": (
        "a start: test_growth.py has a program that comes with a reload"
    ),
    "test_kubearmor.py::test_case[file-posture": (
        "an engine of its own: test_kubearmor.py has other lists of what is allowed"
    ),
    "test_outputs.py::test_board_and_alerts_find_what_they_ask_for": (
        "queries are parsed, which is slow when emulated: tests/unit/test_grafana_board.py has the same"
    ),
    "test_shares.py::test_without_shares_the_other_denial_is_lost": (
        "an engine that does without: the other tests of the file are what it does otherwise"
    ),
    "test_tracing.py::test_a_kill_comes_late_where_this_kernel_cannot_refuse": "a start: test_points.py",
}

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
STORM = "ENFORCER_STORM"
"""Where a boot with it finds the script of a storm; who boots writes it first."""


def node_id(name: str) -> str:
    """Return how pytest calls what a table of this module calls *name*."""
    return name if "/" in name.partition("::")[0] else str(TESTS / name)


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

    @property
    def part(self) -> str:
        """The part of the outer circle that it belongs to: a kernel, or the soak."""
        return SOAK if self.name == SOAK else self.kernel

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
            environment={
                "ENFORCER_SOAK": "10",
                STORM: "build/test/storm.gz",
                **_AMOUNTS,
            },
        )
    ]
    for kernel in ALL_KERNELS:
        if kernel == LAB and not has_lab:
            continue
        # The kernel of the inner circle is seen there on the processor that is emulated fastest.
        options = ("--cpu", "max") if kernel == DEFAULT_KERNEL else ()
        here = [name for name in files if kernel == DEFAULT_KERNEL or name not in OUTER]
        boots += _apart(kernel, here, options)
        boots.append(_ordinary(kernel, here, beside, options, machines=machines, cpus=cpus))
    return [boots[0], *(replace(boot, environment=_AMOUNTS) for boot in boots[1:])]


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
        sorted(entries, key=_order),
        (*_SCRATCH, *options),
        machines=machines,
        cpus=cpus,
    )


def _order(entry: Entry) -> tuple[bool, int, str]:
    """Those that share an engine come last: between two of them, another file would end it."""
    name = Path(entry.test).name
    return name in ONE_ENGINE, -WEIGHTS.get(name, 1), entry.test


def _apart(kernel: str, files: Sequence[str], options: Sequence[str] = ()) -> list[Boot]:
    return [
        Boot(f"{kernel}-{name}", kernel, _entries([file, *ALSO.get(name, ())]), (*options, *own))
        for file, (name, own) in APART.items()
        if file in files
    ]


def _entries(tests: Sequence[str]) -> list[Entry]:
    return [Entry(node_id(test), PROCESSORS.get(test.partition("::")[0], 1)) for test in tests]
