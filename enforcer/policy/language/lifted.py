# SPDX-License-Identifier: MIT
"""System calls that rules may name, and the operation that each stands for."""

from __future__ import annotations

import attrs

from enforcer._abi import EndHow as How

__all__ = ["LIFTED_SYSCALLS", "How", "LiftSpec"]


@attrs.frozen
class LiftSpec:
    """
    A system call whose meaning an LSM hook has: rules on it are compiled to that hook.

    *operations* are the words that it means together, parted by spaces. *args* maps an argument index to the object field that the kernel's own copy is matched as.
    *left* says what the call does besides, and is not meant: every other call that does it would be refused with it.
    When the call fails, *also* are the operations that it may have been besides, *other* is the argument that is a second name, and *how* says which of the operations it was.
    """

    event: str
    operations: str
    args: dict[int, str]
    also: str = ""
    other: int | None = None
    how: How = How.PLAIN
    left: str = ""


_REPLACES = "create write unlink"
_MADE = (
    "make regular files and unix sockets, which are file: create, as those that open and bind make"
)
_CONNECTED = "send without an address on a connected socket: network: connect decides on its peer"

LIFTED_SYSCALLS: dict[str, LiftSpec] = {
    "execve": LiftSpec("exec", "exec", {0: "path"}),
    "execveat": LiftSpec("exec", "exec", {1: "path"}),
    "open": LiftSpec("file", "open", {0: "path"}, "truncate", how=How.OPEN),
    "openat": LiftSpec("file", "open", {1: "path"}, "truncate", how=How.OPEN),
    "openat2": LiftSpec("file", "open", {1: "path"}, "truncate", how=How.OPEN_HOW),
    "creat": LiftSpec("file", "write", {0: "path"}, how=How.CREAT),
    "truncate": LiftSpec("file", "truncate", {0: "path"}),
    "ftruncate": LiftSpec("file", "truncate", {}),
    "unlink": LiftSpec("file", "unlink", {0: "path"}),
    "unlinkat": LiftSpec("file", "unlink rmdir", {1: "path"}, how=How.UNLINK),
    "rename": LiftSpec("file", "rename", {0: "path"}, _REPLACES, other=1, how=How.RENAME),
    "renameat": LiftSpec("file", "rename", {1: "path"}, _REPLACES, other=3, how=How.RENAME),
    "renameat2": LiftSpec("file", "rename", {1: "path"}, _REPLACES, other=3, how=How.RENAME),
    "link": LiftSpec("file", "link", {0: "path"}, "create", other=1, how=How.LINK),
    "linkat": LiftSpec("file", "link", {1: "path"}, "create", other=3, how=How.LINK),
    "symlink": LiftSpec("file", "symlink", {1: "path"}),
    "symlinkat": LiftSpec("file", "symlink", {2: "path"}),
    "mkdir": LiftSpec("file", "mkdir", {0: "path"}),
    "mkdirat": LiftSpec("file", "mkdir", {1: "path"}),
    "rmdir": LiftSpec("file", "rmdir", {0: "path"}),
    "mknod": LiftSpec("file", "mknod", {0: "path"}, "create", how=How.NODE, left=_MADE),
    "mknodat": LiftSpec("file", "mknod", {1: "path"}, "create", how=How.NODE, left=_MADE),
    "chmod": LiftSpec("file", "chmod", {0: "path", 1: "mode"}),
    "fchmod": LiftSpec("file", "chmod", {1: "mode"}),
    "fchmodat": LiftSpec("file", "chmod", {1: "path", 2: "mode"}),
    "fchmodat2": LiftSpec("file", "chmod", {1: "path", 2: "mode"}),
    "chown": LiftSpec("file", "chown", {0: "path"}),
    "lchown": LiftSpec("file", "chown", {0: "path"}),
    "fchown": LiftSpec("file", "chown", {}),
    "fchownat": LiftSpec("file", "chown", {1: "path"}),
    "setxattr": LiftSpec("file", "setxattr", {0: "path", 1: "xattr"}),
    "lsetxattr": LiftSpec("file", "setxattr", {0: "path", 1: "xattr"}),
    "fsetxattr": LiftSpec("file", "setxattr", {1: "xattr"}),
    "setxattrat": LiftSpec("file", "setxattr", {1: "path", 3: "xattr"}),
    "removexattr": LiftSpec("file", "setxattr", {0: "path", 1: "xattr"}),
    "lremovexattr": LiftSpec("file", "setxattr", {0: "path", 1: "xattr"}),
    "fremovexattr": LiftSpec("file", "setxattr", {1: "xattr"}),
    "removexattrat": LiftSpec("file", "setxattr", {1: "path", 3: "xattr"}),
    "mount": LiftSpec("mount", "mount bind remount propagation move", {1: "path"}, how=How.MOUNT),
    "move_mount": LiftSpec("mount", "mount bind move", {3: "path"}, how=How.MOVE),
    "umount2": LiftSpec("mount", "unmount", {0: "path", 1: "unmountFlags"}),
    "pivot_root": LiftSpec("mount", "pivotRoot", {0: "path"}),
    "kill": LiftSpec("process", "signal", {1: "signal"}, how=How.SIGNAL),
    "tkill": LiftSpec("process", "signal", {1: "signal"}, how=How.SIGNAL),
    "tgkill": LiftSpec("process", "signal", {2: "signal"}, how=How.SIGNAL),
    "pidfd_send_signal": LiftSpec("process", "signal", {1: "signal"}, how=How.SIGNAL),
    "rt_sigqueueinfo": LiftSpec("process", "signal", {1: "signal"}, how=How.SIGNAL),
    "rt_tgsigqueueinfo": LiftSpec("process", "signal", {2: "signal"}, how=How.SIGNAL),
    "ptrace": LiftSpec("process", "ptrace traceme", {}, how=How.PTRACE),
    "process_vm_readv": LiftSpec("process", "ptrace", {}),
    "process_vm_writev": LiftSpec("process", "ptrace", {}),
    "setuid": LiftSpec("process", "setuid", {0: "newUid"}),
    "setreuid": LiftSpec("process", "setuid", {}),
    "setresuid": LiftSpec("process", "setuid", {}),
    "setfsuid": LiftSpec("process", "setuid", {0: "newUid"}),
    "setgid": LiftSpec("process", "setgid", {0: "newGid"}),
    "setregid": LiftSpec("process", "setgid", {}),
    "setresgid": LiftSpec("process", "setgid", {}),
    "setfsgid": LiftSpec("process", "setgid", {0: "newGid"}),
    "capset": LiftSpec("process", "capset", {}),
    "init_module": LiftSpec("kernel", "module", {}),
    "finit_module": LiftSpec("kernel", "module", {}),
    "kexec_load": LiftSpec("kernel", "kexec", {}),
    "kexec_file_load": LiftSpec("kernel", "kexec", {}),
    "bpf": LiftSpec("kernel", "bpf", {0: "command"}),
    "perf_event_open": LiftSpec("kernel", "perf", {}),
    "io_uring_setup": LiftSpec("kernel", "ioUring", {}),
    "socket": LiftSpec("network", "socket", {0: "family", 1: "type", 2: "protocol"}),
    "bind": LiftSpec("network", "bind", {}),
    "listen": LiftSpec("network", "listen", {}),
    "connect": LiftSpec("network", "connect", {}),
    "accept": LiftSpec("network", "accept", {}),
    "accept4": LiftSpec("network", "accept", {}),
    "sendto": LiftSpec("network", "send", {}, left=_CONNECTED),
}
