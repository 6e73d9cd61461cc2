# SPDX-License-Identifier: MIT
"""
The table of the engine's programs: what each is for, and in which order they are attached.

The only place where Python names a program of the object.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

import attrs

from enforcer.errors import EnforcerBug
from enforcer.kernel.placement import Placement
from enforcer.libbpf import abi

__all__ = [
    "ATTEMPTS",
    "AT_POINT",
    "CALLS",
    "CALL_ENDED",
    "CALL_ENDED_EACH",
    "CALL_OVERRIDE",
    "CALL_SIGNAL",
    "CODE",
    "GUARD",
    "GUARD_CONTROL",
    "GUARD_EXIT",
    "HOOKS",
    "IDENTITY",
    "LABEL_TASKS",
    "POINTS",
    "PROGRAMS",
    "ProgramSpec",
    "Role",
    "names",
    "needed",
    "served",
]


class Role(enum.Enum):
    """What a program is for."""

    IDENTITY = "identity"
    """Keeps the labels of processes; attached before the image is committed, and mostly always."""
    HOOK = "hook"
    """Decides operations; attached last, and only if the image has rows for one of them."""
    GUARD = "guard"
    """Protects the engine and its daemon; only where that is wanted."""


@attrs.frozen
class ProgramSpec:
    """
    One LSM program.

    Attributes:
        name: the function in the object.
        hook: the LSM hook that it sits on.
        ops: mask of the operations that it decides, of ``enum enf_op``.
        optional: kernels without this hook call another one of the table in its place.
        only: where programs must be put for it to be the one for its hook; None: wherever that is.
        facts: mask of what it keeps of processes, of ``ENF_SF_*``: needed where some policy asks for that.
    """

    name: str
    hook: str
    ops: int = 0
    role: Role = Role.HOOK
    optional: bool = False
    only: Placement | None = None
    facts: int = 0


def mask(words: str) -> int:
    """
    Return the mask of the operations that *words* names.

    Raises:
        EnforcerBug: if the ABI header has none of that name.
    """
    try:
        return sum(1 << abi.OPS[word] for word in words.split())
    except KeyError as error:
        raise EnforcerBug(f"the ABI header has no operation {error}") from error


def names(ops: int) -> tuple[str, ...]:
    """Return the names of the operations in the mask *ops*."""
    return tuple(name for name, bit in abi.OPS.items() if ops >> bit & 1)


def _hook(
    name: str, hook: str, ops: str, *, optional: bool = False, only: Placement | None = None
) -> ProgramSpec:
    return ProgramSpec(name, hook, mask(ops), Role.HOOK, optional, only)


IDENTITY: Final = (
    ProgramSpec("enf_task_alloc", "task_alloc", role=Role.IDENTITY),
    ProgramSpec("enf_setuid", "task_fix_setuid", role=Role.IDENTITY),
    ProgramSpec("enf_setgid", "task_fix_setgid", role=Role.IDENTITY),
    ProgramSpec("enf_exec_begin", "bprm_creds_for_exec", role=Role.IDENTITY),
    ProgramSpec("enf_committed", "bprm_committed_creds", role=Role.IDENTITY),
)

_TRUSTED_CODE: Final = abi.constant("ENF_SF_TRUSTED_CODE")

CODE: Final = (
    ProgramSpec("enf_mmap_code", "mmap_file", role=Role.IDENTITY, facts=_TRUSTED_CODE),
    ProgramSpec("enf_mprotect_code", "file_mprotect", role=Role.IDENTITY, facts=_TRUSTED_CODE),
)

HOOKS: Final = (
    _hook("enf_exec", "bprm_check_security", "EXEC"),
    _hook("enf_exec_creds", "bprm_creds_from_file", "EXEC_CREDS", only=Placement.HOOKS),
    _hook("enf_exec_creds_end", "bprm_creds_from_file", "EXEC_CREDS", only=Placement.AROUND),
    # Of two programs on one hook the kernel runs the one attached later first: this one must still
    # see who called exec, so it comes after enf_committed.
    _hook("enf_exec_argv", "bprm_committed_creds", "EXEC_ARGV"),
    _hook("enf_mmap_loaded", "mmap_file", "EXEC_LOADED"),
    _hook("enf_file_open", "file_open", "READ WRITE APPEND"),
    _hook("enf_file_permission", "file_permission", "FD_READ FD_WRITE"),
    _hook("enf_file_fcntl", "file_fcntl", "WRITE"),
    _hook("enf_mmap_file", "mmap_file", "MMAP_EXEC"),
    _hook("enf_file_mprotect", "file_mprotect", "MMAP_EXEC"),
    _hook("enf_append_permission", "file_permission", "OVERWRITE"),
    _hook("enf_append_mmap", "mmap_file", "OVERWRITE"),
    _hook("enf_append_mprotect", "file_mprotect", "OVERWRITE"),
    _hook("enf_mmap_strict", "mmap_file", "FD_READ FD_WRITE"),
    _hook("enf_mprotect_strict", "file_mprotect", "FD_READ FD_WRITE"),
    _hook("enf_append_ioctl", "file_ioctl", "OVERWRITE"),
    _hook("enf_path_truncate", "path_truncate", "TRUNCATE"),
    # Before Linux 6.2 path_truncate and inode_setxattr are called where these are since.
    _hook("enf_file_truncate", "file_truncate", "TRUNCATE", optional=True),
    _hook("enf_path_mknod", "path_mknod", "CREATE MKNOD BIND NAME_GUARD"),
    _hook("enf_path_unlink", "path_unlink", "UNLINK NAME_GUARD MOUNT_GUARD"),
    _hook(
        "enf_path_rename",
        "path_rename",
        "RENAME CREATE WRITE UNLINK GUARD NAME_GUARD MOUNT_GUARD",
    ),
    _hook("enf_path_link", "path_link", "LINK CREATE GUARD NAME_GUARD"),
    _hook("enf_path_symlink", "path_symlink", "SYMLINK NAME_GUARD"),
    # Message queues, whose names pass no hook of paths.
    _hook("enf_queue_create", "inode_create", "CREATE"),
    _hook("enf_queue_unlink", "inode_unlink", "UNLINK"),
    _hook("enf_path_mkdir", "path_mkdir", "MKDIR"),
    _hook("enf_path_rmdir", "path_rmdir", "RMDIR MOUNT_GUARD"),
    _hook("enf_path_chmod", "path_chmod", "CHMOD"),
    _hook("enf_path_chown", "path_chown", "CHOWN"),
    _hook("enf_inode_setxattr", "inode_setxattr", "SETXATTR"),
    _hook("enf_inode_removexattr", "inode_removexattr", "SETXATTR"),
    _hook("enf_inode_set_acl", "inode_set_acl", "SETXATTR", optional=True),
    _hook("enf_inode_remove_acl", "inode_remove_acl", "SETXATTR", optional=True),
    _hook("enf_inode_setattr", "inode_setattr", "ATTRIBUTES"),
    _hook("enf_file_ioctl", "file_ioctl", "ATTRIBUTES"),
    # Before Linux 6.8 the one above is called for both, and before 6.17 in place of the last.
    _hook("enf_file_ioctl_compat", "file_ioctl_compat", "ATTRIBUTES", optional=True),
    _hook("enf_inode_file_setattr", "inode_file_setattr", "ATTRIBUTES", optional=True),
    # What an overlay does to its layers passes no hook on paths; see layer.bpf.c.
    _hook("enf_layer_create", "inode_create", "CREATE"),
    _hook("enf_layer_mkdir", "inode_mkdir", "MKDIR"),
    _hook("enf_layer_mknod", "inode_mknod", "CREATE MKNOD NAME_GUARD"),
    _hook("enf_layer_symlink", "inode_symlink", "SYMLINK NAME_GUARD"),
    _hook("enf_layer_link", "inode_link", "LINK CREATE GUARD NAME_GUARD"),
    _hook("enf_layer_unlink", "inode_unlink", "UNLINK NAME_GUARD MOUNT_GUARD"),
    _hook("enf_layer_rmdir", "inode_rmdir", "RMDIR MOUNT_GUARD"),
    _hook(
        "enf_layer_rename",
        "inode_rename",
        "RENAME CREATE WRITE UNLINK GUARD NAME_GUARD MOUNT_GUARD",
    ),
    _hook("enf_layer_setattr", "inode_setattr", "CHMOD CHOWN TRUNCATE"),
    _hook("enf_socket_create", "socket_create", "SOCKET"),
    _hook("enf_socket_bind", "socket_bind", "BIND"),
    _hook("enf_socket_listen", "socket_listen", "LISTEN"),
    _hook("enf_socket_connect", "socket_connect", "CONNECT"),
    _hook("enf_socket_accept", "socket_accept", "ACCEPT"),
    _hook("enf_socket_sendmsg", "socket_sendmsg", "SEND CONNECT"),
    _hook("enf_socket_setsockopt", "socket_setsockopt", "SEND CONNECT"),
    _hook("enf_sctp_bind_connect", "sctp_bind_connect", "BIND CONNECT"),
    _hook("enf_unix_stream_connect", "unix_stream_connect", "CONNECT"),
    _hook("enf_unix_may_send", "unix_may_send", "SEND CONNECT"),
    _hook("enf_sb_mount", "sb_mount", "MOUNT BIND_MOUNT REMOUNT PROPAGATE MOVE_MOUNT MOUNT_GUARD"),
    _hook("enf_sb_kern_mount", "sb_kern_mount", "MOUNT"),
    _hook("enf_sb_remount", "sb_remount", "REMOUNT"),
    _hook("enf_move_mount", "move_mount", "MOUNT BIND_MOUNT MOVE_MOUNT MOUNT_GUARD"),
    _hook("enf_sb_umount", "sb_umount", "UNMOUNT MOUNT_GUARD"),
    _hook("enf_sb_pivotroot", "sb_pivotroot", "PIVOT_ROOT MOUNT_GUARD"),
    _hook("enf_task_kill", "task_kill", "SIGNAL"),
    _hook("enf_task_setrlimit", "task_setrlimit", "SIGNAL"),
    _hook("enf_ptrace_access_check", "ptrace_access_check", "PTRACE"),
    _hook("enf_ptrace_traceme", "ptrace_traceme", "TRACEME"),
    _hook("enf_task_fix_setuid", "task_fix_setuid", "SETUID"),
    _hook("enf_task_fix_setgid", "task_fix_setgid", "SETGID"),
    _hook("enf_task_fix_setgroups", "task_fix_setgroups", "SETGID"),
    _hook("enf_capset", "capset", "CAPSET"),
    _hook("enf_capable", "capable", "CAPABLE"),
    _hook("enf_userns_create", "userns_create", "USERNS"),
    _hook("enf_mmap_memory", "mmap_file", "MAP_EXEC"),
    _hook("enf_mprotect_memory", "file_mprotect", "PROTECT_EXEC"),
    _hook("enf_kernel_read_file", "kernel_read_file", "MODULE KEXEC FIRMWARE"),
    _hook("enf_kernel_load_data", "kernel_load_data", "MODULE KEXEC FIRMWARE"),
    _hook("enf_kernel_module_request", "kernel_module_request", "MODULE_REQUEST"),
    _hook("enf_bpf", "bpf", "BPF"),
    _hook("enf_perf_event_open", "perf_event_open", "PERF"),
    _hook("enf_inode_init_security_anon", "inode_init_security_anon", "IO_URING"),
)


def _guard(name: str, hook: str, *, optional: bool = False) -> ProgramSpec:
    return ProgramSpec(name, hook, role=Role.GUARD, optional=optional)


GUARD: Final = (
    _guard("enf_guard_bpf", "bpf"),
    _guard("enf_guard_map", "bpf_map"),
    _guard("enf_guard_prog", "bpf_prog"),
    # Renamed in Linux 6.9: a kernel has the first or the second of each pair.
    _guard("enf_guard_map_alloc", "bpf_map_alloc_security", optional=True),
    _guard("enf_guard_map_create", "bpf_map_create", optional=True),
    _guard("enf_guard_map_freed", "bpf_map_free_security", optional=True),
    _guard("enf_guard_map_free", "bpf_map_free", optional=True),
    _guard("enf_guard_prog_alloc", "bpf_prog_alloc_security", optional=True),
    _guard("enf_guard_prog_load", "bpf_prog_load", optional=True),
    _guard("enf_guard_prog_freed", "bpf_prog_free_security", optional=True),
    _guard("enf_guard_prog_free", "bpf_prog_free", optional=True),
    _guard("enf_guard_kill", "task_kill"),
    _guard("enf_guard_sigio", "file_send_sigiotask"),
    _guard("enf_guard_perf", "perf_event_alloc"),
    _guard("enf_guard_ptrace", "ptrace_access_check"),
    _guard("enf_guard_rlimit", "task_setrlimit"),
    _guard("enf_guard_scheduler", "task_setscheduler"),
    _guard("enf_guard_nice", "task_setnice"),
    _guard("enf_guard_ioprio", "task_setioprio"),
    _guard("enf_guard_movememory", "task_movememory"),
    _guard("enf_guard_unlink", "inode_unlink"),
    _guard("enf_guard_rmdir", "inode_rmdir"),
    _guard("enf_guard_rename", "inode_rename"),
    _guard("enf_guard_hardlink", "inode_link"),
    _guard("enf_guard_create", "inode_create"),
    _guard("enf_guard_mkdir", "inode_mkdir"),
    _guard("enf_guard_symlink", "inode_symlink"),
    _guard("enf_guard_umount", "sb_umount"),
    _guard("enf_guard_mount", "sb_mount"),
    _guard("enf_guard_move", "move_mount"),
    _guard("enf_guard_pivot", "sb_pivotroot"),
    _guard("enf_guard_remount", "sb_remount"),
    _guard("enf_guard_write", "file_permission"),
    _guard("enf_guard_fork", "task_alloc"),
    _guard("enf_guard_open", "file_open"),
    _guard("enf_guard_truncate", "path_truncate"),
)

GUARD_EXIT: Final = "enf_guard_exit"
"""The program on a tracepoint that sees the owner of the guard die; attached with :data:`GUARD`."""

GUARD_CONTROL: Final = "enf_guard_control"
"""The program by which user space gives orders to the guard; run, not attached."""

CALLS: Final = 1 << abi.OPS["SYSCALL"]
"""The operation that is decided at the entry of system calls, by a program of its own."""

POINTS: Final = 1 << abi.OPS["POINT"]
"""The operation that is decided at the points of the kernel that rules name."""

AT_POINT: Final = "enf_point_"
"""How the names of the programs at such points begin."""

ATTEMPTS: Final = 1 << abi.OPS["ATTEMPT"]
"""The operation that is decided at the end of system calls that the kernel refused."""

CALL_ENDED: Final = "enf_attempt"
CALL_ENDED_EACH: Final = "enf_attempt_each"
"""The program at the end of system calls: at all of them at once, and at each by itself."""

CALL_OVERRIDE: Final = "enf_syscall_override"
CALL_SIGNAL: Final = "enf_syscall_signal"
"""The programs at the entry of system calls: that which refuses them, and that which only signals."""

PROGRAMS: Final = (*IDENTITY, *CODE, *HOOKS, *GUARD)
"""Every LSM program of the object, in the order of attachment."""

LABEL_TASKS: Final = "enf_label_tasks"
"""The iterator that labels the processes that were there before the engine."""


def needed(ops: int, facts: int = 0) -> tuple[ProgramSpec, ...]:
    """
    Return the programs that an image needs, in the order of attachment.

    Args:
        ops: what it has rows for.
        facts: what its conditions on processes ask for, of ``ENF_SF_*``.
    """
    wanted = (*IDENTITY, *(p for p in PROGRAMS if p.ops & ops or p.facts & facts))
    return tuple(p for p in PROGRAMS if p in wanted)


def served(specs: Iterable[ProgramSpec]) -> int:
    """Return the mask of the operations that *specs* decide, and what is decided without hooks."""
    mask = CALLS | POINTS | ATTEMPTS
    for spec in specs:
        mask |= spec.ops
    return mask
