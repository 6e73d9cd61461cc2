# SPDX-License-Identifier: MIT
"""
Names that stand for numbers: capabilities, errors, signals, users and groups.

Users and groups are looked up through a resolver so that tests and other hosts can bring their own.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import signal
from typing import Protocol

import attrs

__all__ = [
    "BPF_COMMANDS",
    "CAPABILITIES",
    "ERRNOS",
    "SIGNALS",
    "Machine",
    "Resolver",
    "SystemResolver",
    "TableResolver",
]

CAPABILITIES: dict[str, int] = {
    f"CAP_{name}": number
    for number, name in enumerate(
        [
            "CHOWN",
            "DAC_OVERRIDE",
            "DAC_READ_SEARCH",
            "FOWNER",
            "FSETID",
            "KILL",
            "SETGID",
            "SETUID",
            "SETPCAP",
            "LINUX_IMMUTABLE",
            "NET_BIND_SERVICE",
            "NET_BROADCAST",
            "NET_ADMIN",
            "NET_RAW",
            "IPC_LOCK",
            "IPC_OWNER",
            "SYS_MODULE",
            "SYS_RAWIO",
            "SYS_CHROOT",
            "SYS_PTRACE",
            "SYS_PACCT",
            "SYS_ADMIN",
            "SYS_BOOT",
            "SYS_NICE",
            "SYS_RESOURCE",
            "SYS_TIME",
            "SYS_TTY_CONFIG",
            "MKNOD",
            "LEASE",
            "AUDIT_WRITE",
            "AUDIT_CONTROL",
            "SETFCAP",
            "MAC_OVERRIDE",
            "MAC_ADMIN",
            "SYSLOG",
            "WAKE_ALARM",
            "BLOCK_SUSPEND",
            "AUDIT_READ",
            "PERFMON",
            "BPF",
            "CHECKPOINT_RESTORE",
        ]
    )
}
"""Bit of each capability (``linux/capability.h``)."""

BPF_COMMANDS: dict[str, int] = {
    "map_create": 0,
    "map_lookup_elem": 1,
    "map_update_elem": 2,
    "map_delete_elem": 3,
    "map_get_next_key": 4,
    "prog_load": 5,
    "obj_pin": 6,
    "obj_get": 7,
    "prog_attach": 8,
    "prog_detach": 9,
    "prog_test_run": 10,
    "prog_get_next_id": 11,
    "map_get_next_id": 12,
    "prog_get_fd_by_id": 13,
    "map_get_fd_by_id": 14,
    "obj_get_info_by_fd": 15,
    "prog_query": 16,
    "raw_tracepoint_open": 17,
    "btf_load": 18,
    "btf_get_fd_by_id": 19,
    "task_fd_query": 20,
    "map_lookup_and_delete_elem": 21,
    "map_freeze": 22,
    "btf_get_next_id": 23,
    "map_lookup_batch": 24,
    "map_lookup_and_delete_batch": 25,
    "map_update_batch": 26,
    "map_delete_batch": 27,
    "link_create": 28,
    "link_update": 29,
    "link_get_fd_by_id": 30,
    "link_get_next_id": 31,
    "enable_stats": 32,
    "iter_create": 33,
    "link_detach": 34,
    "prog_bind_map": 35,
    "token_create": 36,
}
"""Commands of bpf(2) (``linux/bpf.h``)."""

ERRNOS: dict[str, int] = {name: number for number, name in sorted(errno.errorcode.items())}
"""Error numbers by name."""

_HARMLESS = frozenset({"SIGCHLD", "SIGCLD", "SIGURG", "SIGWINCH", "SIGCONT"})

SIGNALS: dict[str, int] = {
    s.name: s.value for s in signal.Signals if s.name not in _HARMLESS and s.value < signal.SIGRTMIN
}
"""Signals that end or stop a process which does not handle them, by name."""


@attrs.frozen
class Machine:
    """What foreign policies may call a host by: its name, and its architecture as uname has it."""

    name: str
    architecture: str

    @classmethod
    def this(cls) -> Machine:
        """Ask the kernel."""
        found = os.uname()
        return cls(found.nodename, found.machine)


class Resolver(Protocol):
    """Where user and group names come from, and which host policies are read for."""

    @property
    def machine(self) -> Machine | None:
        """Return the host; None: for any, so nothing is compared with it."""

    def user(self, name: str) -> int | None:
        """Return the number of user *name*, or None."""

    def group(self, name: str) -> int | None:
        """Return the number of group *name*, or None."""


@attrs.frozen
class SystemResolver:
    """The users and groups of this host; *machine* is the host that policies are read for."""

    machine: Machine | None = attrs.field(factory=Machine.this)

    def user(self, name: str) -> int | None:
        """Ask the password database."""
        try:
            return pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError):  # ValueError: not a name that could exist
            return None

    def group(self, name: str) -> int | None:
        """Ask the group database."""
        try:
            return grp.getgrnam(name).gr_gid
        except (KeyError, ValueError):
            return None


@attrs.frozen
class TableResolver:
    """Users and groups as given."""

    users: dict[str, int] = attrs.field(factory=dict)
    groups: dict[str, int] = attrs.field(factory=dict)
    machine: Machine | None = None

    def user(self, name: str) -> int | None:
        """Look *name* up."""
        return self.users.get(name)

    def group(self, name: str) -> int | None:
        """Look *name* up."""
        return self.groups.get(name)
