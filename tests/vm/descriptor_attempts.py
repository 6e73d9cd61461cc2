# SPDX-License-Identifier: MIT
# ruff: noqa: PTH101, PTH120
"""
Attempts with descriptors and on metadata, one per process: ``descriptor_attempts.py NAME PATH``.

What the attempt got goes to standard output; the exit code is the errno that stopped it. Standalone on
purpose: it runs with any Python and knows nothing of enforcer.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import resource
import struct
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # isolated Pythons do not look there

from attempting import (
    AT_FDCWD,
    LIBC,
    MNT_DETACH,
    MS_BIND,
    MS_REC,
    STRANGER,
    Attempts,
    check,
    mount,
    own_mounts,
)
from ring import ASYNC, OPENAT, WRITE, Ring, call, low, old_call, submit_write

_FILE_SETATTR = 469
_AT_SYMLINK_FOLLOW = 0x400
_NOAPPEND = 0x20
_KEEP_SIZE, _PUNCH_HOLE, _ZERO_RANGE = 1, 2, 0x10
_GETFLAGS, _SETFLAGS, _SETFLAGS32 = 0x80086601, 0x40086602, 0x40046602
_FSGETXATTR, _FSSETXATTR = 0x801C581F, 0x401C5820
_MOVE_EXT, _SWAP_BOOT = 0xC028660F, 0x6611  # EXT4_IOC_*
_NODUMP = 0x40  # of FS_IOC_SETFLAGS
_XFLAG_NODUMP = 0x80
_RW_APPEND = os.O_RDWR | os.O_APPEND
_OLD = (1_000_000_000, 1_000_000_000)
_ACL = struct.pack(
    "<I" + "HHI" * 5,
    2,  # version, then tag, permissions and id: user, another user, group, mask, others
    *(0x01, 7, 0xFFFFFFFF, 0x02, 7, STRANGER, 0x04, 4, 0xFFFFFFFF, 0x10, 7, 0xFFFFFFFF),
    *(0x20, 4, 0xFFFFFFFF),
)


def _show(content: bytes) -> None:
    os.write(1, content)


# ---- Neither for reading nor for writing ----------------------------------------------------------


def read(path: str) -> None:
    _show(os.read(os.open(path, os.O_RDONLY), 100))


def open_for_ioctl(path: str) -> None:
    flags = fcntl.ioctl(os.open(path, os.O_WRONLY | os.O_RDWR), _GETFLAGS, b"\0" * 8)
    _show(flags.hex().encode())


def open_as_place(path: str) -> None:
    _show(str(os.fstat(os.open(path, os.O_PATH)).st_size).encode())


# ---- Opened to append -----------------------------------------------------------------------------


def write(path: str) -> None:
    os.write(os.open(path, os.O_WRONLY), b"changed")


def append(path: str) -> None:
    os.write(os.open(path, os.O_WRONLY | os.O_APPEND), b"added")


def append_in_every_way(path: str) -> None:
    """What only appends; and room beyond the end, which changes no content."""
    fd = os.open(path, _RW_APPEND)
    os.write(fd, b"1")
    os.pwrite(fd, b"2", 0)
    os.writev(fd, [b"3"])
    os.pwritev(fd, [b"4"], 0)
    os.pwritev(fd, [b"5"], 0, os.RWF_DSYNC)
    check(LIBC.fallocate(fd, _KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(8192)))
    mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
    mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE)


def overwrite_without_append(path: str) -> None:
    os.pwritev(os.open(path, _RW_APPEND), [b"changed"], 0, _NOAPPEND)


def overwrite_by_old_call(path: str) -> None:
    fd = os.open(path, _RW_APPEND)
    vector = low(struct.pack("<II", low(b"changed"), 7))
    old_call(379, fd, vector, 1, 0, 0, _NOAPPEND)


def append_by_old_call(path: str) -> None:
    """write, writev, pwritev2."""
    fd = os.open(path, _RW_APPEND)
    added = low(b"added")
    vector = low(struct.pack("<II", added, 5))
    old_call(4, fd, added, 5)
    old_call(146, fd, vector, 1)
    old_call(379, fd, vector, 1, 0, 0, 0)


def overwrite_by_submit(path: str) -> None:
    submit_write(os.open(path, _RW_APPEND), b"changed", 0, _NOAPPEND)


def overwrite_by_ring(path: str) -> None:
    fd = os.open(path, _RW_APPEND)
    Ring().do(WRITE, fd, b"changed", size=7, more=_NOAPPEND)


def overwrite_by_worker(path: str) -> None:
    fd = os.open(path, _RW_APPEND)
    Ring().do(WRITE, fd, b"changed", size=7, more=_NOAPPEND, flags=ASYNC)


def overwrite_by_mapping(path: str) -> None:
    fd = os.open(path, _RW_APPEND)
    mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)[:7] = b"changed"


def overwrite_by_protecting(path: str) -> None:
    fd = os.open(path, _RW_APPEND)
    LIBC.mmap.restype = ctypes.c_void_p
    size = os.fstat(fd).st_size
    at = ctypes.c_void_p(LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, fd, 0))
    check(LIBC.mprotect(at, size, mmap.PROT_READ | mmap.PROT_WRITE))
    ctypes.memmove(at, b"changed", 7)


def _allocate(path: str, mode: int) -> None:
    fd = os.open(path, _RW_APPEND)
    check(LIBC.fallocate(fd, mode, ctypes.c_long(0), ctypes.c_long(7)))


def punch(path: str) -> None:
    _allocate(path, _PUNCH_HOLE | _KEEP_SIZE)


def zero(path: str) -> None:
    _allocate(path, _ZERO_RANGE)


def _exchange_blocks(path: str, control: Callable[[int, bytes], object]) -> None:
    """Let a file of one's own have its blocks, and it those of that file: as a defragmenter does."""
    own, fd = os.open(path + ".source", os.O_RDWR), os.open(path, _RW_APPEND)
    os.fsync(own)
    os.fsync(fd)
    control(own, struct.pack("<II4Q", 0, fd, 0, 0, 1, 0))
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)  # what was read before


