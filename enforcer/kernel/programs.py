# SPDX-License-Identifier: MIT
"""
The table of the engine's programs: what each is for, and in which order they are attached.

What the programs of hooks decide, and where, is read from the table of operations.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug
from enforcer.kernel.placement import Placement
from enforcer.libbpf import abi
from enforcer.policy.language.kinds import Op
from enforcer.policy.language.operations import OPERATION_TABLE, Operation

__all__ = [
    "ATTEMPTS",
    "AT_POINT",
    "CALLS",
    "CALL_ENDED",
    "CALL_OVERRIDE",
    "CALL_SIGNAL",
    "CODE",
    "GUARD",
    "GUARD_CONTROL",
    "GUARD_EXIT",
    "HOOKS",
    "IDENTITY",
    "LABEL_TASKS",
    "MEET_TASKS",
    "NAMES",
    "POINTS",
    "PROGRAMS",
    "TELL_REPEATS",
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
        voids: mask of the operations for which it voids what is remembered of files.
    """

    name: str
    hook: str
    ops: int = 0
    role: Role = Role.HOOK
    optional: bool = False
    only: Placement | None = None
    facts: int = 0
    voids: int = 0


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


def _by_program() -> dict[str, list[tuple[str, Operation]]]:
    """Return, for every program, the hook and the row of each operation that it decides."""
    found: dict[str, list[tuple[str, Operation]]] = {}
    for row in OPERATION_TABLE.values():
        for hook in dict.fromkeys((*row.hooks, *row.without_bpf)):
            found.setdefault(hook.program, []).append((hook.name, row))
    return found


_DECIDED: Final = _by_program()


def _hook(program: str, *, optional: bool = False) -> ProgramSpec:
    """
    Describe *program* by what the table of operations says of it.

    Raises:
        EnforcerBug: if that has it at no hook, or at several.
    """
    found = _DECIDED.get(program, [])
    if len({hook for hook, _ in found}) != 1:
        raise EnforcerBug(f"the table of operations does not have {program} at one hook")
    (hook, _), *_ = found
    rows = [row for _, row in found]
    ops = sum(1 << row.op for row in rows)
    return ProgramSpec(program, hook, ops, optional=optional, only=_placement(program, rows))


def _placement(program: str, rows: Iterable[Operation]) -> Placement | None:
    """Return the only placement that *program* decides some of *rows* in, or None: it does in both."""
    found: set[Placement] = set()
    for row in rows:
        ways = ((Placement.HOOKS, row.hooks), (Placement.AROUND, row.without_bpf or row.hooks))
        found |= {at for at, hooks in ways if any(hook.program == program for hook in hooks)}
    return None if len(found) > 1 else found.pop()


IDENTITY: Final = (
    ProgramSpec("enf_task_alloc", "task_alloc", role=Role.IDENTITY),
    ProgramSpec("enf_setuid", "task_fix_setuid", role=Role.IDENTITY),
    ProgramSpec("enf_setgid", "task_fix_setgid", role=Role.IDENTITY),
    ProgramSpec("enf_exec_begin", "bprm_creds_for_exec", role=Role.IDENTITY),
    ProgramSpec("enf_committed", "bprm_committed_creds", role=Role.IDENTITY),
)

_TRUSTED_CODE: Final = _abi.ENF_SF_TRUSTED_CODE

CODE: Final = (
    ProgramSpec("enf_fork_code", "task_alloc", role=Role.IDENTITY, facts=_TRUSTED_CODE),
    ProgramSpec("enf_mmap_code", "mmap_file", role=Role.IDENTITY, facts=_TRUSTED_CODE),
    ProgramSpec("enf_mprotect_code", "file_mprotect", role=Role.IDENTITY, facts=_TRUSTED_CODE),
    ProgramSpec(
        "enf_userfault_code", "inode_init_security_anon", role=Role.IDENTITY, facts=_TRUSTED_CODE
    ),
)

NAMES: Final = (
    ProgramSpec(
        "enf_inode_free",
        "inode_free_security",
        role=Role.IDENTITY,
        voids=mask(
            "EXEC EXEC_LAYER LOADED_LAYER READ WRITE APPEND MMAP_EXEC FD_READ FD_WRITE CREATE UNLINK SYMLINK MKDIR RMDIR MKNOD "
            "CHMOD NAME_GUARD"
        ),
    ),
)
"""What must be seen before a program of :data:`HOOKS` may remember what it found of a file."""

