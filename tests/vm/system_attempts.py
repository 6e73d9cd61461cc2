# SPDX-License-Identifier: MIT
# ruff: noqa: PTH123, SIM115
"""
Attempts on processes, memory and the kernel, one per process: ``system_attempts.py NAME [ARGUMENT]``.

The exit code is the errno that stopped the attempt. Standalone on purpose: it runs with any Python
and knows nothing of enforcer.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
import sys

# Without importing signal and collections.abc: an emulated machine takes longer for these than for the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
_LIBC.shmat.restype = ctypes.c_void_p
_LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_PAGE = mmap.PAGESIZE
_R, _W, _X = 1, 2, 4
_SIGKILL, _SIGSTOP = 9, 19
_PRIVATE, _SHARED, _ANONYMOUS = 2, 1, 0x20
_TRACEME, _ATTACH, _DETACH, _SEIZE = 0, 16, 17, 0x4206
_SYS = {
    "init_module": 175,
    "perf_event_open": 298,
    "process_vm_writev": 311,
    "finit_module": 313,
    "bpf": 321,
    "kexec_load": 246,
    "kexec_file_load": 320,
    "io_uring_setup": 425,
    "pidfd_getfd": 438,
    "pidfd_send_signal": 424,
    "capset": 126,
}
ATTEMPTS: dict[str, Callable[[str], object]] = {}


def _attempt(function: Callable[[str], object]) -> Callable[[str], object]:
    ATTEMPTS[function.__name__] = function
    return function


def _checked(result: int | None) -> int:
    if result in {-1, None, 2**64 - 1}:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result or 0


def _call(name: str, *arguments: object) -> int:
    whole = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_LIBC.syscall(ctypes.c_long(_SYS[name]), *whole))


# ---- Other processes: ARGUMENT is a process id ---------------------------------------------------


@_attempt
def kill(pid: str) -> None:
    os.kill(int(pid), _SIGKILL)


@_attempt
def kill_by_descriptor(pid: str) -> None:
    _call("pidfd_send_signal", os.pidfd_open(int(pid)), _SIGKILL, None, 0)


@_attempt
def stop(pid: str) -> None:
    os.kill(int(pid), _SIGSTOP)


@_attempt
def attach(pid: str) -> None:
    _checked(_LIBC.ptrace(_ATTACH, int(pid), None, None))


@_attempt
def seize(pid: str) -> None:
    _checked(_LIBC.ptrace(_SEIZE, int(pid), None, None))


@_attempt
def open_memory(pid: str) -> None:
    os.open(f"/proc/{pid}/mem", os.O_RDWR)


@_attempt
def write_memory(pid: str) -> None:
    """Into a mapping that every process has and that is writable: its stack."""
    with open(f"/proc/{pid}/maps") as maps:
        start = next(int(line.split("-")[0], 16) for line in maps if "[stack]" in line)
    mine = ctypes.create_string_buffer(b"\0" * 8)
    local = struct.pack("PN", ctypes.addressof(mine), 8)
    remote = struct.pack("PN", start, 8)
    _call("process_vm_writev", int(pid), local, 1, remote, 1, 0)


@_attempt
def take_descriptor(pid: str) -> None:
    _call("pidfd_getfd", os.pidfd_open(int(pid)), 0, 0)


@_attempt
def traceme(_: str) -> None:
    _checked(_LIBC.ptrace(_TRACEME, 0, None, None))


# ---- Identity: ARGUMENT is a number --------------------------------------------------------------


@_attempt
def setuid(uid: str) -> None:
    os.setuid(int(uid))


@_attempt
def seteuid(uid: str) -> None:
    os.seteuid(int(uid))


@_attempt
def set_saved_uid(uid: str) -> None:
    os.setresuid(-1, -1, int(uid))


@_attempt
def setfsuid(uid: str) -> None:
    """It returns no error: the effect tells."""
    _LIBC.setfsuid(int(uid))
    if _LIBC.setfsuid(-1) != int(uid):
        raise OSError(errno.EDOM, "not changed")


@_attempt
def setgid(gid: str) -> None:
    os.setgid(int(gid))


@_attempt
def setegid(gid: str) -> None:
    os.setegid(int(gid))


def _capset(effective: int) -> None:
    head = struct.pack("Ii", 0x20080522, 0)
    low, high = effective & 0xFFFFFFFF, effective >> 32
    everything = (1 << 41) - 1
    permitted = everything & 0xFFFFFFFF, everything >> 32
    _call("capset", head, struct.pack("6I", low, permitted[0], 0, high, permitted[1], 0))


@_attempt
def gain(bit: str) -> None:
    """Give one capability up, and take it again."""
    everything = int(open("/proc/self/status").read().split("CapEff:\t")[1].split()[0], 16)
    _capset(everything & ~(1 << int(bit)))
    _capset(everything)


@_attempt
def use_sethostname(_: str) -> None:
    """CAP_SYS_ADMIN; nothing changes."""
    name = os.uname().nodename.encode()
    _checked(_LIBC.sethostname(name, len(name)))


@_attempt
def use_chroot(_: str) -> None:
    os.chroot("/")


@_attempt
def userns(_: str) -> None:
    _checked(_LIBC.unshare(0x10000000))


# ---- Memory ----------------------------------------------------------------------------------------


def _map(prot: int, flags: int = _PRIVATE | _ANONYMOUS, fd: int = -1) -> int:
    return _checked(_LIBC.mmap(None, _PAGE, prot, flags, fd, 0))


def _protect(address: int, prot: int) -> None:
    _checked(_LIBC.mprotect(address, _PAGE, prot))


@_attempt
def map_anonymous(_: str) -> None:
    _map(_R | _X)


@_attempt
def map_writable_too(path: str) -> None:
    _map(_R | _W | _X, _PRIVATE, os.open(path, os.O_RDONLY))


@_attempt
def map_zero(_: str) -> None:
    _map(_R | _X, _PRIVATE, os.open("/dev/zero", os.O_RDONLY))


@_attempt
def map_memfd(_: str) -> None:
    """A file without a name is not a file."""
    memory = os.memfd_create("x")
    os.truncate(memory, _PAGE)
    _map(_R | _X, _SHARED, memory)


@_attempt
def attach_shared_memory(_: str) -> None:
    """That of System V, executable and not writable."""
    memory = _checked(_LIBC.shmget(0, _PAGE, 0o1700))
    read_only, executable, remove = 0o10000, 0o100000, 0
    try:
        _checked(_LIBC.shmat(memory, None, read_only | executable))
    finally:
        _LIBC.shmctl(memory, remove, None)


@_attempt
def protect_shared(_: str) -> None:
    """Anonymous memory that the kernel keeps as a file, not writable at the moment."""
    address = _map(_R | _W, _SHARED | _ANONYMOUS)
    ctypes.memset(address, 0xC3, 1)
    _protect(address, _R)
    _protect(address, _R | _X)


@_attempt
def protect_anonymous(_: str) -> None:
    address = _map(_R | _W)
    ctypes.memset(address, 0xC3, 1)
    _protect(address, _R | _X)


@_attempt
def protect_written_file(path: str) -> None:
    address = _map(_R | _W, _PRIVATE, os.open(path, os.O_RDONLY))
    ctypes.memset(address, 0xC3, 1)
    _protect(address, _R)
    _protect(address, _R | _X)


@_attempt
def protect_shared_file(path: str) -> None:
    _protect(_map(_R | _W, _SHARED, os.open(path, os.O_RDWR)), _R | _X)


@_attempt
def protect_code(path: str) -> None:
    _protect(_map(_R | _X, _PRIVATE, os.open(path, os.O_RDONLY)), _R | _W | _X)


@_attempt
def protect_clean_file(path: str) -> None:
    """What the dynamic linker does; no news."""
    _protect(_map(_R, _PRIVATE, os.open(path, os.O_RDONLY)), _R | _X)


# ---- The kernel ------------------------------------------------------------------------------------


@_attempt
def insert(path: str) -> None:
    _call("finit_module", os.open(path, os.O_RDONLY), b"", 0)


@_attempt
def insert_from_memory(path: str) -> None:
    with open(path, "rb") as module:
        content = module.read()
    _call("init_module", content, len(content), b"")


@_attempt
def request(_: str) -> None:
    """A socket of a family that a module brings: AF_ALG."""
    _checked(_LIBC.socket(38, 5, 0))


@_attempt
def kexec_from_memory(_: str) -> None:
    """Load nothing, which removes what is loaded."""
    _call("kexec_load", 0, 0, None, 0)


@_attempt
def kexec(path: str) -> None:
    """Load the image of a kernel, without an initial file system."""
    no_initial = 4
    _call("kexec_file_load", os.open(path, os.O_RDONLY), -1, 1, b"", no_initial)


@_attempt
def load_firmware(path: str) -> None:
    """By the module that tests the loader, which asks for it in this process."""
    with open("/sys/devices/virtual/misc/test_firmware/trigger_request", "wb", 0) as order:
        order.write(path.rpartition("/")[2].encode())


@_attempt
def bpf_map(_: str) -> None:
    _call("bpf", 0, struct.pack("5I", 2, 4, 4, 1, 0).ljust(72, b"\0"), 72)


@_attempt
def bpf_list(_: str) -> None:
    _call("bpf", 23, struct.pack("2I", 0, 0).ljust(72, b"\0"), 72)  # BPF_BTF_GET_NEXT_ID


@_attempt
def perf(_: str) -> None:
    attributes = struct.pack("IIQ", 1, 112, 0).ljust(112, b"\0")  # PERF_COUNT_SW_CPU_CLOCK
    _call("perf_event_open", attributes, 0, -1, -1, 0)


@_attempt
def io_uring(_: str) -> None:
    _call("io_uring_setup", 1, b"\0" * 120)


def main() -> int:
    """Make one attempt."""
    name, *argument = sys.argv[1:]
    try:
        ATTEMPTS[name](argument[0] if argument else "")
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return error.errno or 1
    finally:
        sys.stdout.write(f"{os.getresuid()} {os.getresgid()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
