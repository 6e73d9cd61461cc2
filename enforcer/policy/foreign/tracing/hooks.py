# SPDX-License-Identifier: MIT
"""
Functions of the kernel, LSM hooks and system calls, and what they mean in the words of the language.

One table: from a function, or the hook that it calls, to the event and its operations, and from the index
of an argument to a field. A function that is not in the table is refused.
"""

from __future__ import annotations

import enum
from collections.abc import Collection

import attrs

from enforcer.policy.language.sockets import PROTOCOLS
from enforcer.policy.language.syscall_table import SYSCALLS, ArgKind, Syscall
from enforcer.policy.language.vocabulary import FIELDS, LIFTED_SYSCALLS
from enforcer.policy.model.points import Point, PointKind
from enforcer.policy.model.policy import Condition, Flag, Interval

__all__ = [
    "FUNCTIONS",
    "LSM_HOOKS",
    "Choices",
    "Hook",
    "Operand",
    "Socket",
    "at",
    "entered",
    "lifted",
]


class Socket(enum.Enum):
    """A socket, or an address of one, and which of its ends is compared."""

    ADDRESS = "address"
    REMOTE = "remote"
    LOCAL = "local"
    PLAIN = "plain"


@attrs.frozen
class Choices:
    """
    An argument whose numbers say what the hook is called for.

    Attributes:
        words: operations by number, parted by spaces; by bit if *is_bits*.
        passed: what the kernel passes there, if that is more than *words* and *undecided*.
        undecided: numbers that are not decided on, and what they are.
        is_bits: several may be meant at once.
    """

    words: dict[int, str]
    passed: Collection[int] = ()
    undecided: dict[int, str] = attrs.field(factory=dict)
    is_bits: bool = False


Operand = str | Socket | ArgKind | Choices
"""A field of the object; a socket; what is passed to a system call; numbers that choose operations."""


@attrs.frozen
class Hook:
    """
    Where a policy hooks in, as it is decided here.

    Attributes:
        operations: words of the event.
        args: by index.
        fixed: conditions that are meant by the function itself.
        strict: also descriptors that are open.
        syscall: a rule may be written with the name of this call.
        calls: decided where these are entered.
        needs: the argument that must be matched, as only some of its values are decided on.
        opened: operations that are decided when the file is opened, and not at the hook itself.
        point: decided there, whatever it means.
        without_file: by an operation on files, what it means as well where there is no file.
        missed: what it means and is not decided, a clause.
    """

    event: str
    operations: tuple[str, ...]
    args: dict[int, Operand] = attrs.field(factory=dict)
    fixed: tuple[Condition, ...] = ()
    flags: tuple[Flag, ...] = ()
    strict: bool = False
    syscall: str | None = None
    calls: tuple[Syscall, ...] = ()
    needs: int | None = None
    opened: tuple[str, ...] = ()
    point: Point | None = None
    without_file: dict[str, Hook] = attrs.field(factory=dict)
    missed: str = ""


def at(point: Point) -> Hook:
    """Return the hook that is *point* and nothing else."""
    event = {PointKind.LSM: "lsm", PointKind.KPROBE: "kprobe", PointKind.KRETPROBE: "kprobe"}
    return Hook(event.get(point.kind, "tracepoint"), ("point",), point=point)


def _hook(words: str, args: dict[int, Operand] | None = None, **others: object) -> Hook:
    event, *operations = words.split()
    return Hook(event, tuple(operations), args or {}, **others)  # type: ignore[arg-type]


def _numbers(field: str, *numbers: int) -> Condition:
    return Condition(FIELDS[field], tuple(Interval(n, n) for n in numbers))


