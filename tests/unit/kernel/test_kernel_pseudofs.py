# SPDX-License-Identifier: MIT
"""The table of file systems that show what the kernel has once."""

from __future__ import annotations

import struct

import header

from enforcer.kernel.pseudofs import PSEUDO_FILE_SYSTEMS, packed
from enforcer.libbpf._ffi import ffi

LINES = """\
22 28 0:20 / /sys rw - sysfs sysfs rw
23 28 0:21 / /proc rw - proc proc rw
24 28 0:99 / /proc rw shared:7 - proc proc rw
40 28 0:55 / /opt/proc rw - proc proc rw
41 28 8:1 / /sys/kernel/debug rw - ext4 /dev/sda1 rw
"""


def rows(data: bytes) -> dict[bytes, tuple[int, int]]:
    size = ffi.sizeof("struct enf_place")
    assert len(data) == size * header.constant("ENF_PLACES")
    unpacked = struct.iter_unpack("=III28s", data)
    return {path[:length]: (magic, dev) for magic, dev, length, path in unpacked if length}


def test_what_is_at_its_place_is_named_by_device(tmp_path) -> None:
    """Of several mounts the last, which is on top; nothing that is elsewhere or of another type."""
    file = tmp_path / "mountinfo"
    file.write_text(LINES)

    found = rows(packed(file))

    assert (0x9FA0, 99) == found[b"/proc"]
    assert (0x62656572, 20) == found[b"/sys"]
    assert 0 == found[b"/sys/kernel/debug"][1]
    assert len(PSEUDO_FILE_SYSTEMS) == len(found)


def test_without_mountinfo_nothing_is_at_its_place(tmp_path) -> None:
    """Then each of these files is decided by two names."""
    assert {0} == {dev for _, dev in rows(packed(tmp_path / "none")).values()}


def test_every_place_fits(tmp_path) -> None:
    """A name that were cut would be another's."""
    assert {fs.place for fs in PSEUDO_FILE_SYSTEMS} == set(rows(packed(tmp_path)))
