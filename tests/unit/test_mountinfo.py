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


def test_options_of_overlays_are_kept() -> None:
    """Each with the commas that its value has."""
    text = (
        b"22 1 0:40 / /a rw - overlay overlay rw,lowerdir=/l/a:/l/b\\054c,upperdir=/u,workdir=/w\n"
        b"23 1 254:1 / / rw - ext4 /dev/vda1 rw,discard\n"
    )

    overlay, disk = parse_mountinfo(text)

    assert (b"rw", b"lowerdir=/l/a:/l/b,c", b"upperdir=/u", b"workdir=/w") == overlay.options
    assert () == disk.options
