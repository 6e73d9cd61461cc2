# SPDX-License-Identifier: MIT
"""The BPF file system, in which enforcement is pinned: whether a directory shows it, and mounting it there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from enforcer.errors import EnforcerBug, KernelError
from enforcer.libbpf import calls
from enforcer.mountinfo import parse_mountinfo

__all__ = ["require"]


def require(directory: Path) -> None:
    """
    Mount a BPF file system on *directory* if there is none there or above.

    Raises:
        KernelError: if none can be mounted.
    """
    if _is_bpf(directory):
        return
    if not directory.is_dir():
        raise KernelError(f"there is no directory {directory} for a BPF file system: mount sysfs")
    try:
        calls.mount_bpf(bytes(directory))
    except KernelError as error:
        if error.errno == errno.EBUSY and _is_bpf(directory):
            return
        raise KernelError(
            f"there is no BPF file system on {directory} and none can be mounted "
            f"({os.strerror(error.errno or 0)}): mount one, or start with --no-pins",
            error.errno or 0,
        ) from error
    if not _is_bpf(directory):
        raise EnforcerBug(f"a BPF file system was mounted on {directory}, but is not there")


def _is_bpf(directory: Path) -> bool:
    """Tell whether the file system that shows *directory* is a BPF file system, by mountinfo."""
    if not directory.exists():
        return False
    number = directory.stat().st_dev
    device = os.major(number) << 20 | os.minor(number)
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    return any((mount.device, mount.type) == (device, b"bpf") for mount in mounts)
