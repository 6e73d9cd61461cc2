# SPDX-License-Identifier: MIT
"""What ``make test`` omits, why, and what comes nearest there: a run says it at its end."""

from __future__ import annotations

# Files that only the outer circle runs, on one kernel, and why.
OUTER = {
    "test_package.py": "dpkg compiles a package when it installs it, which takes minutes when emulated",
    "test_printed_pages.py": "each command of the pages is a program, and some run for a minute",
    "test_printed_package.py": "the same commands once more, with the package",
    "test_printed_without_bpf.py": "a boot of its own for the few commands of one page",
    "test_replay_work.py": "a day's work is emulated for minutes: test_replay.py has a part of it on each kernel",
    "test_many_processors.py": "a boot with 256 processors takes minutes: test_kernel_memory.py computes the same",
    "test_hunt_names.py": "a start of its own, and a search needs minutes: test_around_names.py has the known ways",
    "test_hunt_processes.py": "a start of its own, and a search needs minutes: test_around_code.py has the known ways",
    "test_hunt_sockets.py": "a start of its own, and a search needs minutes: test_around_network.py has the known ways",
}

# Others that only the outer circle runs, on every kernel: a file, a test, or a beginning of cases. Why, and what of the
# inner circle comes nearest.
OUTER_TESTS = {
    "test_service.py::test_a_loop_that_hangs_is_replaced": (
        "the manager waits for its watchdog: test_no_read_succeeds_between_death_and_return"
    ),
    "test_service.py::test_the_page_without_a_daemon": (
        "a death, and another start by the manager: test_the_page_for_who_is_locked_out, test_the_page_without_a_shell"
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
    "test_points.py::test_no_link_of_the_engine_can_be_detached_or_replaced": (
        "a start: test_protect.py has the guard's answer"
    ),
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
