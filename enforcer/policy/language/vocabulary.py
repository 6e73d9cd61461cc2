# SPDX-License-Identifier: MIT
"""
The words of the policy language, one table each.

Operations, fields, flags and lifted system calls are described only here and, one by one, in :mod:`.operations`.
The words for the processes that a rule describes are in :mod:`.subject_parts`.
The builder, the compiler, the JSON Schema and the language reference are derived from these tables. Their types
are in :mod:`.kinds`.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

import attrs

from enforcer.policy.language import sockets
from enforcer.policy.language.drift import DRIFT, KINDS
from enforcer.policy.language.kinds import (
    BITS,
    OPERATORS,
    Dim,
    EventSpec,
    FieldSpec,
    Kind,
    ObjectFlag,
    Op,
    OpSpec,
    SubjectFlag,
)
from enforcer.policy.language.lifted import LIFTED_SYSCALLS, LiftSpec
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.language.symbols import BPF_COMMANDS, CAPABILITIES

__all__ = [
    "BITS",
    "EVENTS",
    "FIELDS",
    "GUARDED",
    "LIFTED_SYSCALLS",
    "OPERATION_EVENTS",
    "OPERATORS",
    "OPS",
    "PORT_OF_BIND",
    "PROCESS_FIELDS",
    "Dim",
    "EventSpec",
    "FieldSpec",
    "Kind",
    "LiftSpec",
    "ObjectFlag",
    "Op",
    "OpSpec",
    "SubjectFlag",
]


_MOUNT_FLAGS = {
    "ro": 0x1,
    "nosuid": 0x2,
    "nodev": 0x4,
    "noexec": 0x8,
    "sync": 0x10,
    "nosymfollow": 0x100,
    "noatime": 0x400,
    "nodiratime": 0x800,
    "rec": 0x4000,
    "unbindable": 0x20000,
    "private": 0x40000,
    "slave": 0x80000,
    "shared": 0x100000,
    "relatime": 0x200000,
}
_CAPABILITIES = {name.removeprefix("CAP_").lower(): bit for name, bit in CAPABILITIES.items()}
_SIGNALS = {s.name.removeprefix("SIG").lower(): s.value for s in sorted(signal.Signals)}
_UNMOUNT_FLAGS = {"force": 0x1, "lazy": 0x2, "expire": 0x4}

FIELDS: dict[str, FieldSpec] = {
    f.name: f
    for f in (
        FieldSpec("path", Kind.PATH, "Path of the file, or of a unix socket.", Dim.PATH),
        FieldSpec("abstract", Kind.STRING, "Abstract unix socket name, without the NUL.", Dim.NAME),
        FieldSpec("xattr", Kind.STRING, "Name of the extended attribute.", Dim.NAME),
        FieldSpec("args", Kind.ARGS, "Arguments of the new program, by index or any.", Dim.ARG_ANY),
        FieldSpec("address", Kind.ADDRESS, "IP address; IPv4-mapped IPv6 is IPv4.", Dim.ADDR),
        FieldSpec("port", Kind.PORT, "Port number.", Dim.PORT),
        FieldSpec(
            "family",
            Kind.NUMBER,
            "Socket family; inet and inet6 are also those that carry it.",
            Dim.FAMILY,
            names=sockets.FAMILIES,
            counts_as=sockets.FAMILY_COUNTS_AS,
        ),
        FieldSpec("type", Kind.NUMBER, "Socket type.", Dim.TYPE, names=sockets.TYPES),
        FieldSpec(
            "protocol",
            Kind.NUMBER,
            "Protocol; tcp is also mptcp and smc.",
            Dim.PROTOCOL,
            names=sockets.PROTOCOLS,
            counts_as=sockets.PROTOCOL_COUNTS_AS,
        ),
        FieldSpec("mode", Kind.MODE, "Permission bits, octal (07777).", Dim.MODE),
        FieldSpec(
            "source",
            Kind.STRING,
            "What is mounted, as the caller wrote it: a device, a word, or for bind a path.",
            Dim.NAME,
        ),
        FieldSpec("fsType", Kind.STRING, "Type of the file system.", Dim.FSTYPE),
        FieldSpec("mountFlags", Kind.FLAGS, "Options of the mount.", Dim.BITS, names=_MOUNT_FLAGS),
        FieldSpec(
            "unmountFlags", Kind.FLAGS, "How it is unmounted.", Dim.BITS, names=_UNMOUNT_FLAGS
        ),
        FieldSpec("target", Kind.PATH, "Executable of the other process.", Dim.PATH),
        FieldSpec("targetUid", Kind.USER, "Real user of the other process.", Dim.TO_UID),
        FieldSpec("signal", Kind.NUMBER, "Signal.", Dim.CODE, names=_SIGNALS),
        FieldSpec("newUid", Kind.USER, "New value of one of its user ids.", Dim.TO_UID),
        FieldSpec("newGid", Kind.GROUP, "Group that it becomes or gains.", Dim.TO_GID),
        FieldSpec("gained", Kind.CAPABILITY, "Effective capabilities that it gains.", Dim.BITS),
        FieldSpec("capability", Kind.NUMBER, "Capability used.", Dim.CODE, names=_CAPABILITIES),
        FieldSpec("module", Kind.STRING, "Name by which the kernel asks for a module.", Dim.NAME),
        FieldSpec("command", Kind.NUMBER, "Command of bpf(2).", Dim.CODE, names=BPF_COMMANDS),
        FieldSpec("script", Kind.FLAG, "The file starts with #!.", flag=ObjectFlag.SCRIPT),
        FieldSpec(
            "interpreter",
            Kind.FLAG,
            "The file is run to interpret another one.",
            flag=ObjectFlag.INTERPRETER,
        ),
        FieldSpec(
            "fileless",
            Kind.FLAG,
            "The file has no name: memfd, unlinked, O_TMPFILE.",
            flag=ObjectFlag.FILELESS,
        ),
        FieldSpec("memfd", Kind.FLAG, "Made by memfd_create.", flag=ObjectFlag.MEMFD),
        FieldSpec("offHost", Kind.FLAG, "No mount of the host shows it.", flag=ObjectFlag.OFFHOST),
        FieldSpec(
            DRIFT,
            Kind.DRIFT,
            "What it has in it was not brought by the container's image.",
            Dim.DRIFT,
            names=KINDS,
        ),
        FieldSpec("setuid", Kind.FLAG, "Set-user-ID file.", flag=ObjectFlag.SETUID),
        FieldSpec("setgid", Kind.FLAG, "Set-group-ID file.", flag=ObjectFlag.SETGID),
        FieldSpec(
            "fileCapabilities",
            Kind.FLAG,
            "The file would give capabilities that the caller does not have.",
            flag=ObjectFlag.FILECAPS,
        ),
        FieldSpec("directory", Kind.FLAG, "The object is a directory.", flag=ObjectFlag.DIR),
    )
}

PORT_OF_BIND = attrs.evolve(FIELDS["port"], counts_as={0: sockets.CHOSEN_PORTS})
"""The port of a rule that is about ``bind``: port 0 lets the kernel choose."""
"""Object fields, under ``match``. A flag field takes true or false."""

PROCESS_FIELDS: dict[str, FieldSpec] = {
    f.name: f
    for f in (
        FieldSpec("binary", Kind.PATH, "Executable, as resolved at exec.", Dim.EXE),
        FieldSpec("uid", Kind.USER, "Real user, number or name.", Dim.UID),
        FieldSpec("euid", Kind.USER, "Effective user.", Dim.EUID),
        FieldSpec("gid", Kind.GROUP, "Real group, number or name.", Dim.GID),
        FieldSpec("egid", Kind.GROUP, "Effective group.", Dim.EGID),
        FieldSpec("capabilities", Kind.CAPABILITY, "Effective capabilities.", Dim.CAPS),
        FieldSpec("cgroup", Kind.CGROUP, "cgroup v2 path, or below it.", Dim.CGROUP),
        FieldSpec("unit", Kind.UNIT, "systemd unit, with its descendants.", Dim.CGROUP),
        FieldSpec("fileless", Kind.FLAG, "Runs a nameless file.", flag=SubjectFlag.FILELESS),
        FieldSpec("offHost", Kind.FLAG, "No host mount shows it.", flag=SubjectFlag.OFFHOST),
        FieldSpec(DRIFT, Kind.DRIFT, "The image did not bring it.", Dim.EXE_DRIFT, names=KINDS),
        FieldSpec("script", Kind.FLAG, "Interprets a script.", flag=SubjectFlag.SCRIPT),
        FieldSpec("setid", Kind.FLAG, "Its exec changed effective ids.", flag=SubjectFlag.SETID),
        FieldSpec(
            "trustedCode", Kind.FLAG, "Runs root's code only.", flag=SubjectFlag.TRUSTED_CODE
        ),
    )
}
"""Subject fields, under ``selector`` and the words of :mod:`.subject_parts`."""


def _several(name: str, ops: tuple[Op, ...], fields: Iterable[str], doc: str) -> OpSpec:
    return OpSpec(name, ops, frozenset(fields), doc)


def _words(*words: Op | OpSpec) -> dict[str, OpSpec]:
    """Return *words* by name: those of one operation as its row has them, those of several as given."""
    found = (_single(word) if isinstance(word, Op) else word for word in words)
    return {word.name: word for word in found}


def _single(op: Op) -> OpSpec:
    row = OPERATION_TABLE[op]
    return OpSpec(row.word, (op,), row.operands, row.phrase)


_FILE = OPERATION_TABLE[Op.READ].operands
_WRITE = (Op.WRITE, Op.APPEND, Op.CREATE, Op.TRUNCATE)
_NAMES = (Op.UNLINK, Op.RENAME, Op.LINK, Op.SYMLINK, Op.MKDIR, Op.RMDIR, Op.MKNOD)
_META = (Op.CHMOD, Op.CHOWN, Op.SETXATTR, Op.ATTRIBUTES)
_SOCKET = OPERATION_TABLE[Op.SOCKET].operands
_ADDRESS = OPERATION_TABLE[Op.CONNECT].operands

_EXEC_OPS = _words(Op.EXEC)
_FILE_OPS = _words(
    Op.READ,
    _several("write", _WRITE, {*_FILE, "mode"}, "Open for writing, append, create, truncate."),
    _several(
        "open",
        (Op.READ, Op.WRITE, Op.APPEND, Op.CREATE),
        _FILE,
        "Open in any way, or create by opening.",
    ),
    Op.APPEND,
    Op.CREATE,
    Op.TRUNCATE,
    Op.MMAP_EXEC,
    *_NAMES,
    *_META,
    _several(
        "modify",
        (*_WRITE, *_NAMES, *_META),
        _FILE,
        "Everything that changes a file, its names or its metadata.",
    ),
    _several(
        "any",
        (Op.READ, Op.MMAP_EXEC, *_WRITE, *_NAMES, *_META),
        _FILE,
        "Every file operation.",
    ),
)
_SOCKETS = (Op.SOCKET, Op.BIND, Op.LISTEN, Op.CONNECT, Op.ACCEPT, Op.SEND)
_NETWORK_OPS = _words(
    *_SOCKETS,
    _several("egress", (Op.CONNECT, Op.SEND), _ADDRESS, "Connect, or send to an address."),
    _several("any", _SOCKETS, _SOCKET, "Every socket operation."),
)
_MOUNTS = (
    Op.MOUNT,
    Op.BIND_MOUNT,
    Op.REMOUNT,
    Op.PROPAGATE,
    Op.MOVE_MOUNT,
    Op.UNMOUNT,
    Op.PIVOT_ROOT,
)
_MOUNT_OPS = _words(*_MOUNTS, _several("any", _MOUNTS, {"path"}, "Every mount operation."))
_PROCESSES = (
    Op.SIGNAL,
    Op.PTRACE,
    Op.TRACEME,
    Op.SETUID,
    Op.SETGID,
    Op.CAPSET,
    Op.USERNS,
)
_PROCESS_OPS = _words(
    *_PROCESSES[:-1],
    Op.CAPABLE,
    Op.USERNS,
    _several("any", _PROCESSES, (), "All of these but capability."),
)
_MEMORY = (Op.MAP_EXEC, Op.PROTECT_EXEC)
_MEMORY_OPS = _words(*_MEMORY, _several("any", _MEMORY, (), "Both."))
_KERNELS = (
    Op.MODULE,
    Op.MODULE_REQUEST,
    Op.KEXEC,
    Op.FIRMWARE,
    Op.BPF,
    Op.PERF,
    Op.IO_URING,
)
_KERNEL_OPS = _words(*_KERNELS, _several("any", _KERNELS, (), "All of these."))

EVENTS: dict[str, EventSpec] = {
    e.name: e
    for e in (
        EventSpec("exec", _EXEC_OPS, "A program is run.", (Op.EXEC,)),
        EventSpec("file", _FILE_OPS, "A file is used.", _FILE_OPS["any"].ops),
        EventSpec("network", _NETWORK_OPS, "A socket is used.", _NETWORK_OPS["any"].ops),
        EventSpec(
            "process",
            _PROCESS_OPS,
            "A process acts on another, or changes what it may.",
            _PROCESS_OPS["any"].ops,
        ),
        EventSpec("memory", _MEMORY_OPS, "Memory becomes executable.", _MEMORY_OPS["any"].ops),
        EventSpec(
            "kernel", _KERNEL_OPS, "The kernel is changed or watched.", _KERNEL_OPS["any"].ops
        ),
        EventSpec("mount", _MOUNT_OPS, "The tree of mounts is changed.", _MOUNT_OPS["any"].ops),
    )
}

GUARDED = frozenset(("exec", "file", "network"))
"""Events whose rules keep the names of their paths in place, if they refuse."""

OPS: dict[str, OpSpec] = {
    f"{event.name}.{op.name}": op for event in EVENTS.values() for op in event.operations.values()
}

OPERATION_EVENTS: dict[str, str] = {
    op.name: event.name
    for event in reversed(EVENTS.values())
    for op in event.operations.values()
    if op.name != "any" and op.name not in EVENTS
}
"""The event of which each operation is; of ``bind`` the first one."""