_FROM_MEMORY = (Flag(FIELDS["fileless"], wanted=True),)
_TCP = (_numbers("protocol", PROTOCOLS["tcp"]),)
# PROT_READ, PROT_WRITE and PROT_EXEC in any combination; PROT_NONE gives nothing.
_PROTECTIONS = range(1, 8)
_MAPPED = Choices({1: "read", 2: "write", 4: "mmapExec"}, _PROTECTIONS, is_bits=True)
_PROTECTED = Choices({4: "protectExec"}, _PROTECTIONS, is_bits=True)
_OPENED = ("read", "write")
_SHARING = Choices({1: "read write mmapExec", 2: "read mmapExec"}, (1, 2, 3), is_bits=True)
# MAY_READ or MAY_WRITE, one at a time: rw_verify_area() of fs/read_write.c, iterate_dir() of fs/readdir.c.
_PERMISSIONS = Choices({4: "read", 2: "write"}, is_bits=True)
_READ_ID = Choices(
    {1: "firmware", 2: "module", 3: "kexec", 4: "kexec"},
    undecided={5: "policies of other LSMs", 6: "certificates"},
)
_EXEC = _hook("exec exec", {0: "path"})
_MAKE_MAP = _hook("kernel bpf", fixed=(_numbers("command", 0),))
_LOAD_PROGRAM = _hook("kernel bpf", fixed=(_numbers("command", 5),))
_CAPABLE = _hook("process capability", {2: "capability"}, needs=2)
_NO_FILE = {"mmapExec": _hook("memory mapExec")}
_MAPPINGS = (
    "what was mapped from a file and never written to is not decided on when it becomes executable: "
    "file: mmapExec does that, together with every executable mapping of a file"
)
_BOUND = "unix sockets that are bound to a name are not decided on: file: create does that"
_READ_ONLY = "accesses that only read, such as of /proc/PID/environ and maps, are not decided on"
_RECEIVED = (
    "descriptors that come from another process, or by O_PATH, are not decided on: file: read and write with "
    "strict: true decide on their use"
)
_MOUNTS = "mount mount bind remount propagation move"

_LSM: dict[str, Hook] = {
    # ---- Programs and files
    "bprm_check_security": _EXEC,
    "bprm_creds_for_exec": _EXEC,
    "bprm_creds_from_file": _hook("exec exec", {0: "path", 1: "path"}),
    "bprm_committing_creds": _EXEC,
    "bprm_committed_creds": _EXEC,
    "file_open": _hook("file open", {0: "path"}),
    "file_permission": _hook("file read write", {0: "path", 1: _PERMISSIONS}, strict=True),
    "file_truncate": _hook("file truncate", {0: "path"}),
    "file_mprotect": _hook("memory protectExec", {2: _PROTECTED}, needs=2, missed=_MAPPINGS),
    "mmap_file": _hook(
        "file read write mmapExec",
        {0: "path", 2: _MAPPED, 3: _SHARING},
        needs=2,
        opened=_OPENED,
        without_file=_NO_FILE,
    ),
    "path_truncate": _hook("file truncate", {0: "path"}),
    "path_unlink": _hook("file unlink", {1: "path"}),
    "path_mkdir": _hook("file mkdir", {1: "path", 2: "mode"}),
    "path_rmdir": _hook("file rmdir", {1: "path"}),
    "path_mknod": _hook("file create mknod", {1: "path"}),
    "path_symlink": _hook("file symlink", {1: "path"}),
    "path_link": _hook("file link", {0: "path", 2: "path"}),
    "path_rename": _hook("file rename", {1: "path", 3: "path"}),
    "path_chmod": _hook("file chmod", {0: "path", 1: "mode"}),
    "path_chown": _hook("file chown", {0: "path"}),
    "inode_create": _hook("file create", {1: "path"}),
    "inode_unlink": _hook("file unlink", {1: "path"}),
    "inode_mkdir": _hook("file mkdir", {1: "path", 2: "mode"}),
    "inode_rmdir": _hook("file rmdir", {1: "path"}),
    "inode_mknod": _hook("file mknod", {1: "path"}, missed=_BOUND),
    "inode_symlink": _hook("file symlink", {1: "path"}),
    "inode_link": _hook("file link", {0: "path", 2: "path"}),
    "inode_rename": _hook("file rename", {1: "path", 3: "path"}),
    "inode_setxattr": _hook("file setxattr", {1: "path", 2: "xattr"}),
    "inode_removexattr": _hook("file setxattr", {1: "path", 2: "xattr"}),
    # ---- Sockets
    "socket_create": _hook("network socket", {0: "family", 1: "type", 2: "protocol"}),
    "socket_bind": _hook("network bind", {0: Socket.PLAIN, 1: Socket.ADDRESS}),
    "socket_connect": _hook("network connect", {0: Socket.PLAIN, 1: Socket.ADDRESS}),
    "socket_listen": _hook("network listen", {0: Socket.LOCAL}),
    "socket_accept": _hook("network accept", {0: Socket.LOCAL}),
    # ---- Processes
    "task_kill": _hook("process signal", {2: "signal"}),
    "ptrace_access_check": _hook("process ptrace", missed=_READ_ONLY),
    "ptrace_traceme": _hook("process traceme"),
    "task_fix_setuid": _hook("process setuid"),
    "task_fix_setgid": _hook("process setgid"),
    "capset": _hook("process capset"),
    "capable": _CAPABLE,
    "userns_create": _hook("process userns"),
    # ---- The kernel
    "kernel_read_file": _hook("kernel module firmware kexec", {0: "path", 1: _READ_ID}),
    "kernel_load_data": _hook("kernel module firmware kexec", {0: _READ_ID}, flags=_FROM_MEMORY),
    "kernel_module_request": _hook("kernel moduleRequest", {0: "module"}),
    "bpf": _hook("kernel bpf", {0: "command"}),
    "bpf_map_create": _MAKE_MAP,
    "bpf_map_alloc": _MAKE_MAP,
    "bpf_map_alloc_security": _MAKE_MAP,
    "bpf_prog_load": _LOAD_PROGRAM,
    "bpf_prog_alloc": _LOAD_PROGRAM,
    "perf_event_open": _hook("kernel perf"),
    "perf_event_alloc": _hook("kernel perf"),
    # ---- Mounts
    "sb_mount": _hook(_MOUNTS, {0: "source", 1: "path", 2: "fsType"}),
    "sb_umount": _hook("mount unmount", {1: "unmountFlags"}),
    "sb_pivotroot": _hook("mount pivotRoot", {1: "path"}),
    "move_mount": _hook("mount mount bind move", {1: "path"}),
}
# As functions, these have one argument less before the protection, or another name.
_DIFFERENT = {
    "security_mmap_file": _hook(
        "file read write mmapExec",
        {0: "path", 1: _MAPPED, 2: _SHARING},
        needs=1,
        opened=_OPENED,
        without_file=_NO_FILE,
    ),
    "security_bprm_check": _EXEC,
}
_OTHERS = {
    "fd_install": _hook("file open", {1: "path"}, missed=_RECEIVED),
    "tcp_connect": _hook("network connect", {0: Socket.REMOTE}, fixed=_TCP),
    "inet_csk_listen_start": _hook("network listen", {0: Socket.LOCAL}, fixed=_TCP),
    "cap_capable": _CAPABLE,
    "create_user_ns": _hook("process userns"),
    "bpf_check": _LOAD_PROGRAM,
}
_SET_ID = [f"set{kind}{what}" for kind in ("", "re", "res", "fs") for what in ("uid", "gid")]

