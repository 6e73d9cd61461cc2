# SPDX-License-Identifier: MIT
"""
The table of operations: what each is called, what may be asked about it, and where it is decided.

One row for each operation of the ABI. Policies, messages, records, OCSF, the cases of ``enforcer test`` and the
kernel layer read it; nothing else lists hooks by operation. ``tests/unit/kernel/test_kernel_operations.py`` holds
it equal to the programs of the built objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from enforcer.policy.language.kinds import Op

__all__ = [
    "BY_DESCRIPTOR",
    "OPERATION_TABLE",
    "Hook",
    "Operation",
    "full_name",
    "hooks_of",
    "with_operand",
]


@attrs.frozen
class Hook:
    """
    An LSM hook with a program that decides there.

    Attributes:
        name: of the hook, NAME in ``SEC("lsm/NAME")``.
        program: the function in the BPF object.
    """

    name: str
    program: str


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _ordered(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _hooks(text: str) -> tuple[Hook, ...]:
    """Read hooks: each with its program behind a slash, if that is not called after the hook."""
    parted = (word.partition("/") for word in text.split())
    return tuple(Hook(name, program or f"enf_{name}") for name, _, program in parted)


@attrs.frozen
class Operation:
    """
    One operation.

    Attributes:
        op: its name and number in the ABI, ``enum enf_op``.
        event: the event of the language that it belongs to; records name it, too.
        word: what it is called under this event.
        syscall: the system call that usually leads there; ``-``: no single one does. Several calls
            reach a hook (``open``, ``openat`` and ``openat2`` alike), and records name the common one.
        phrase: what it is, for people.
        operands: names of the fields that a rule on it can compare.
        ocsf: class and activity, by the numbers of the Open Cybersecurity Schema Framework.
        hooks: where it is decided, in the order of attachment. None: rules name the place themselves.
        without_bpf: where it is decided if bpf is not among the active LSMs, around the functions that
            call these hooks; empty: at the same hooks, by the same programs.
        prefix: how the names of its programs begin, where rules name the place; else empty.
        by_descriptor: what asks about it again when a descriptor is used that is open already.
        is_deed: a process does it as such. The kernel side asks about the others with something else.
        by_field: the field that a rule must compare to be asked here, where another operation of the
            same name has the rules that do not; else empty.
        asked_by: events or keys by which rules ask about it, where they do not by its own name.
    """

    op: Op
    event: str
    word: str
    syscall: str
    phrase: str
    operands: frozenset[str] = attrs.field(converter=_words)
    ocsf: tuple[int, int]
    hooks: tuple[Hook, ...] = attrs.field(default="", converter=_hooks, kw_only=True)
    without_bpf: tuple[Hook, ...] = attrs.field(default="", converter=_hooks, kw_only=True)
    prefix: str = attrs.field(default="", kw_only=True)
    by_descriptor: Op | None = attrs.field(default=None, kw_only=True)
    is_deed: bool = attrs.field(default=True, kw_only=True)
    by_field: str = attrs.field(default="", kw_only=True)
    asked_by: tuple[str, ...] = attrs.field(default="", converter=_ordered, kw_only=True)

    @property
    def full(self) -> str:
        """The operation as records speak of it: ``exec``, ``file.write``."""
        return full_name(self.event, self.word)

    @property
    def words(self) -> tuple[str, ...]:
        """How a policy asks about it: by its name, or by other events or keys."""
        return self.asked_by or (self.full,)


def full_name(event: str, word: str) -> str:
    """Return what *word* under *event* is called where no event stands beside it."""
    return event if event == word else f"{event}.{word}"


# ---- What rows share ------------------------------------------------------------------------------

_PROGRAM: Final = "path interpreter fileless memfd offHost drift setuid setgid"
_FAULTS: Final = "inode_init_security_anon/enf_userfault_memory"
_FILE: Final = "path fileless memfd offHost drift directory"
_LOADED: Final = "path fileless memfd offHost"
_LAYER: Final = "path fileless memfd"
_SOCKET: Final = "family type protocol"
_INET: Final = f"{_SOCKET} address port"
_ADDRESS: Final = f"{_INET} path abstract"

_CREATE, _READ, _UPDATE, _DELETE, _RENAME, _ATTRIBUTES = ((1001, number) for number in range(1, 7))
_MOUNTED, _UNMOUNTED, _FILE_OTHER = (1001, 12), (1001, 13), (1001, 99)
_LAUNCH: Final = (1007, 1)
_OPEN, _TRAFFIC, _LISTEN, _NETWORK_OTHER = (4001, 1), (4001, 6), (4001, 7), (4001, 99)
_INVOKE: Final = (1003, 4)
"""Classes and activities of OCSF."""

_STRICT: Final = "file_permission mmap_file/enf_mmap_strict file_mprotect/enf_mprotect_strict"

# fmt: off
_ROWS: Final = (
    # ---- Programs
    Operation(Op.EXEC, "exec", "exec", "execve", "Run a program.",
              f"{_PROGRAM} script fileCapabilities args", _LAUNCH,
              hooks="bprm_check_security/enf_exec bprm_creds_for_exec/enf_exec_check"),
    Operation(Op.EXEC_CREDS, "exec", "exec", "execve",
              "Run a program, asked when the capabilities that it gets are known.",
              f"{_PROGRAM} fileCapabilities", _LAUNCH,
              hooks="bprm_creds_from_file/enf_exec_creds",
              without_bpf="bprm_creds_from_file/enf_exec_creds_end", is_deed=False,
              by_field="fileCapabilities"),
    Operation(Op.EXEC_ARGV, "exec", "exec", "execve",
              "Run a program, asked when its arguments are known.",
              f"{_PROGRAM} args", _LAUNCH,
              hooks="bprm_committed_creds/enf_exec_argv", is_deed=False, by_field="args"),
    Operation(Op.EXEC_LOADED, "exec", "loaded", "mmap", "Have a loader run a program.",
              f"{_LOADED} drift", _LAUNCH, hooks="mmap_file/enf_mmap_loaded"),
    Operation(Op.EXEC_LAYER, "exec", "exec", "execve",
              "Run a program of an overlay, asked by the name that its file has in the layer.",
              _LAYER, _LAUNCH, hooks="file_open/enf_exec_layer", is_deed=False),
    Operation(Op.LOADED_LAYER, "exec", "loaded", "openat",
              "Have a loader run a program of an overlay, asked by the name that its file has in the layer.",
              _LAYER, _LAUNCH, hooks="file_open/enf_exec_layer", is_deed=False),
    # ---- Files
    Operation(Op.READ, "file", "read", "openat", "Open for reading.", _FILE, _READ,
              hooks="file_open quota_on", by_descriptor=Op.FD_READ),
    Operation(Op.WRITE, "file", "write", "openat", "Open for writing.", _FILE, _UPDATE,
              hooks="file_open file_fcntl quota_on path_rename inode_rename/enf_layer_rename",
              by_descriptor=Op.FD_WRITE),
    Operation(Op.APPEND, "file", "append", "openat", "Open for writing at the end only.",
              _FILE, _UPDATE, hooks="file_open", by_descriptor=Op.FD_WRITE),
    Operation(Op.CREATE, "file", "create", "openat",
              "Make a regular file, a unix socket, or a name for one.",
              f"{_FILE} mode", _CREATE,
              hooks="path_mknod path_rename path_link inode_create inode_mknod/enf_layer_mknod"
                    " inode_link/enf_layer_link inode_rename/enf_layer_rename"),
    Operation(Op.TRUNCATE, "file", "truncate", "truncate", "Shorten or lengthen.", _FILE, _UPDATE,
              hooks="path_truncate file_truncate file_open/enf_open_truncate"
                    " inode_setattr/enf_layer_setattr"
                    " file_ioctl/enf_append_ioctl file_ioctl_compat/enf_append_ioctl_compat"),
    Operation(Op.MMAP_EXEC, "file", "mmapExec", "mmap", "Map executable.", _FILE, _FILE_OTHER,
              hooks="mmap_file file_mprotect"),
    Operation(Op.UNLINK, "file", "unlink", "unlinkat", "Remove a name, or replace it by rename.",
              _FILE, _DELETE,
              hooks="path_unlink path_rename inode_unlink inode_rename/enf_layer_rename"),
    Operation(Op.RENAME, "file", "rename", "renameat2", "Rename from or to this name.",
              _FILE, _RENAME, hooks="path_rename inode_rename/enf_layer_rename"),
    Operation(Op.LINK, "file", "link", "linkat", "Hard link from or to this name.",
              _FILE, _CREATE, hooks="path_link inode_link/enf_layer_link"),
    Operation(Op.SYMLINK, "file", "symlink", "symlinkat", "Make a symbolic link here.",
              _FILE, _CREATE, hooks="path_symlink inode_symlink/enf_layer_symlink"),
    Operation(Op.MKDIR, "file", "mkdir", "mkdirat", "Make a directory.",
              f"{_FILE} mode", _CREATE, hooks="path_mkdir inode_mkdir/enf_layer_mkdir"),
    Operation(Op.RMDIR, "file", "rmdir", "rmdir", "Remove a directory.",
              _FILE, _DELETE, hooks="path_rmdir inode_rmdir/enf_layer_rmdir"),
    Operation(Op.MKNOD, "file", "mknod", "mknodat", "Make a device node or FIFO.",
              f"{_FILE} mode", _CREATE, hooks="path_mknod inode_mknod/enf_layer_mknod"),
    Operation(Op.CHMOD, "file", "chmod", "fchmodat", "Change permission bits.",
              f"{_FILE} mode", _ATTRIBUTES, hooks="path_chmod inode_setattr/enf_layer_setattr"),
    Operation(Op.CHOWN, "file", "chown", "fchownat", "Change owner or group.",
              _FILE, _ATTRIBUTES, hooks="path_chown inode_setattr/enf_layer_setattr"),
    Operation(Op.SETXATTR, "file", "setxattr", "setxattr", "Change extended attributes or ACLs.",
              f"{_FILE} xattr", _ATTRIBUTES,
              hooks="inode_setxattr inode_removexattr inode_set_acl inode_remove_acl"),
    Operation(Op.ATTRIBUTES, "file", "setattr", "utimensat", "Set times, or the flags of chattr.",
              _FILE, _ATTRIBUTES,
              hooks="inode_setattr file_ioctl file_ioctl_compat inode_file_setattr quota_on"),
    Operation(Op.OVERWRITE, "file", "write", "pwritev2",
              "Write elsewhere than at the end, by a descriptor that was opened to append.",
              _FILE, _UPDATE, is_deed=False,
              hooks="file_open file_permission/enf_append_permission"
                    " mmap_file/enf_append_mmap file_mprotect/enf_append_mprotect"
                    " file_ioctl/enf_append_ioctl file_ioctl_compat/enf_append_ioctl_compat"),
    Operation(Op.GUARD, "file", "guard", "renameat2",
              "Rename or link what a path of a rule names, or rename a directory above it;"
              " on NFS, AFS and FUSE also unlink it.",
              _FILE, _RENAME, is_deed=False, asked_by="guard",
              hooks="path_unlink path_rename path_link inode_link/enf_layer_link inode_rename/enf_layer_rename"),
    Operation(Op.NAME_GUARD, "file", "nameGuard", "unlinkat",
              "Remove a name that a rule keeps from being written, or put something else there.",
              _FILE, _DELETE, is_deed=False, asked_by="guard",
              hooks="path_mknod path_unlink path_rename path_link path_symlink"
                    " inode_mknod/enf_layer_mknod inode_symlink/enf_layer_symlink"
                    " inode_link/enf_layer_link inode_unlink"
                    " inode_rename/enf_layer_rename"),
    Operation(Op.FD_READ, "file", "fdRead", "read", "Read by a descriptor that is open already.",
              _FILE, _READ, hooks=_STRICT, asked_by="strict"),
    Operation(Op.FD_WRITE, "file", "fdWrite", "write", "Write by a descriptor that is open already.",
              _FILE, _UPDATE, hooks=_STRICT, asked_by="strict"),
    # ---- Sockets
    Operation(Op.SOCKET, "network", "socket", "socket", "Make a socket.",
              _SOCKET, _NETWORK_OTHER, hooks="socket_create socket_setsockopt"),
    Operation(Op.BIND, "network", "bind", "bind", "Take a local address.",
              _ADDRESS, _NETWORK_OTHER, hooks="path_mknod socket_bind sctp_bind_connect"
                    " socket_connect/enf_connect_binds socket_sendmsg/enf_send_binds"
                    " socket_setsockopt/enf_range_is_set"),
    Operation(Op.LISTEN, "network", "listen", "listen", "Wait for connections.",
              _INET, _LISTEN, hooks="socket_listen"),
    Operation(Op.CONNECT, "network", "connect", "connect", "Connect to an address.",
              _ADDRESS, _OPEN,
              hooks="socket_connect socket_sendmsg socket_setsockopt sctp_bind_connect"
                    " unix_stream_connect unix_may_send"),
    Operation(Op.ACCEPT, "network", "accept", "accept4", "Accept, by local address and port.",
              _INET, _OPEN, hooks="socket_accept"),
    Operation(Op.SEND, "network", "send", "sendto", "Send to an address, unconnected.",
              _ADDRESS, _TRAFFIC, hooks="socket_sendmsg socket_setsockopt unix_may_send"),
    # ---- Mounts
    Operation(Op.MOUNT, "mount", "mount", "mount", "Mount a file system here.",
              "path source fsType mountFlags", _MOUNTED,
              hooks="sb_mount sb_kern_mount move_mount file_open/enf_mount_namespace"),
    Operation(Op.BIND_MOUNT, "mount", "bind", "mount", "Show here what is mounted elsewhere.",
              "path source", _MOUNTED, hooks="sb_mount move_mount file_open/enf_mount_namespace"),
    Operation(Op.REMOUNT, "mount", "remount", "mount",
              "Change the options of what is mounted here.",
              "path fsType", _FILE_OTHER, hooks="sb_mount sb_remount"),
    Operation(Op.PROPAGATE, "mount", "propagation", "mount",
              "Change the propagation of mounts below.",
              "path mountFlags", _FILE_OTHER, hooks="sb_mount"),
    Operation(Op.MOVE_MOUNT, "mount", "move", "move_mount", "Move a mount from or to here.",
              "path", _FILE_OTHER, hooks="sb_mount move_mount"),
    Operation(Op.UNMOUNT, "mount", "unmount", "umount2", "Unmount what is mounted here.",
              "path fsType unmountFlags", _UNMOUNTED, hooks="sb_umount"),
    Operation(Op.PIVOT_ROOT, "mount", "pivotRoot", "pivot_root",
              "Make the mount that is here the root.", "path", _FILE_OTHER, hooks="sb_pivotroot"),
    Operation(Op.MOUNT_GUARD, "mount", "guard", "umount2",
              "Move, cover or unmount a mount that the path of a rule goes through.",
              "path", _FILE_OTHER, is_deed=False, asked_by="guard",
              hooks="path_unlink path_rename path_rmdir inode_unlink"
                    " inode_rmdir/enf_layer_rmdir inode_rename/enf_layer_rename"
                    " sb_mount move_mount sb_umount sb_pivotroot"),
    # ---- Processes
    Operation(Op.SIGNAL, "process", "signal", "kill", "Send a signal to another process.",
              "signal target targetUid", _INVOKE, hooks="task_kill task_setrlimit"),
    Operation(Op.PTRACE, "process", "ptrace", "ptrace",
              "Trace another process, or read or write its memory.",
              "target targetUid", _INVOKE, hooks="ptrace_access_check"),
    Operation(Op.TRACEME, "process", "traceme", "ptrace", "Be traced by the parent, the target.",
              "target targetUid", _INVOKE, hooks="ptrace_traceme"),
    Operation(Op.SETUID, "process", "setuid", "setresuid", "Change a user id.",
              "newUid", _INVOKE, hooks="task_fix_setuid"),
    Operation(Op.SETGID, "process", "setgid", "setresgid", "Change a group id, or gain a group.",
              "newGid", _INVOKE, hooks="task_fix_setgid task_fix_setgroups"),
    Operation(Op.CAPSET, "process", "capset", "capset", "Change its capabilities.",
              "gained", _INVOKE, hooks="capset"),
    Operation(Op.CAPABLE, "process", "capability", "capget", "Use a capability that it has.",
              "capability", _INVOKE, hooks="capable"),
    Operation(Op.USERNS, "process", "userns", "unshare", "Make a user namespace.",
              "", _INVOKE, hooks="userns_create"),
    # ---- Memory
    Operation(Op.MAP_EXEC, "memory", "mapExec", "mmap",
              "Map memory executable that is anonymous, or writable as well, or make a userfaultfd.",
              "", _INVOKE, hooks=f"mmap_file/enf_mmap_memory {_FAULTS}"),
    Operation(Op.PROTECT_EXEC, "memory", "protectExec", "mprotect",
              "Make memory executable that is anonymous, was written, or is writable as well, or make a userfaultfd.",
              "", _INVOKE, hooks=f"file_mprotect/enf_mprotect_memory {_FAULTS}"),
    # ---- The kernel
    Operation(Op.MODULE, "kernel", "module", "finit_module",
              "Load a module, from a file or from memory.",
              _LOADED, _INVOKE, hooks="kernel_read_file kernel_load_data"),
    Operation(Op.MODULE_REQUEST, "kernel", "moduleRequest", "socket",
              "Make the kernel ask for a module.",
              "module", _INVOKE, hooks="kernel_module_request"),
    Operation(Op.KEXEC, "kernel", "kexec", "kexec_file_load", "Load another kernel to boot.",
              _LOADED, _INVOKE, hooks="kernel_read_file kernel_load_data"),
    Operation(Op.FIRMWARE, "kernel", "firmware", "ioctl", "Load firmware of a device.",
              _LOADED, _INVOKE, hooks="kernel_read_file kernel_load_data"),
    Operation(Op.BPF, "kernel", "bpf", "bpf", "Call bpf(2).", "command", _INVOKE, hooks="bpf"),
    Operation(Op.PERF, "kernel", "perf", "perf_event_open", "Open a performance event.",
              "", _INVOKE, hooks="perf_event_open"),
    Operation(Op.IO_URING, "kernel", "ioUring", "io_uring_setup", "Set up an io_uring.",
              "", _INVOKE, hooks="inode_init_security_anon"),
    # ---- Where rules name the place
    Operation(Op.SYSCALL, "syscall", "syscall", "-", "A system call is entered.",
              "args", _INVOKE, prefix="enf_syscall_", is_deed=False),
    Operation(Op.POINT, "point", "point", "-", "A point of the kernel is passed.",
              "args", _INVOKE, prefix="enf_point_", is_deed=False,
              asked_by="lsm kprobe tracepoint"),
    Operation(Op.ATTEMPT, "attempt", "attempt", "-", "The kernel itself refuses a system call.",
              "path", _INVOKE, prefix="enf_attempt", is_deed=False,
              asked_by="attempts"),
)
# fmt: on

OPERATION_TABLE: Final[dict[Op, Operation]] = {row.op: row for row in _ROWS}
"""Every operation, by its number in the ABI."""

BY_DESCRIPTOR: Final[dict[Op, Op]] = {
    row.op: row.by_descriptor for row in _ROWS if row.by_descriptor is not None
}
"""Of each way to open a file, what asks about it again when the descriptor is used."""


def with_operand(field: str) -> frozenset[Op]:
    """Return the operations on which a rule can compare *field*."""
    return frozenset(op for op, row in OPERATION_TABLE.items() if field in row.operands)


def hooks_of(ops: Iterable[Op]) -> tuple[str, ...]:
    """Return the names of the LSM hooks at which *ops* are decided: each once, in the order of the ABI."""
    found = (hook.name for op in sorted(ops) for hook in OPERATION_TABLE[op].hooks)
    return tuple(dict.fromkeys(found))