def exchange_blocks(path: str) -> None:
    _exchange_blocks(path, lambda own, what: fcntl.ioctl(own, _MOVE_EXT, what))


def exchange_blocks_by_old_call(path: str) -> None:
    _exchange_blocks(path, lambda own, what: old_call(54, own, _MOVE_EXT, low(what)))


def _exchange_with_loader(path: str, flags: int) -> None:
    """Exchange its content with that of a file system's boot loader: first something that it has not."""
    for name, how in ((path + ".source", os.O_RDWR), (path, flags)):
        fd = os.open(name, how)
        os.fsync(fd)
        fcntl.ioctl(fd, _SWAP_BOOT)
        os.fsync(fd)


def exchange_with_loader(path: str) -> None:
    _exchange_with_loader(path, os.O_RDWR)


def exchange_with_loader_appending(path: str) -> None:
    _exchange_with_loader(path, _RW_APPEND)


def control_elsewhere(path: str, number: str) -> None:
    """A command that another file system than this one knows."""
    fcntl.ioctl(os.open(path, _RW_APPEND), int(number, 16), bytes(64))


def control_elsewhere_by_old_call(path: str, number: str) -> None:
    old_call(54, os.open(path, _RW_APPEND), int(number, 16), low(bytes(64)))


# ---- Set-user-ID ----------------------------------------------------------------------------------


def create_privileged(path: str) -> None:
    os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o4755)


def _link_nameless(path: str, mode: int) -> None:
    fd = os.open(os.path.dirname(path), os.O_TMPFILE | os.O_WRONLY, mode)
    os.write(fd, b"content")
    name = f"/proc/self/fd/{fd}".encode()
    check(LIBC.linkat(AT_FDCWD, name, AT_FDCWD, path.encode(), _AT_SYMLINK_FOLLOW))


def link_nameless_privileged(path: str) -> None:
    _link_nameless(path, 0o4755)


def link_nameless(path: str) -> None:
    _link_nameless(path, 0o755)


def link_privileged(path: str) -> None:
    os.link(path + ".privileged", path)


def link(path: str) -> None:
    os.link(path + ".source", path)


def _show_mode(fd: int) -> None:
    _show(oct(os.fstat(fd).st_mode & 0o7777).encode())


def _nameless(path: str) -> int:
    return os.open(os.path.dirname(path), os.O_TMPFILE | os.O_RDWR, 0o755)


