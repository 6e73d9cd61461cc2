# SPDX-License-Identifier: MIT
"""
Where overlayfs keeps the two layers of a file, told to the kernel side.

The places come from the kernel's description of the module's types, and overlayfs may be a module that is loaded
after the engine. So they are no constants of programs, but written to a map before each change to policies that ask.
What is not found is not known: files of overlays are unknown then, and each rule's ``onError`` decides.
"""

from __future__ import annotations

import contextlib
import functools
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer.errors import KernelError
from enforcer.libbpf import calls

if TYPE_CHECKING:
    from enforcer.policy.kernel_types.btf import Btf

__all__ = ["MAP", "Layout", "layout", "tell"]

MAP: Final = ".data.overlay"
"""The map of ``struct enf_overlay``."""

Layout = tuple[int, int, int, int]
"""Offsets of the inode, the upper file and the flags in ``struct ovl_inode``, and the number of the bit that is asked."""

_OVERLAY: Final = struct.Struct("<6I")
_TYPES: Final = Path("/sys/kernel/btf")
_WHOLE: Final = "OVL_UPPERDATA"
_MEMBERS: Final = ("vfs_inode", "__upperdentry", "flags")


def tell(fd: int, root: Path = Path("/proc/1/root")) -> None:
    """
    Write what is known to the map *fd*.

    *root*: of the host; an overlay that is it is no image of a container.

    Raises:
        KernelError: if the kernel refuses.
    """
    found = _found()
    known, places = (1, found) if found is not None else (0, (0, 0, 0, 0))
    calls.update(fd, 0, _OVERLAY.pack(known, *places, _device(root)))


def _found() -> Layout | None:
    """Return the layout of this kernel, with its module loaded if it has one."""
    with contextlib.suppress(KernelError):  # no overlays at all: nothing is on one
        calls.load_file_system(b"overlay")
    return _kept((_TYPES / "overlay").exists())


@functools.cache
def _kept(_is_module: bool) -> Layout | None:  # noqa: FBT001 — the key of what is kept
    return layout()


def layout(types: Path = _TYPES) -> Layout | None:
    """
    Find the places in what the kernel says of its types.

    Returns:
        None if it says nothing of overlays.
    """
    from enforcer.policy.kernel_types.btf import Btf, BtfError  # noqa: PLC0415 (only where a policy asks)

    try:
        base = Btf.read(types / "vmlinux")
        if base is None:
            return None
        module = Btf.read(types / "overlay", base)
        return _read(module) if module is not None else _read(base)
    except (BtfError, struct.error, ValueError, IndexError):
        return None  # a format of tomorrow: unknown, which each rule's onError decides


def _read(types: Btf) -> Layout | None:
    from enforcer.policy.kernel_types.btf import TypeKind  # noqa: PLC0415 (likewise)

    owner = types.find(TypeKind.STRUCT, "ovl_inode")
    bits = types.find(TypeKind.ENUM, "ovl_inode_flag")
    if owner is None or bits is None:
        return None
    at = {m.name: m.offset // 8 for m in types.members(owner) if m.name in _MEMBERS and not m.bits}
    whole = types.enumerators(bits).get(_WHOLE)
    if whole is None or at.keys() != set(_MEMBERS):
        return None
    inode, upper, flags = (at[name] for name in _MEMBERS)
    return inode, upper, flags, whole


def _device(root: Path) -> int:
    """Return the number that the kernel has for the device of *root*; 0, which no file system has, if it cannot be seen."""
    try:
        device = root.stat().st_dev
    except OSError:
        return 0
    return os.major(device) << 20 | os.minor(device)
