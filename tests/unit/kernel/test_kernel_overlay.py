# SPDX-License-Identifier: MIT
"""Where overlayfs keeps the layers of a file, by what the kernel says of its types."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from kernel_types import Writer

from enforcer.kernel import overlay

ENUM = 6


def described(writer: Writer, *, bit: str = "OVL_UPPERDATA", upper: str = "__upperdentry") -> bytes:
    """Types as the module has them, at places of no real kernel."""
    number = writer.integer("unsigned long", 8)
    pointer = writer.pointer(0)
    writer.structure(
        "ovl_inode", 700, ("flags", number, 24), ("vfs_inode", number, 40), (upper, pointer, 664)
    )
    names = ("OVL_IMPURE", "OVL_INDEX", bit)
    more = b"".join(struct.pack("<Ii", writer.name(name), at) for at, name in enumerate(names))
    writer.add("ovl_inode_flag", ENUM, 4, more=more, count=len(names))
    return writer.done()


def kernel(types: Path, vmlinux: bytes, module: bytes | None = None) -> Path:
    """Put the files where the kernel has them."""
    (types / "vmlinux").write_bytes(vmlinux)
    if module is not None:
        (types / "overlay").write_bytes(module)
    return types


def test_the_module_describes_it(tmp_path: Path) -> None:
    """Its types build on the kernel's."""
    base = Writer()
    base.integer("int", 4)

    found = overlay.layout(kernel(tmp_path, base.done(), described(Writer(base))))

    assert (40, 664, 24, 2) == found


def test_the_kernel_describes_it_if_it_is_built_in(tmp_path: Path) -> None:
    """There is no file of a module then."""
    assert (40, 664, 24, 2) == overlay.layout(kernel(tmp_path, described(Writer())))


@pytest.mark.parametrize("other", [{"bit": "OVL_OTHER"}, {"upper": "upper"}])
def test_what_is_called_otherwise_is_not_known(tmp_path: Path, other: dict[str, str]) -> None:
    """A kernel of tomorrow: nothing is guessed."""
    assert overlay.layout(kernel(tmp_path, described(Writer(), **other))) is None


def test_what_is_no_description_is_not_known(tmp_path: Path) -> None:
    """Neither nothing, nor anything else, nor half of it."""
    assert overlay.layout(tmp_path) is None
    assert overlay.layout(kernel(tmp_path, b"no types")) is None
    assert overlay.layout(kernel(tmp_path, described(Writer())[:90])) is None


def test_what_is_known_is_told_with_the_host_s_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As struct enf_overlay; the device is numbered as the kernel does it."""
    told: dict[int, bytes] = {}
    monkeypatch.setattr(overlay.calls, "update", lambda fd, _, value: told.update({fd: value}))
    monkeypatch.setattr(overlay, "_found", lambda: (40, 664, 24, 3))

    overlay.tell(7, tmp_path)

    device = tmp_path.stat().st_dev
    number = os.major(device) << 20 | os.minor(device)
    assert (1, 40, 664, 24, 3, number) == struct.unpack("<6I", told[7])


def test_what_is_not_known_is_told_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of overlays are unknown then."""
    told: list[bytes] = []
    monkeypatch.setattr(overlay.calls, "update", lambda _fd, _key, value: told.append(value))
    monkeypatch.setattr(overlay, "_found", lambda: None)

    overlay.tell(7, tmp_path / "nowhere")

    assert [bytes(24)] == told
