# SPDX-License-Identifier: MIT
"""The kernel's table of mounts: ``/proc/PID/mountinfo``, see proc_pid_mountinfo(5)."""

from __future__ import annotations

import re
from typing import Final

import attrs

__all__ = ["Mount", "parse_mountinfo"]

_ESCAPE: Final = re.compile(rb"\\([0-7]{3})")


@attrs.frozen
class Mount:
    """
    One line of mountinfo.

    Attributes:
        device: of the superblock, as the kernel encodes it (major << 20 | minor).
        root: the directory of the superblock that is shown.
        point: where it is shown.
        type: of the file system.
    """

    device: int
    root: bytes
    point: bytes
    type: bytes = attrs.field(default=b"", eq=False)


def parse_mountinfo(text: bytes) -> tuple[Mount, ...]:
    """Read the lines of *text*; of several mounts at one place the last is on top."""
    out = []
    for line in text.splitlines():
        mount, _, source = line.partition(b" - ")
        _, _, device, root, point, *_ = mount.split(b" ")
        major, _, minor = device.partition(b":")
        kind = source.partition(b" ")[0]
        out.append(Mount(int(major) << 20 | int(minor), _plain(root), _plain(point), kind))
    return tuple(out)


def _plain(name: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 8),)), name)
