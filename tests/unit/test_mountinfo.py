# SPDX-License-Identifier: MIT
"""The kernel's table of mounts."""

from __future__ import annotations

import pytest

from enforcer.mountinfo import Mount, MountNames, parse_mountinfo


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


@pytest.mark.parametrize("byte", [b"\r", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xe2\x80\xa8"])
def test_names_hold_what_ends_a_line_elsewhere(byte):
    """A user who may mount chooses the place and the source."""
    text = b"36 35 0:55 / /home/u/a%bb rw shared:1 - fuse %b rw\n22 1 8:1 / / rw - ext4 a rw\n" % (
        byte,
        byte,
    )

    places = [each.point for each in parse_mountinfo(text)]

    assert [b"/home/u/a%bb" % byte, b"/"] == places


def test_options_of_overlays_are_kept() -> None:
    """Each with the commas that its value has."""
    text = (
        b"22 1 0:40 / /a rw - overlay overlay rw,lowerdir=/l/a:/l/b\\054c,upperdir=/u,workdir=/w\n"
        b"23 1 254:1 / / rw - ext4 /dev/vda1 rw,discard\n"
    )

    overlay, disk = parse_mountinfo(text)

    assert (b"rw", b"lowerdir=/l/a:/l/b,c", b"upperdir=/u", b"workdir=/w") == overlay.options
    assert () == disk.options


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (b"/run/one/rootfs", b"/var/lib/store/3"),
        (b"/run/whole", b"/var"),
        (b"/run/overlay", b"/run/overlay"),
        (b"/run/none", b"/run/none"),
        (b"/var/lib", b"/var/lib"),
        (b"/run/one/rootfs/etc", b"/var/lib/store/3/etc"),
        (b"/run/whole/lib", b"/var/lib"),
        (b"/running", b"/running"),
        (b"/", b"/"),
    ],
)
def test_the_oldest_name_of_a_mount(place, expected):
    """What is shown there by an earlier mount has the name that that gives; what lies below has it in front."""
    table = b"\n".join(
        (
            b"1 0 8:1 / / rw - ext4 /dev/a rw",
            b"2 1 8:2 / /var rw - ext4 /dev/b rw",
            b"3 1 8:3 / /run rw - tmpfs run rw",
            b"4 3 8:2 /lib/storage /run/one/rootfs rw - ext4 /dev/b rw",
            b"5 3 8:2 /lib/store/3 /run/one/rootfs rw - ext4 /dev/b rw",
            b"6 3 8:2 / /run/whole rw - ext4 /dev/b rw",
            b"7 3 0:9 / /run/overlay rw - overlay overlay rw",
        )
    )

    assert expected == MountNames.of(parse_mountinfo(table)).oldest(place)
