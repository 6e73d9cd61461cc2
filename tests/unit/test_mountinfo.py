# SPDX-License-Identifier: MIT
"""The kernel's table of mounts."""

from __future__ import annotations

from enforcer.mountinfo import Mount, parse_mountinfo


def test_mountinfo_is_read_with_its_escapes() -> None:
    """Spaces and backslashes in names are octal there."""
    text = (
        b"22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
        b"30 22 254:1 /a\\040b /mnt/x\\134y rw - ext4 /dev/vda1 rw\n"
    )

    first, second = parse_mountinfo(text)

    assert Mount(254 << 20 | 1, b"/", b"/") == first
    assert Mount(254 << 20 | 1, b"/a b", rb"/mnt/x\y") == second
    assert b"ext4" == second.type
