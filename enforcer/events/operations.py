# SPDX-License-Identifier: MIT
"""How each operation of the kernel side is called in records: event, word, system call."""

from __future__ import annotations

import attrs

from enforcer.events.types import GuardAct
from enforcer.policy.language.vocabulary import Op

__all__ = ["OPERATIONS", "OperationName"]


@attrs.frozen
class OperationName:
    """
    The names of one operation.

    *syscall* is the call that usually leads there: the hook is reached by several (``open``,
    ``openat`` and ``openat2`` alike), and the record names the common one.
    """

    event: str
    word: str
    syscall: str

    @property
    def full(self) -> str:
        """The operation as policies speak of it: ``exec``, ``file.write``."""
        return self.event if self.event == self.word else f"{self.event}.{self.word}"


OPERATIONS: dict[Op | GuardAct, OperationName] = {
    Op.EXEC: OperationName("exec", "exec", "execve"),
    Op.EXEC_CREDS: OperationName("exec", "exec", "execve"),
    Op.EXEC_ARGV: OperationName("exec", "exec", "execve"),
    Op.EXEC_LOADED: OperationName("exec", "loaded", "mmap"),
    Op.READ: OperationName("file", "read", "openat"),
    Op.WRITE: OperationName("file", "write", "openat"),
    Op.APPEND: OperationName("file", "append", "openat"),
    Op.CREATE: OperationName("file", "create", "openat"),
    Op.TRUNCATE: OperationName("file", "truncate", "truncate"),
    Op.MMAP_EXEC: OperationName("file", "mmapExec", "mmap"),
    Op.UNLINK: OperationName("file", "unlink", "unlinkat"),
    Op.RENAME: OperationName("file", "rename", "renameat2"),
    Op.LINK: OperationName("file", "link", "linkat"),
    Op.SYMLINK: OperationName("file", "symlink", "symlinkat"),
    Op.MKDIR: OperationName("file", "mkdir", "mkdirat"),
    Op.RMDIR: OperationName("file", "rmdir", "rmdir"),
    Op.MKNOD: OperationName("file", "mknod", "mknodat"),
    Op.CHMOD: OperationName("file", "chmod", "fchmodat"),
    Op.CHOWN: OperationName("file", "chown", "fchownat"),
    Op.SETXATTR: OperationName("file", "setxattr", "setxattr"),
    Op.ATTRIBUTES: OperationName("file", "setattr", "utimensat"),
    Op.OVERWRITE: OperationName("file", "write", "pwritev2"),
    Op.GUARD: OperationName("file", "guard", "renameat2"),
    Op.NAME_GUARD: OperationName("file", "nameGuard", "unlinkat"),
    Op.FD_READ: OperationName("file", "fdRead", "read"),
    Op.FD_WRITE: OperationName("file", "fdWrite", "write"),
    Op.SOCKET: OperationName("network", "socket", "socket"),
    Op.BIND: OperationName("network", "bind", "bind"),
    Op.LISTEN: OperationName("network", "listen", "listen"),
    Op.CONNECT: OperationName("network", "connect", "connect"),
    Op.ACCEPT: OperationName("network", "accept", "accept4"),
    Op.SYSCALL: OperationName("syscall", "syscall", "-"),
    Op.POINT: OperationName("point", "point", "-"),
    Op.SEND: OperationName("network", "send", "sendto"),
    GuardAct.LINK: OperationName("protection", "link", "bpf"),
    GuardAct.MAP: OperationName("protection", "map", "bpf"),
    GuardAct.PROGRAM: OperationName("protection", "program", "bpf"),
    GuardAct.LOAD: OperationName("protection", "load", "bpf"),
    GuardAct.SIGNAL: OperationName("protection", "signal", "kill"),
    GuardAct.PTRACE: OperationName("protection", "ptrace", "ptrace"),
    GuardAct.PIN: OperationName("protection", "pin", "unlinkat"),
    GuardAct.MOUNT: OperationName("protection", "mount", "mount"),
    GuardAct.CGROUP: OperationName("protection", "cgroup", "write"),
    GuardAct.SYSTEM: OperationName("protection", "system", "write"),
    GuardAct.LIMIT: OperationName("protection", "limit", "prlimit64"),
    GuardAct.KEY: OperationName("protection", "key", "bpf"),
    GuardAct.FILE: OperationName("protection", "file", "openat"),
    Op.MOUNT: OperationName("mount", "mount", "mount"),
    Op.BIND_MOUNT: OperationName("mount", "bind", "mount"),
    Op.REMOUNT: OperationName("mount", "remount", "mount"),
    Op.PROPAGATE: OperationName("mount", "propagation", "mount"),
    Op.MOVE_MOUNT: OperationName("mount", "move", "move_mount"),
    Op.UNMOUNT: OperationName("mount", "unmount", "umount2"),
    Op.PIVOT_ROOT: OperationName("mount", "pivotRoot", "pivot_root"),
    Op.MOUNT_GUARD: OperationName("mount", "guard", "umount2"),
    Op.SIGNAL: OperationName("process", "signal", "kill"),
    Op.PTRACE: OperationName("process", "ptrace", "ptrace"),
    Op.TRACEME: OperationName("process", "traceme", "ptrace"),
    Op.SETUID: OperationName("process", "setuid", "setresuid"),
    Op.SETGID: OperationName("process", "setgid", "setresgid"),
    Op.CAPSET: OperationName("process", "capset", "capset"),
    Op.CAPABLE: OperationName("process", "capability", "capget"),
    Op.USERNS: OperationName("process", "userns", "unshare"),
    Op.MAP_EXEC: OperationName("memory", "mapExec", "mmap"),
    Op.PROTECT_EXEC: OperationName("memory", "protectExec", "mprotect"),
    Op.MODULE: OperationName("kernel", "module", "finit_module"),
    Op.MODULE_REQUEST: OperationName("kernel", "moduleRequest", "socket"),
    Op.KEXEC: OperationName("kernel", "kexec", "kexec_file_load"),
    Op.FIRMWARE: OperationName("kernel", "firmware", "ioctl"),
    Op.BPF: OperationName("kernel", "bpf", "bpf"),
    Op.PERF: OperationName("kernel", "perf", "perf_event_open"),
    Op.IO_URING: OperationName("kernel", "ioUring", "io_uring_setup"),
}