# What a descriptor leads to is known where it is used: as the path of an open file.
_BY_DESCRIPTOR: dict[str, Hook] = {
    **dict.fromkeys(
        ("read", "pread64", "readv", "preadv", "preadv2"),
        _hook("file read", {0: "path"}, strict=True),
    ),
    **dict.fromkeys(
        ("write", "pwrite64", "writev", "pwritev", "pwritev2"),
        _hook("file write", {0: "path"}, strict=True),
    ),
}
_MORE_ARGS: dict[str, dict[int, Operand]] = {
    **{
        name: {0: "path"} for name in ("ftruncate", "fchmod", "fchown", "fsetxattr", "fremovexattr")
    },
    "mount": {0: "source", 2: "fsType"},
    "connect": {1: Socket.ADDRESS},
    "bind": {1: Socket.ADDRESS},
    "sendto": {4: Socket.ADDRESS},
}


def lifted(name: str, *, by_descriptor: bool = False) -> Hook | None:
    """
    Return what system call *name* means, or None if no hook means it.

    *by_descriptor*: its first argument is compared as the file that a descriptor leads to.
    """
    if by_descriptor and name in _BY_DESCRIPTOR:
        return _BY_DESCRIPTOR[name]
    lift = LIFTED_SYSCALLS.get(name)
    if lift is None:
        return None
    args: dict[int, Operand] = {**lift.args, **_MORE_ARGS.get(name, {})}
    return Hook(lift.event, tuple(lift.operations.split()), args, syscall=name)


def entered(*names: str) -> Hook:
    """Return the entries of system calls, whose arguments must be of the same kinds if compared."""
    calls = tuple(SYSCALLS[name] for name in names)
    kinds = [set(several) for several in zip(*(call.kinds for call in calls), strict=False)]
    args: dict[int, Operand] = {
        index: next(iter(kind)) for index, kind in enumerate(kinds) if len(kind) == 1
    }
    single = names[0] if len(names) == 1 else None
    return Hook("syscall", ("call",), args, syscall=single, calls=calls)


def _functions() -> dict[str, Hook]:
    found = {f"security_{name}": hook for name, hook in _LSM.items()}
    found |= _DIFFERENT | _OTHERS
    for name in _SET_ID:
        hook = lifted(name)
        assert hook is not None  # noqa: S101 - of the table of system calls
        found[f"__sys_{name}"] = hook
    return found


LSM_HOOKS: dict[str, Hook] = _LSM
"""By the name of the hook."""

FUNCTIONS: dict[str, Hook] = _functions()
"""By the name of the function."""
