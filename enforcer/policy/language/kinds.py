# SPDX-License-Identifier: MIT
"""
The types of the tables of :mod:`.vocabulary`: operations, dimensions, flags, kinds of values.

Numbers that the kernel side shares have the names of ``bpf/include/enforcer_abi.h``; unit tests compare
both.
"""

from __future__ import annotations

import enum

import attrs

__all__ = [
    "OPERATORS",
    "Dim",
    "EventSpec",
    "FieldSpec",
    "Kind",
    "ObjectFlag",
    "Op",
    "OpSpec",
    "SubjectFlag",
]


class Op(enum.IntEnum):
    """Operations as the kernel side numbers them (``enum enf_op``)."""

    EXEC = 0
    EXEC_CREDS = 1
    EXEC_ARGV = 2
    READ = 3
    WRITE = 4
    APPEND = 5
    CREATE = 6
    TRUNCATE = 7
    MMAP_EXEC = 8
    UNLINK = 9
    RENAME = 10
    LINK = 11
    SYMLINK = 12
    MKDIR = 13
    RMDIR = 14
    MKNOD = 15
    CHMOD = 16
    CHOWN = 17
    SETXATTR = 18
    GUARD = 19
    FD_READ = 20
    FD_WRITE = 21
    SOCKET = 22
    BIND = 23
    LISTEN = 24
    CONNECT = 25
    ACCEPT = 26
    SEND = 27
    MOUNT = 28
    BIND_MOUNT = 29
    REMOUNT = 30
    PROPAGATE = 31
    MOVE_MOUNT = 32
    UNMOUNT = 33
    PIVOT_ROOT = 34
    MOUNT_GUARD = 35
    SIGNAL = 36
    PTRACE = 37
    TRACEME = 38
    SETUID = 39
    SETGID = 40
    CAPSET = 41
    CAPABLE = 42
    USERNS = 43
    MAP_EXEC = 44
    PROTECT_EXEC = 45
    MODULE = 46
    MODULE_REQUEST = 47
    KEXEC = 48
    FIRMWARE = 49
    BPF = 50
    PERF = 51
    IO_URING = 52
    SYSCALL = 53
    POINT = 54
    ATTRIBUTES = 55
    OVERWRITE = 56
    NAME_GUARD = 57
    EXEC_LOADED = 58
    ATTEMPT = 59


class Dim(enum.IntEnum):
    """What a term looks at (``enum enf_dim``)."""

    PATH = 0
    NAME = 1
    EXE = 2
    CGROUP = 3
    ARG_ANY = 4
    ARG0 = 5
    FSTYPE = 21
    CONTAINER = 22
    ADDR = 24
    INODE = 25
    PORT = 26
    FAMILY = 27
    TYPE = 28
    PROTOCOL = 29
    MODE = 30
    UID = 31
    EUID = 32
    GID = 33
    EGID = 34
    CAPS = 35
    CODE = 36
    BITS = 37
    TO_UID = 38
    TO_GID = 39
    N0 = 40
    N1 = 41
    N2 = 42
    N3 = 43
    N4 = 44
    N5 = 45


class ObjectFlag(enum.IntFlag):
    """Facts about the object of an operation (``ENF_OF_*``)."""

    SCRIPT = 0x0001
    INTERPRETER = 0x0002
    FILELESS = 0x0004
    SETUID = 0x0008
    SETGID = 0x0010
    FILECAPS = 0x0020
    DIR = 0x0040
    NEWNAME = 0x0080
    MEMFD = 0x0100
    UNIX = 0x0200
    NSVIEW = 0x0400
    OFFHOST = 0x0800
    LOADER = 0x1000
    DETACHED = 0x4000
    CUT = 0x8000


class SubjectFlag(enum.IntFlag):
    """Facts about a process (``ENF_SF_*``)."""

    FILELESS = 0x0001
    SCRIPT = 0x0002
    SETID = 0x0004
    KTHREAD = 0x0008
    EXE_UNKNOWN = 0x0100
    LINEAGE_UNKNOWN = 0x0200
    OFFHOST = 0x1000
    TRUSTED_CODE = 0x8000
    CODE_UNKNOWN = 0x10000


class Kind(enum.Enum):
    """How the values of a field are written and which operators it has."""

    PATH = "path"
    STRING = "string"
    ADDRESS = "address"
    PORT = "port"
    NUMBER = "number"
    MODE = "mode"
    USER = "user"
    GROUP = "group"
    CAPABILITY = "capability"
    FLAGS = "flags"
    FLAG = "flag"
    UNIT = "unit"
    CGROUP = "cgroup"
    ARGS = "args"


_COMMON = ("equal", "notEqual", "in", "notIn")
_TEXT = (
    *_COMMON,
    *("prefix", "suffix", "contains", "glob"),
    *("notPrefix", "notSuffix", "notContains", "notGlob"),
)
_NUMERIC = (*_COMMON, "range", "mask")

OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.PATH: _TEXT,
    Kind.STRING: _TEXT,
    Kind.ADDRESS: (*_COMMON, "cidr"),
    Kind.PORT: (*_COMMON, "range"),
    Kind.NUMBER: _NUMERIC,
    Kind.MODE: _NUMERIC,
    Kind.USER: (*_COMMON, "range"),
    Kind.GROUP: (*_COMMON, "range"),
    Kind.CAPABILITY: ("any", "all", "none"),
    Kind.FLAGS: ("any", "all", "none"),
    Kind.FLAG: ("equal",),
    Kind.UNIT: _COMMON,
    Kind.CGROUP: _TEXT,
    Kind.ARGS: _TEXT,
}
"""Operators by kind. Those that begin with ``not`` negate; every other holds if any of its values does."""


@attrs.frozen
class FieldSpec:
    """
    A word under ``match`` (object) or under ``process``/``parent``/``ancestors`` (subject).

    Exactly one of *dim* and *flag* is set. *names* maps symbolic values to numbers, or to bits.
    *counts_as* maps a number that an operand may have to others that it is as well: a condition
    accepts it if it accepts one of these.
    """

    name: str
    kind: Kind
    doc: str
    dim: Dim | None = None
    flag: int | None = None
    names: dict[str, int] = attrs.field(factory=dict, eq=False)
    counts_as: dict[int, tuple[int, ...]] = attrs.field(factory=dict, eq=False)

    def counted(self, number: int) -> tuple[int, ...]:
        """Return the numbers that an operand *number* counts as: itself first."""
        return (number, *self.counts_as.get(number, ()))


@attrs.frozen(cache_hash=True)
class OpSpec:
    """
    A word in the list of an event.

    Attributes:
        ops: kernel operations that this word stands for.
        fields: names in :data:`FIELDS` that may be matched.
        can_deny: the hook returns before the effect, so an error prevents it.
    """

    name: str
    ops: tuple[Op, ...]
    fields: frozenset[str]
    doc: str
    can_deny: bool = True


@attrs.frozen
class EventSpec:
    """An event key of a rule: the class of operations that ``default`` also speaks of."""

    name: str
    operations: dict[str, OpSpec]
    doc: str
    everything: tuple[Op, ...]
    """What ``default`` for this event covers (guards and strict descriptors excluded)."""