HOOKS: Final = (
    _hook("enf_exec"),
    _hook("enf_exec_check"),
    _hook("enf_exec_creds"),
    _hook("enf_exec_creds_end"),
    # Of two programs on one hook the kernel runs the one attached later first: this one must still
    # see who called exec, so it comes after enf_committed.
    _hook("enf_exec_argv"),
    _hook("enf_mmap_loaded"),
    _hook("enf_file_open"),
    _hook("enf_exec_layer"),
    _hook("enf_file_permission"),
    _hook("enf_file_fcntl"),
    _hook("enf_mmap_file"),
    _hook("enf_file_mprotect"),
    _hook("enf_append_permission"),
    _hook("enf_append_mmap"),
    _hook("enf_append_mprotect"),
    _hook("enf_mmap_strict"),
    _hook("enf_mprotect_strict"),
    _hook("enf_append_ioctl"),
    _hook("enf_append_ioctl_compat", optional=True),
    _hook("enf_path_truncate"),
    # Before Linux 6.2 path_truncate and inode_setxattr are called where these are since.
    _hook("enf_file_truncate", optional=True),
    _hook("enf_open_truncate"),
    _hook("enf_quota_on"),
    _hook("enf_path_mknod"),
    _hook("enf_path_unlink"),
    _hook("enf_path_rename"),
    _hook("enf_path_link"),
    _hook("enf_path_symlink"),
    _hook("enf_path_mkdir"),
    _hook("enf_path_rmdir"),
    _hook("enf_path_chmod"),
    _hook("enf_path_chown"),
    _hook("enf_inode_setxattr"),
    _hook("enf_inode_removexattr"),
    _hook("enf_inode_set_acl", optional=True),
    _hook("enf_inode_remove_acl", optional=True),
    _hook("enf_inode_setattr"),
    _hook("enf_file_ioctl"),
    # Before Linux 6.8 the one above is called for both, and before 6.17 in place of the last.
    _hook("enf_file_ioctl_compat", optional=True),
    _hook("enf_inode_file_setattr", optional=True),
    # What an overlay does to its layers passes no hook on paths (layer.bpf.c), nor do names of message queues.
    _hook("enf_inode_create"),
    _hook("enf_layer_mkdir"),
    _hook("enf_layer_mknod"),
    _hook("enf_layer_symlink"),
    _hook("enf_layer_link"),
    _hook("enf_inode_unlink"),
    _hook("enf_layer_rmdir"),
    _hook("enf_layer_rename"),
    _hook("enf_layer_setattr"),
    _hook("enf_socket_create"),
    _hook("enf_socket_bind"),
    _hook("enf_socket_listen"),
    _hook("enf_socket_connect"),
    _hook("enf_socket_accept"),
    _hook("enf_socket_sendmsg"),
    _hook("enf_socket_setsockopt"),
    _hook("enf_connect_binds"),
    _hook("enf_send_binds"),
    _hook("enf_range_is_set"),
    _hook("enf_sctp_bind_connect"),
    _hook("enf_unix_stream_connect"),
    _hook("enf_unix_may_send"),
    _hook("enf_sb_mount"),
    _hook("enf_sb_kern_mount"),
    _hook("enf_sb_remount"),
    _hook("enf_move_mount"),
    _hook("enf_mount_namespace"),
    _hook("enf_sb_umount"),
    _hook("enf_sb_pivotroot"),
    _hook("enf_task_kill"),
    _hook("enf_task_setrlimit"),
    _hook("enf_ptrace_access_check"),
    _hook("enf_ptrace_traceme"),
    _hook("enf_task_fix_setuid"),
    _hook("enf_task_fix_setgid"),
    _hook("enf_task_fix_setgroups"),
    _hook("enf_capset"),
    _hook("enf_capable"),
    _hook("enf_userns_create"),
    _hook("enf_mmap_memory"),
    _hook("enf_mprotect_memory"),
    _hook("enf_userfault_memory"),
    _hook("enf_kernel_read_file"),
    _hook("enf_kernel_load_data"),
    _hook("enf_kernel_module_request"),
    _hook("enf_bpf"),
    _hook("enf_perf_event_open"),
    _hook("enf_inode_init_security_anon"),
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
    _guard("enf_guard_perf_open", "perf_event_open"),
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
    _guard("enf_guard_exec", "bprm_committed_creds"),
    _guard("enf_guard_open", "file_open"),
    _guard("enf_guard_truncate", "path_truncate"),
)

GUARD_EXIT: Final = "enf_guard_exit"
"""The program on a tracepoint that sees the owner of the guard die; attached with :data:`GUARD`."""

GUARD_CONTROL: Final = "enf_guard_control"
"""The program by which user space gives orders to the guard; run, not attached."""

TELL_REPEATS: Final = "enf_tell_repeats"
"""The program that moves records of kinds that were counted into the rings; run, not attached."""

CALLS: Final = 1 << abi.OPS["SYSCALL"]
"""The operation that is decided at the entry of system calls, by a program of its own."""

POINTS: Final = 1 << abi.OPS["POINT"]
"""The operation that is decided at the points of the kernel that rules name."""

AT_POINT: Final = OPERATION_TABLE[Op.POINT].prefix
"""How the names of the programs at such points begin."""

ATTEMPTS: Final = 1 << abi.OPS["ATTEMPT"]
"""The operation that is decided at the end of system calls that the kernel refused."""

CALL_ENDED: Final = "enf_attempt"
"""The program at the end of system calls."""

CALL_OVERRIDE: Final = "enf_syscall_override"
CALL_SIGNAL: Final = "enf_syscall_signal"
"""The programs at the entry of system calls: that which refuses them, and that which only signals."""

PROGRAMS: Final = (*IDENTITY, *CODE, *NAMES, *HOOKS, *GUARD)
"""Every LSM program of the object, in the order of attachment."""

LABEL_TASKS: Final = "enf_label_tasks"
"""The iterator that labels the processes that were there before the engine."""

MEET_TASKS: Final = "enf_meet_tasks"
"""The iterator that has the labels in a cgroup computed again."""


def needed(ops: int, facts: int = 0) -> tuple[ProgramSpec, ...]:
    """
    Return the programs that an image needs, in the order of attachment.

    Args:
        ops: what it has rows for.
        facts: what its conditions on processes ask for, of ``ENF_SF_*``.
    """
    wanted = (
        *IDENTITY,
        *(p for p in PROGRAMS if p.ops & ops or p.facts & facts or p.voids & ops),
    )
    return tuple(p for p in PROGRAMS if p in wanted)


def served(specs: Iterable[ProgramSpec]) -> int:
    """Return the mask of the operations that *specs* decide, and what is decided without hooks."""
    mask = CALLS | POINTS | ATTEMPTS
    for spec in specs:
        mask |= spec.ops
    return mask
