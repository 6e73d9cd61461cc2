# SPDX-License-Identifier: MIT
"""Where system calls enter the kernel: every number that does what a call does is one of its entries."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from syscall_numbers import BITS_32, X32

from enforcer import _abi
from enforcer.kernel import entries
from enforcer.kernel.image_map import Call
from enforcer.policy.language.casts import CASTS, cast_arguments
from enforcer.policy.language.lifted import LIFTED_SYSCALLS
from enforcer.policy.language.syscall_table import SYSCALLS, ArgKind

DOCS = Path(__file__).parents[3] / "docs"
MANY = ("sys_socketcall", "compat_sys_socketcall", "sys_ipc", "compat_sys_ipc")
NO_CALL = {
    "sys_ni_syscall": "the kernel has none",
    "compat_sys_lookup_dcookie": "gone since Linux 6.7, so that the table of 6.12 has it not",
}
"""Functions of 32-bit numbers that no rule can mean: why."""

MEANT = {
    "waitpid": "wait4",
    "umount": "umount2",
    "oldstat": "stat",
    "stime": "settimeofday",
    "oldfstat": "fstat",
    "nice": "setpriority",
    "signal": "rt_sigaction",
    "oldolduname": "uname",
    "sigaction": "rt_sigaction",
    "sgetmask": "rt_sigprocmask",
    "ssetmask": "rt_sigprocmask",
    "sigsuspend": "rt_sigsuspend",
    "sigpending": "rt_sigpending",
    "readdir": "getdents",
    "oldlstat": "lstat",
    "olduname": "uname",
    "sigreturn": "rt_sigreturn",
    "sigprocmask": "rt_sigprocmask",
    "_llseek": "lseek",
    "_newselect": "select",
    "ugetrlimit": "getrlimit",
    "mmap2": "mmap",
    "fstatat64": "newfstatat",
    "fadvise64_64": "fadvise64",
}
"""Numbers that do what a call of another name does; those whose name only has a width behind it are left out."""


@pytest.fixture(autouse=True)
def _a_kernel_with_all(monkeypatch):
    class Everything(frozenset):
        def __contains__(self, name):
            return True

    monkeypatch.setattr(entries, "_symbols", Everything)


def entries_of(name):
    call = SYSCALLS[name]
    return entries.entries([Call(call.number, call.packed, name)])


def attached():
    """All entries, by function, with the name of their call; those that stand for many are left out."""
    return [(e.function, n, e) for n in SYSCALLS for e in entries_of(n) if not e.is_shared]


def meant(name):
    """The call of the table that a number of 32-bit programs means by *name*."""
    if name in SYSCALLS:
        return name
    return MEANT.get(name) or re.sub(r"(_time64|64|32)$", "", name)


def unknown(entry):
    """Which arguments are told as unknown there."""
    return {
        at for at in range(_abi.ENF_SYS_ARGS) if entry.cookie >> _abi.ENF_SYS_UNKNOWN_AT + at & 1
    }


def unknown_at(name, function):
    (found,) = {
        frozenset(unknown(e)) for e in entries_of(name) if e.function.endswith(f"_{function}")
    }
    return found


def test_each_32_bit_number_is_an_entry_of_its_call():
    """Or there is no call that a rule could name."""
    of = {function: name for function, name, _ in attached()}

    found = {
        (n.function, of.get(f"__ia32_{n.function}")) for n in BITS_32 if n.function not in MANY
    }

    expected = {
        (n.function, None if n.function in NO_CALL else meant(n.name))
        for n in BITS_32
        if n.function not in MANY
    }
    assert expected == found


def test_each_number_of_x32_is_an_entry_of_its_call():
    """Where it leads to a function of its own; else it is the entry of 64-bit programs."""
    of = {function: name for function, name, _ in attached()}

    assert [n.name for n in X32] == [of.get(f"__x64_{n.function}") for n in X32]


def test_no_function_is_an_entry_twice():
    """One attachment of many functions has each once."""
    times = Counter(function for function, _, _ in attached())

    assert {} == {function: n for function, n in times.items() if n > 1}


@pytest.mark.parametrize(
    ("name", "function", "which"),
    [
        ("fcntl", "compat_sys_fcntl64", set()),
        ("ppoll", "compat_sys_ppoll_time64", set()),
        ("sendfile", "compat_sys_sendfile", set()),
        ("fallocate", "x64_sys_fallocate", set()),
        ("fallocate", "sys_ia32_fallocate", {2, 3}),
        ("pread64", "sys_ia32_pread64", {3}),
        ("preadv2", "ia32_compat_sys_preadv2", {3, 4}),
        ("lseek", "x64_sys_lseek", set()),
        ("lseek", "sys_llseek", {1, 2}),
        ("mmap", "compat_sys_ia32_mmap", {0, 1, 2, 3, 4, 5}),
        ("mmap", "sys_mmap_pgoff", {5}),
        ("clone", "compat_sys_ia32_clone", {3, 4}),
        ("fanotify_mark", "ia32_compat_sys_fanotify_mark", {2, 3, 4}),
        ("setuid", "sys_setuid16", {0}),
        ("setpriority", "sys_nice", {0, 1, 2}),
        ("settimeofday", "sys_stime32", {0, 1}),
        ("select", "compat_sys_old_select", {0, 1, 2, 3, 4}),
        ("wait4", "sys_waitpid", {3}),
        ("ioctl", "x64_compat_sys_ioctl", {2}),
        ("preadv2", "x64_compat_sys_preadv64v2", {0, 1, 2, 3, 4, 5}),
        ("shmget", "compat_sys_ipc", {0, 1, 2, 3, 4, 5}),
    ],
)
def test_arguments_that_are_others_are_unknown(name, function, which):
    """The rest stands where the call has it."""
    assert which == unknown_at(name, function)


def test_what_lies_in_memory_is_unknown():
    """As all arguments of socketcall; send(2) and recv(2) there are sendto(2) and recvfrom(2)."""
    for name, short, whole in (("sendto", 9, 11), ("recvfrom", 10, 12)):
        shared = [e for e in entries_of(name) if e.is_shared]
        found = {e.cookie >> _abi.ENF_SYS_CALL_AT & 0xFF: unknown(e) for e in shared}

        assert {short: set(range(6)), whole: set(range(6))} == found


def test_only_arguments_that_there_are_can_be_unknown():
    """But for ipc and socketcall, which pass up to six."""
    for function, name, entry in attached():
        assert unknown(entry) <= set(range(len(SYSCALLS[name].kinds))), function


def test_a_long_of_a_program_of_x32_is_unknown():
    """The function sees half of the register, or all of it if it is an address."""
    for function, name, entry in attached():
        if function.startswith("__x64_compat_sys_"):
            longs = {at for at, kind in enumerate(SYSCALLS[name].kinds) if kind is ArgKind.LONG}
            assert longs <= unknown(entry), function


def test_names_of_lifted_calls_stand_where_the_call_has_them():
    """At the end of a call nothing is told as unknown: there every entry is looked at in the same way."""
    for function, name, entry in attached():
        if (lift := LIFTED_SYSCALLS.get(name)) and function.startswith("__ia32_"):
            names = {at for at, field in lift.args.items() if field in {"path", "signal"}}
            names |= set() if lift.other is None else {lift.other}
            assert not names & unknown(entry), function


def test_the_documentation_says_which_are_unknown():
    """Of the calls that are decided at their entry; of those of ipc it names some."""
    text = (DOCS / "policy-language.md").read_text("utf-8")
    section = text.partition("#### Arguments of 32-bit programs")[2].partition("\n#")[0]
    told = set()
    for row in re.findall(r"^\| (`.+)$", section, re.MULTILINE):
        calls, _, which = (cell.strip() for cell in row.strip("| ").split("|"))
        for name in re.findall(r"`(\w+)`", calls):
            every = range(len(SYSCALLS[name].kinds))
            told.add((name, frozenset(every if which == "all" else map(int, which.split(", ")))))

    found = {
        (name, frozenset(unknown(entry) & set(range(len(SYSCALLS[name].kinds))))): entry.function
        for name in SYSCALLS.keys() - LIFTED_SYSCALLS.keys()
        for entry in entries_of(name)
        if entry.function.startswith("__ia32_") and unknown(entry)
    }
    by_ipc = {pair for pair, function in found.items() if function.endswith("_ipc")}
    assert told - by_ipc == found.keys() - by_ipc
    assert told & by_ipc


# ---- Arguments that are cast ---------------------------------------------------------------------


def test_only_calls_that_cast_look_for_it():
    """At each of their entries."""
    flagged = {name for _, name, entry in attached() if entry.cookie & _abi.ENF_SYS_CASTS}
    others = {name for _, name, entry in attached() if not entry.cookie & _abi.ENF_SYS_CASTS}

    assert ({cast.call for cast in CASTS}, set()) == (flagged, flagged & others)


@pytest.mark.parametrize("cast", CASTS, ids=lambda cast: f"{cast.call}-{cast.command}")
def test_what_is_cast_is_long_else(cast):
    """The command is one of the two that the kernel side knows, and as wide as it looks at."""
    kinds = SYSCALLS[cast.call].kinds

    assert {ArgKind.LONG} == {kinds[at] for at in cast.arguments}
    assert cast.at in (0, 1)
    assert kinds[cast.at] in (ArgKind.S32, ArgKind.U32)
    assert 0 <= cast.command < 1 << 32
    assert cast.arguments <= cast_arguments(cast.call)


def test_the_kernel_side_has_room_for_exactly_these():
    """And no command twice, of which it would find the first."""
    assert _abi.ENF_CASTS == len(CASTS) == len({(cast.call, cast.command) for cast in CASTS})