def chmod_privileged(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    os.fchmod(fd, 0o4755)
    _show_mode(fd)


def fchmod_nameless(path: str) -> None:
    fd = _nameless(path)
    os.fchmod(fd, 0o4755)
    _show_mode(fd)


def chmod_nameless(path: str) -> None:
    fd = _nameless(path)
    os.chmod(f"/proc/self/fd/{fd}", 0o4755)
    _show_mode(fd)


def chmod_nameless_plainly(path: str) -> None:
    fd = _nameless(path)
    os.fchmod(fd, 0o711)
    _show_mode(fd)


def chmod_memory(path: str) -> None:
    fd = os.memfd_create("privileged")
    os.fchmod(fd, 0o4755)
    _show_mode(fd)


def chmod_memory_without_a_name(path: str) -> None:
    fd = os.memfd_create("")
    os.fchmod(fd, 0o4755)
    _show_mode(fd)


def chmod_memory_plainly(path: str) -> None:
    fd = os.memfd_create("plain")
    os.fchmod(fd, 0o711)
    _show_mode(fd)


# ---- Times and flags ------------------------------------------------------------------------------


def chmod(path: str) -> None:
    os.chmod(path, 0o711)


def chown(path: str) -> None:
    os.chown(path, STRANGER, STRANGER)


def truncate(path: str) -> None:
    os.truncate(path, 1)


def set_times(path: str) -> None:
    os.utime(path, _OLD)


def set_times_of_descriptor(path: str) -> None:
    os.utime(os.open(path, os.O_RDONLY), _OLD)


def touch(path: str) -> None:
    os.utime(path)


def _set_flags(path: str, number: int) -> None:
    fd = os.open(path, os.O_RDONLY)
    flags = bytearray(fcntl.ioctl(fd, _GETFLAGS, b"\0" * 8))
    flags[0] |= _NODUMP
    fcntl.ioctl(fd, number, bytes(flags))


def set_flags(path: str) -> None:
    _set_flags(path, _SETFLAGS)


def set_flags_by_project(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    found = bytearray(fcntl.ioctl(fd, _FSGETXATTR, b"\0" * 28))
    found[0] |= _XFLAG_NODUMP
    fcntl.ioctl(fd, _FSSETXATTR, bytes(found))


def set_flags_by_call(path: str) -> None:
    wanted = ctypes.create_string_buffer(struct.pack("<Q4I", _XFLAG_NODUMP, 0, 0, 0, 0), 24)
    call(_FILE_SETATTR, AT_FDCWD, path.encode(), wanted, ctypes.c_size_t(24), 0)


# ---- In a mount namespace of one's own ------------------------------------------------------------


def _crowd(directory: Path) -> None:
    """Make 32,768 mounts, by copying all below *directory* into it fifteen times."""
    directory.mkdir(exist_ok=True)
    mount("none", str(directory), "tmpfs")
    for number in range(15):
        place = directory / str(number)
        place.mkdir()
        mount(str(directory), str(place), flags=MS_BIND | MS_REC)


def _flags(path: str) -> str:
    fd = os.open(path, os.O_RDONLY)
    try:
        return "nodump" if fcntl.ioctl(fd, _GETFLAGS, b"\0" * 8)[0] & _NODUMP else ""
    except OSError:  # of tmpfs, before Linux 6.6
        return ""


def _in_own_namespace(
    path: str, deed: str, *, crowd: bool = False, twice: bool = False, left: bool = False
) -> None:
    """
    Mount a file system over the directory, make the file there, and show what came of the deed.

    Behind a *crowd* of mounts; at two places, of which the directory is the second (*twice*); and from the namespace
    before, by a descriptor of the file (*left*).
    """
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    own_mounts()
    place = Path(os.path.dirname(path))
    made = place.with_name(place.name + ".made") if crowd else place
    if twice:  # of another name than rules are about
        made = place.parents[1] / f"{place.name}.elsewhere"
    made.mkdir(exist_ok=True)
    mount("none", str(made), "tmpfs")
    file = made / "made"
    file.write_text("content")
    os.setxattr(file, "trusted.kept", b"value")
    os.utime(file, (2_000_000_000, 2_000_000_000))
    file.chmod(0o600)
    file.rename(made / Path(path).name)
    if crowd:  # the mount that shows it must be younger than they are
        _crowd(place.with_name(place.name + ".crowd"))
        mount(str(made), str(place), flags=MS_BIND)
        check(LIBC.umount2(bytes(made), MNT_DETACH))
    if twice:
        mount(str(made), str(place), flags=MS_BIND)
    if left:
        os.open("/proc/self/ns/mnt", os.O_RDONLY)  # or its mounts go with its last process
        path = f"/proc/self/fd/{os.open(path, os.O_PATH)}"
        check(LIBC.setns(before, 0))
    try:
        _OWN[deed](path)
    finally:
        status, names = Path(path).stat(), sorted(os.listxattr(path))
        facts = f"{status.st_mode & 0o7777:o} {status.st_mtime:.0f} {' '.join(names)}"
        _show(f"{facts} {_flags(path)}".strip().encode())


_OWN = {
    "chmod": chmod,
    "set": lambda path: os.setxattr(path, "trusted.added", b"value"),
    "remove": lambda path: os.removexattr(path, "trusted.kept"),
    "acl": lambda path: os.setxattr(path, "system.posix_acl_access", _ACL),
    "times": set_times,
    "flags": set_flags_by_call,
}


def chmod_in_own_namespace(path: str) -> None:
    _in_own_namespace(path, "chmod")


def set_attribute_in_own_namespace(path: str) -> None:
    _in_own_namespace(path, "set")


def remove_attribute_in_own_namespace(path: str) -> None:
    _in_own_namespace(path, "remove")


def set_acl_in_own_namespace(path: str) -> None:
    _in_own_namespace(path, "acl")


def set_attribute_behind_mounts(path: str) -> None:
    """With more mounts of one's own before it than are looked through."""
    _in_own_namespace(path, "set", crowd=True)


def set_times_in_own_namespace(path: str) -> None:
    _in_own_namespace(path, "times")


def chmod_by_second_name(path: str) -> None:
    _in_own_namespace(path, "chmod", twice=True)


def set_attribute_by_second_name(path: str) -> None:
    """By that of two mounts which the search of one does not find: the older shows the file, too."""
    _in_own_namespace(path, "set", twice=True)


def remove_attribute_by_second_name(path: str) -> None:
    _in_own_namespace(path, "remove", twice=True)


def set_acl_by_second_name(path: str) -> None:
    _in_own_namespace(path, "acl", twice=True)


def set_times_by_second_name(path: str) -> None:
    _in_own_namespace(path, "times", twice=True)


def set_flags_by_second_name(path: str) -> None:
    _in_own_namespace(path, "flags", twice=True)


def chmod_from_another_namespace(path: str) -> None:
    _in_own_namespace(path, "chmod", left=True)


def set_attribute_from_another_namespace(path: str) -> None:
    _in_own_namespace(path, "set", left=True)


def set_times_from_another_namespace(path: str) -> None:
    _in_own_namespace(path, "times", left=True)


# ---- Other processes ------------------------------------------------------------------------------


def _limit(pid: str, which: int) -> None:
    _, most = resource.prlimit(int(pid), which)
    resource.prlimit(int(pid), which, (3000, most))


def signal(pid: str) -> None:
    os.kill(int(pid), 15)


def limit_time(pid: str) -> None:
    _limit(pid, resource.RLIMIT_CPU)


def limit_size(pid: str) -> None:
    _limit(pid, resource.RLIMIT_FSIZE)


def limit_stack(pid: str) -> None:
    _limit(pid, resource.RLIMIT_STACK)


def limit_space(pid: str) -> None:
    _limit(pid, resource.RLIMIT_AS)


def limit_files(pid: str) -> None:
    _limit(pid, resource.RLIMIT_NOFILE)


# ---- By another's credentials ---------------------------------------------------------------------


def read_as_stranger(path: str) -> None:
    os.setuid(STRANGER)
    _show(os.read(os.open(path, os.O_RDONLY), 100))


def read_by_old_worker(path: str) -> None:
    """Let a worker open it that was made before the process became a stranger."""
    ring = Ring()
    ring.do(OPENAT, AT_FDCWD, b"/dev/null", size=0, flags=ASYNC)
    os.setuid(STRANGER)
    _show(os.read(ring.do(OPENAT, AT_FDCWD, path.encode(), size=0, flags=ASYNC), 100))


ATTEMPTS = Attempts(
    (name, function)
    for name, function in globals().items()
    if callable(function) and not name.startswith("_") and function.__module__ == __name__
)

main = ATTEMPTS.main

if __name__ == "__main__":
    sys.exit(main())
