# SPDX-License-Identifier: MIT
"""The layers of an overlay, as the table of mounts has them: what an image brought, whatever a container made of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.mountinfo import Mount

__all__ = ["MAX_LAYERS", "is_local", "layers_of"]

MAX_LAYERS: Final = 500
"""As many as an overlay can have (OVL_MAX_STACK)."""

_LOCAL: Final = frozenset(
    (b"btrfs", b"erofs", b"ext2", b"ext3", b"ext4", b"f2fs", b"squashfs", b"tmpfs", b"xfs", b"zfs")
)
"""File systems on disks and in the memory of this machine. No other machine, and no process, has to answer."""

_DEEPEST: Final = 3  # overlays of overlays: FILESYSTEM_MAX_STACK_DEPTH is 2

_MAPPED: Final = re.compile(rb"^(/.*)/[0-9a-f]{64}/mapped/[0-9]+(/.+)$", re.DOTALL)
"""As overlays of podman name them: the folder of the storage, a layer, and where the folder is mounted below that."""

_APART: Final = re.compile(rb"(?<!\\):")


def layers_of(mount: Mount) -> tuple[bytes, ...]:
    """
    Return the lower directories of *mount*, the uppermost first; none if it is no overlay, or does not say.

    A path that is not absolute began where whoever mounted it was at that time, which nobody knows any more.
    """
    if mount.type != b"overlay":
        return ()
    found: list[bytes] = []
    for option in mount.options:
        key, _, value = option.partition(b"=")
        if key == b"lowerdir+":
            found.append(value)
        elif key == b"lowerdir":
            # What comes behind an empty one has only data.
            named = _APART.split(value.partition(b"::")[0])
            found += [each.replace(rb"\:", b":").replace(rb"\\", b"\\") for each in named]
    is_known = all(path.startswith(b"/") for path in found)
    return tuple(map(_unmapped, found)) if is_known and len(found) <= MAX_LAYERS else ()


def _unmapped(path: bytes) -> bytes:
    """Return where the layer itself is, if its users were mapped for the overlay alone: that mount is gone by now."""
    return _MAPPED.sub(rb"\1\2", path)


def is_local(path: bytes, mounts: Mapping[bytes, Mount], depth: int = 0) -> bool:
    """
    Tell whether only file systems of this machine answer for what lies at *path*, in the layers of an overlay, too.

    Args:
        path: absolute, as *mounts* have it.
        mounts: all of the namespace that are on top, by their place.
        depth: overlays in which it is a layer.
    """
    mount = _holding(path, mounts)
    if mount is None or depth > _DEEPEST:
        return False
    if mount.type != b"overlay":
        return mount.type in _LOCAL
    lower = layers_of(mount)
    upper = [each.partition(b"=")[2] for each in mount.options if each.startswith(b"upperdir=")]
    return bool(lower) and all(is_local(each, mounts, depth + 1) for each in (*lower, *upper))


def _holding(path: bytes, mounts: Mapping[bytes, Mount]) -> Mount | None:
    """Return the mount that *path* lies on, at the deepest place above it; None if it is not absolute."""
    if not path.startswith(b"/"):
        return None
    while path not in mounts and path.strip(b"/"):
        path = path.rpartition(b"/")[0]
    return mounts.get(path or b"/")
