# SPDX-License-Identifier: MIT
"""What a policy for Tetragon means otherwise here: said in its place, for check and convert."""

from __future__ import annotations

import pytest
from kernel_types import small_kernel
from policy_text import FILE, load

from enforcer.policy.lint.linter import Host, lint
from enforcer.policy.model.policy import PolicySet

HEAD = "apiVersion: cilium.io/v1alpha1\nkind: TracingPolicy\nmetadata: {name: x}\n"
HERE = Host(exists=lambda _: True)


@pytest.fixture(scope="module", autouse=True)
def _kernel(tmp_path_factory):
    """What is known of the kernel is the same on every machine."""
    types = small_kernel(tmp_path_factory.mktemp("kernel"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("enforcer.policy.readers.context.local_types", lambda: types)
        yield


def said(hook, key="kprobes"):
    policy = load(f"{HEAD}spec:\n  {key}:\n  - {hook}\n")
    found = lint(PolicySet((policy,)), HERE)
    return [str(issue) for issue in found if issue.check == "carried-over"]


SEEN = "{index: 0, type: file}"
PATHS = "{matchArgs: [{index: 0, operator: Equal, values: [/a]}]}"


@pytest.mark.parametrize(
    ("hook", "place", "words"),
    [
        (
            "{call: security_bpf, args: [{index: 0, type: int}, {index: 1, type: auto}]}",
            "6:56",
            "argument 1 is in no record",
        ),
        ("{call: security_path_mkdir, args: [{index: 0, type: path}]}", "6:40", "argument 0 is"),
        (
            "{call: security_perf_event_alloc, args: [{index: 0, type: int}, {index: 2, type: int}]}",
            "6:46",
            "arguments 0, 2 are in no record",
        ),
        (
            "{call: security_file_open, args: [{index: 0, type: file, resolve: f_inode.i_uid.val}]}",
            "6:39",
            "argument 0.f_inode.i_uid.val is in no record",
        ),
        (
            (
                "{call: do_unlinkat, args: [{index: 0, type: int}, {index: 1, type: filename}], "
                "selectors: [{matchArgs: [{index: 0, operator: Equal, values: [1]}]}]}"
            ),
            "6:55",
            "argument 1 is in no record",
        ),
        (
            "{call: security_file_open, return: true, returnArg: {index: 0, type: int}}",
            "6:46",
            "what the function returns is in no record",
        ),
    ],
)
def test_what_is_declared_only_to_be_seen(hook, place, words):
    """Records here have other content, and an author who waits for an argument is told."""
    (issue,) = said(hook)

    assert issue.startswith(f"{FILE}:{place}: info: ")
    assert words in issue


@pytest.mark.parametrize(
    ("hook", "key"),
    [
        (f"{{call: security_file_open, args: [{SEEN}]}}", "kprobes"),
        (f"{{call: security_file_open, args: [{SEEN}], selectors: [{PATHS}]}}", "kprobes"),
        ("{call: security_path_mkdir, args: [{index: 0, type: nop}]}", "kprobes"),
        ("{call: sys_prctl, args: [{index: 0, type: int}, {index: 3, type: uint64}]}", "kprobes"),
        (
            (
                "{call: do_unlinkat, args: [{index: 0, type: int}], "
                "selectors: [{matchArgs: [{index: 0, operator: Equal, values: [1]}]}, {}]}"
            ),
            "kprobes",
        ),
        (
            (
                "{call: do_unlinkat, return: true, returnArg: {index: 0, type: int}, "
                "selectors: [{matchReturnArgs: [{operator: Equal, values: [0]}]}]}"
            ),
            "kprobes",
        ),
        ("{subsystem: syscalls, event: sys_enter_prctl, args: [{index: 5}]}", "tracepoints"),
    ],
)
def test_what_records_have(hook, key):
    """Operands of the operation, all that is passed to a call, and what is compared at a point."""
    assert not said(hook, key)


MAPPED = "args: [{index: 0, type: file}, {index: 1, type: uint32}, {index: 2, type: uint32}]"


@pytest.mark.parametrize(
    ("protection", "action", "words"),
    [
        (1, "", "info: security_mmap_file is decided when the file is opened: this matches every opening for reading"),
        (2, "", "info: security_mmap_file is decided when the file is opened: this matches every opening for writing"),
        (3, "", "every opening for reading or writing, also without a mapping"),
        (1, "Sigkill", "warning: security_mmap_file"),
    ],
)  # fmt: skip
def test_a_mapping_that_is_decided_at_the_opening(protection, action, words):
    """A rule on mapping becomes one on reading, and what refuses then refuses more."""
    acts = f", matchActions: [{{action: {action}}}]" if action else ""
    (issue,) = said(
        f"{{call: security_mmap_file, {MAPPED}, selectors: [{{matchArgs: ["
        f"{{index: 1, operator: Mask, values: [{protection}]}}, "
        f"{{index: 2, operator: Mask, values: [1]}}]{acts}}}]}}"
    )

    assert words in issue


def test_an_executable_mapping_is_itself():
    """It is decided where the file is mapped."""
    assert not said(
        f"{{call: security_mmap_file, {MAPPED}, selectors: [{{matchArgs: ["
        "{index: 1, operator: Mask, values: [4]}, {index: 2, operator: Mask, values: [1]}]}]}"
    )


@pytest.mark.parametrize("call", ["security_file_mprotect"])
def test_mappings_of_files_that_become_executable_are_said_to_be_left_out(call):
    """To decide them, every executable mapping of a file would have to be refused, too."""
    (issue,) = said(
        f"{{call: {call}, args: [{{index: 2, type: uint64}}], selectors: [{{matchArgs: ["
        "{index: 2, operator: Mask, values: [4]}], matchActions: [{action: Sigkill}]}]}"
    )

    assert "warning: security_file_mprotect: what was mapped from a file" in issue


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("security_inode_mknod", "unix sockets that are bound to a name"),
        ("security_ptrace_access_check", "accesses that only read"),
        ("fd_install", "descriptors that come from another process"),
    ],
)
def test_what_a_hook_is_called_for_besides_is_said(call, words):
    """A hook that becomes a narrower operation: who refuses is warned."""
    for action, level in (("Sigkill", "warning"), ("Post", "info")):
        (issue,) = said(f"{{call: {call}, selectors: [{{matchActions: [{{action: {action}}}]}}]}}")

        assert f"{level}: {call}: {words}" in issue


