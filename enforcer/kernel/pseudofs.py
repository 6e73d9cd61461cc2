# SPDX-License-Identifier: MIT
"""
File systems that show the kernel's own objects, and where they are usually mounted.

Every instance of such a file system shows the same objects, wherever it is mounted. So the kernel side
also decides such files by their usual name. Some have an instance for each namespace, with objects of its own
(proc, and binfmt_misc since v6.7): a rule on the usual name then refuses these as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs

from enforcer import _abi
from enforcer.libbpf import abi
from enforcer.mountinfo import parse_mountinfo

__all__ = ["PSEUDO_FILE_SYSTEMS", "PseudoFileSystem", "packed"]

_PLACE: Final = abi.decoder("enf_place")[0]


@attrs.frozen
class PseudoFileSystem:
    """
    One of them.

    Attributes:
        type: as mountinfo has it.
        magic: as statfs(2) has it; include/uapi/linux/magic.h.
        place: where it is by custom.
    """

    type: bytes
    magic: int
    place: bytes


PSEUDO_FILE_SYSTEMS: Final = (
    PseudoFileSystem(b"proc", 0x9FA0, b"/proc"),
    PseudoFileSystem(b"sysfs", 0x62656572, b"/sys"),
    PseudoFileSystem(b"cgroup2", 0x63677270, b"/sys/fs/cgroup"),
    PseudoFileSystem(b"cgroup", 0x27E0EB, b"/sys/fs/cgroup/v1"),
    PseudoFileSystem(b"debugfs", 0x64626720, b"/sys/kernel/debug"),
    PseudoFileSystem(b"tracefs", 0x74726163, b"/sys/kernel/tracing"),
    PseudoFileSystem(b"securityfs", 0x73636673, b"/sys/kernel/security"),
    PseudoFileSystem(b"configfs", 0x62656570, b"/sys/kernel/config"),
    PseudoFileSystem(b"efivarfs", 0xDE5E81E4, b"/sys/firmware/efi/efivars"),
    PseudoFileSystem(b"selinuxfs", 0xF97CFF8C, b"/sys/fs/selinux"),
    PseudoFileSystem(b"binfmt_misc", 0x42494E4D, b"/proc/sys/fs/binfmt_misc"),
    PseudoFileSystem(b"pstore", 0x6165676C, b"/sys/fs/pstore"),
    PseudoFileSystem(b"fusectl", 0x65735543, b"/sys/fs/fuse/connections"),
)


def packed(mountinfo: Path = Path("/proc/1/mountinfo")) -> bytes:
    """
    Return the table for the kernel side, ``struct enf_place[ENF_PLACES]``.

    *mountinfo*: of the host's first process. If it cannot be read, no file system counts as in its usual
    place: then each of these files is decided by two names.
    """
    there = _there(mountinfo)
    parts = [
        _PLACE.pack(fs.magic, there.get((fs.type, fs.place), 0), len(fs.place), fs.place)
        for fs in PSEUDO_FILE_SYSTEMS
    ]
    return b"".join(parts).ljust(_abi.ENF_PLACES * _PLACE.size, b"\0")


def _there(mountinfo: Path) -> dict[tuple[bytes, bytes], int]:
    """Return the device of what is mounted at each place, by type and place; the last mount is on top."""
    try:
        mounts = parse_mountinfo(mountinfo.read_bytes())
    except OSError:
        return {}
    return {(mount.type, mount.point): mount.device for mount in mounts}
