# SPDX-License-Identifier: MIT
"""
File systems that show what the kernel has once, and where they are by custom.

Whoever mounts another instance somewhere else reaches the same things there. So the kernel side decides such
files by their usual name, too.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

import attrs

from enforcer.libbpf import abi

__all__ = ["PSEUDO_FILE_SYSTEMS", "PseudoFileSystem", "packed"]

_PLACE: Final = struct.Struct("=III28s")
_MINOR_BITS: Final = 20  # MKDEV in include/linux/kdev_t.h


@attrs.frozen
class PseudoFileSystem:
    """
    One of them.

    Attributes:
        type: as mountinfo has it.
        magic: as statfs(2) has it; include/uapi/linux/magic.h.
        place: where it is by custom.
    """

    type: str
    magic: int
    place: str


PSEUDO_FILE_SYSTEMS: Final = (
    PseudoFileSystem("proc", 0x9FA0, "/proc"),
    PseudoFileSystem("sysfs", 0x62656572, "/sys"),
    PseudoFileSystem("cgroup2", 0x63677270, "/sys/fs/cgroup"),
    PseudoFileSystem("cgroup", 0x27E0EB, "/sys/fs/cgroup/v1"),
    PseudoFileSystem("debugfs", 0x64626720, "/sys/kernel/debug"),
    PseudoFileSystem("tracefs", 0x74726163, "/sys/kernel/tracing"),
    PseudoFileSystem("securityfs", 0x73636673, "/sys/kernel/security"),
    PseudoFileSystem("configfs", 0x62656570, "/sys/kernel/config"),
    PseudoFileSystem("efivarfs", 0xDE5E81E4, "/sys/firmware/efi/efivars"),
    PseudoFileSystem("selinuxfs", 0xF97CFF8C, "/sys/fs/selinux"),
)


def packed(mountinfo: Path = Path("/proc/1/mountinfo")) -> bytes:
    """
    Return the table for the kernel side, ``struct enf_place[ENF_PLACES]``.

    *mountinfo*: of the host's first process. Where it cannot be read nothing is taken to be in its place: then
    each of these files is decided by two names.
    """
    room = abi.constant("ENF_PLACES")
    there = _there(mountinfo)
    parts = [
        _PLACE.pack(fs.magic, there.get((fs.type, fs.place), 0), len(fs.place), fs.place.encode())
        for fs in PSEUDO_FILE_SYSTEMS
    ]
    return b"".join(parts).ljust(room * _PLACE.size, b"\0")


def _there(mountinfo: Path) -> dict[tuple[str, str], int]:
    """Return the device of what is mounted at each place, by type and place; the last mount is on top."""
    try:
        lines = mountinfo.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        mount, _, source = line.partition(" - ")
        _, _, device, _, place, *_ = mount.split()
        major, _, minor = device.partition(":")
        found[source.split()[0], place] = int(major) << _MINOR_BITS | int(minor)
    return found