@pytest.mark.parametrize(
    ("file", "notes"),
    [
        ("", 0),
        ("{index: 0, operator: Prefix, values: [/tmp/]}, ", 0),
        ("{index: 0, operator: NotPrefix, values: [/usr/]}, ", 1),
    ],
)
def test_memory_without_a_file_is_said_to_be_left_out(file, notes):
    """Only where the selector may mean it: a file that it names has one."""
    issues = said(
        f"{{call: security_mmap_file, {MAPPED}, selectors: [{{matchArgs: [{file}"
        "{index: 1, operator: Mask, values: [4]}, {index: 2, operator: Mask, values: [1]}]}]}"
    )

    assert notes == sum("memory: mapExec does that" in issue for issue in issues)


@pytest.mark.parametrize(
    ("filter_", "kinds"),
    [
        ("", "policies of other LSMs and certificates"),
        ("{index: 1, operator: NotEqual, values: [2]}", "policies of other LSMs and certificates"),
        ("{index: 1, operator: Equal, values: [2, 6]}", "certificates"),
        ("{index: 1, operator: Equal, values: [2]}", ""),
    ],
)
def test_what_else_the_kernel_reads_is_said_to_be_left_out(filter_, kinds):
    """Of selectors that mean it."""
    issues = said(
        "{call: security_kernel_read_file, args: [{index: 0, type: file}, {index: 1, type: int}], "
        f"selectors: [{{matchArgs: [{{index: 0, operator: Prefix, values: [/a]}}, {filter_}]}}]}}"
    )

    assert [f"and not for {kinds}"] * bool(kinds) == [
        issue.partition("kexec, ")[2] for issue in issues
    ]
