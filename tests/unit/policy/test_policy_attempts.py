# SPDX-License-Identifier: MIT
"""``attempts`` of a rule: what it may say, where it has no meaning, and which system calls it is about."""

from __future__ import annotations

import errno

import header
import pytest
from policy_text import HEAD, errors, load_rule

from enforcer.policy.language.lifted import LIFTED_SYSCALLS, How
from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import EVENTS, Op
from enforcer.policy.model.policy import Attempts
from enforcer.policy.readers.attempts import Ended, ended_calls


def rule(event: str, said: str = "true", match: str = "path: /srv/**") -> str:
    return f"{{{event}, match: {{{match}}}, action: log, attempts: {said}}}"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("true", Attempts()),
        ("false", None),
        ("EACCES", Attempts((errno.EACCES,))),
        ("[eacces, 1, EACCES]", Attempts((errno.EACCES, errno.EPERM))),
    ],
)
def test_it_is_everything_or_some_errors(said, wanted):
    assert wanted == load_rule(rule("file: mkdir", said)).attempts


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            rule("file: mkdir", "[]"),
            "attempts has an empty list: name errors, or write true for any",
        ),
        (rule("file: mkdir", "EBLUB"), "each of attempts must be the name of an error like EACCES"),
        (
            rule("network: connect", match="port: 80"),
            "only the process that made it is known, so port cannot",
        ),
        (
            rule("process: signal", match="signal: KILL"),
            "only the process that made it is known, so signal",
        ),
        (
            rule("mount: mount", match="fsType: tmpfs"),
            "only the path that the caller gave is known, so",
        ),
        (rule("memory: mapExec", match=""), "attempts is for rules on exec, file, mount, network,"),
        (rule("syscall: keyctl", match=""), "attempts is for rules on exec, file, mount, network,"),
        (rule("process: userns", match=""), "no known system call stands for process userns"),
        (rule("exec: {}", match="args: [{index: 1, equal: -c}]"), "so args cannot be compared"),
        (rule("file: chmod", match="mode: {mask: 06000}"), "so mode cannot be compared"),
        (rule("file: read", match="offHost: true"), "so offHost cannot be compared"),
        (rule("file: mmapExec"), "no known system call stands for file mmapExec"),
        ("{file: read, mark: m, attempts: true}", "attempts is for rules with an action"),
    ],
)
def test_what_could_not_be_kept_is_refused(text, sentence):
    """With one sentence that says why."""
    (found,) = errors(f"{HEAD}spec:\n  rules:\n  - {text}\n")
    assert sentence in found


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ("file: mkdir", {"mkdir", "mkdirat"}),
        ("file: truncate", {"truncate", "ftruncate", "creat", "open", "openat", "openat2"}),
        ("file: link", {"link", "linkat"}),
        ("file: unlink", {"unlink", "unlinkat", "rename", "renameat", "renameat2"}),
        ("file: rmdir", {"rmdir", "unlinkat"}),
        ("file: mknod", {"mknod", "mknodat"}),
        ("syscall: unlinkat", {"rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2"}),
        ("exec: {}", {"execve", "execveat"}),
        ("syscall: mkdir", {"mkdir", "mkdirat"}),
        ("mount: unmount", {"umount2"}),
        ("mount: bind", {"mount", "move_mount"}),
        ("file: any", {name for name, lift in LIFTED_SYSCALLS.items() if lift.event == "file"}),
    ],
)
def test_its_calls_are_those_that_mean_the_operation(event, wanted):
    assert wanted == {call.name for call in ended_calls(load_rule(rule(event)))}


def test_calls_without_names_have_no_places():
    """A signal is where its number stands, so that asking for a process is none."""
    found = {
        call.name: call.packed & 0xFFF
        for words in ("process: any", "network: any", "kernel: any")
        for call in ended_calls(load_rule(rule(words, match="")))
    }
    assert {"kill": 2, "tgkill": 3, "pidfd_send_signal": 2}.items() <= found.items()
    assert {0} == {found[name] for name in ("connect", "setuid", "bpf", "ptrace", "sendto")}


def test_a_rule_without_it_needs_no_calls():
    assert () == ended_calls(load_rule("{file: any, action: log}"))


# The arguments that are names, each with the directory that it begins at; None: the working directory.
PLACES = {
    "execve": [(0, None)],
    "execveat": [(1, 0)],
    "openat2": [(1, 0)],
    "rename": [(0, None), (1, None)],
    "renameat2": [(1, 0), (3, 2)],
    "link": [(0, None), (1, None)],
    "linkat": [(1, 0), (3, 2)],
    "symlink": [(1, None)],
    "symlinkat": [(2, 1)],
    "mknodat": [(1, 0)],
    "chmod": [(0, None)],
    "fchmod": [(None, 0)],
    "fsetxattr": [(None, 0)],
    "setxattr": [(0, None)],
    "unlinkat": [(1, 0)],
    "mount": [(1, None)],
    "move_mount": [(3, 2)],
    "umount2": [(0, None)],
}


@pytest.mark.parametrize("name", PLACES)
def test_where_names_stand(name):
    lift = LIFTED_SYSCALLS[name]
    words = "{}" if lift.event == "exec" else "any"
    found = {c.name: c for c in ended_calls(load_rule(rule(f"{lift.event}: {words}")))}[name]

    places = [found.packed >> 6 * at & 0x3F for at in range(2)]
    assert PLACES[name] == [
        ((place & 7) - 1 if place & 7 else None, (place >> 3) - 1 if place >> 3 else None)
        for place in places
        if place
    ]
    assert SYSCALLS[name].number == found.number & ~header.constant("ENF_SYS_AT_END")
    assert found.packed < 1 << 24  # the cookie of an entry has no more room


def test_a_call_that_is_one_operation_says_which():
    """That of the table; the others follow from their arguments."""
    (mkdir, _) = ended_calls(load_rule(rule("file: mkdir")))
    assert (How.PLAIN, Op.MKDIR) == (mkdir.packed >> 12 & 15, mkdir.packed >> 16 & 63)
    unlinkat = next(c for c in ended_calls(load_rule(rule("file: rmdir"))) if c.name == "unlinkat")
    assert (How.UNLINK, Op.UNLINK) == (unlinkat.packed >> 12 & 15, unlinkat.packed >> 16 & 63)
    for name, lift in LIFTED_SYSCALLS.items():
        known = EVENTS[lift.event].operations
        ops = {op for word in f"{lift.operations} {lift.also}".split() for op in known[word].ops}
        if lift.event == "file" and lift.how is How.PLAIN:
            assert len(ops) == 1, name


def test_numbers_are_those_of_the_abi():
    for how in How:
        assert how == header.constant(f"ENF_END_{how.name}")
    assert len(How) == header.constant("_ENF_END_HOW_MAX")
    written = {"ENF_END_NAME_BITS": 6, "ENF_END_HOW_AT": 12, "ENF_END_OP_AT": 16}  # above
    assert written == {name: header.constant(name) for name in written}
    assert max(call.number for call in SYSCALLS.values()) < header.constant("ENF_SYS_AT_END")
    assert isinstance(ended_calls(load_rule(rule("exec: {}")))[0], Ended)
