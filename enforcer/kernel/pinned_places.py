# SPDX-License-Identifier: MIT
"""Where enforcement is pinned, and whether what is pinned still enforces: told by the kernel, without any daemon."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer.errors import KernelError
from enforcer.kernel.pin_store import held, sessions_in
from enforcer.kernel.pins import LINK
from enforcer.kernel.verifier import Answer, ask
from enforcer.libbpf import calls
from enforcer.mountinfo import parse_mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.kernel.pins import PinDirectory

__all__ = ["is_active", "left_places"]

_MOUNTS: Final = Path("/proc/self/mountinfo")
_IS_LINK: Final = re.compile(rf"{LINK}[0-9]{{3,}}-.+")
"""Names of links, as sessions give them: others pin things by names of their own."""


def is_active(folder: Path) -> bool:
    """Whether a session that is pinned below *folder* may enforce."""
    return any(map(_may_enforce, sessions_in(folder)))


def _may_enforce(pins: PinDirectory) -> bool:
    """Whether it has a program at a hook, and an image: without images, what is attached permits everything."""
    try:
        if not any(map(_IS_LINK.fullmatch, pins.names())):
            return False
    except KernelError as error:
        # Gone: who ends it has removed it meanwhile. Else it cannot be told: nobody is to take for ended what may not be.
        return error.errno != errno.ENOENT
    if ask() is not Answer.OPEN:
        return True  # the guard would refuse to open the map, and the daemon would record that as an attempt
    try:
        images = pins.open_map("images")
    except OSError:
        return True  # likewise: also without that name, what is attached has its image
    try:
        return any(_is_there(images, slot) for slot in range(calls.map_facts(images).max_entries))
    except OSError:
        return True  # likewise
    finally:
        os.close(images)


def _is_there(images: int, slot: int) -> bool:
    try:
        calls.lookup(images, slot, 4)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return False
    return True


def left_places(mounts: Path = _MOUNTS) -> list[Path]:
    """
    Return every folder in which something may enforce that no daemon holds.

    These are looked for in all BPF file systems that *mounts*, a mountinfo file, lists.
    """
    found: dict[tuple[int, int], Path] = {}
    for mount in parse_mountinfo(mounts.read_bytes()):
        if mount.type == b"bpf":
            for place, state in _folders(os.fsdecode(mount.point), mount.device):
                # One file system may be mounted in many places, such as in containers. What others made is not the daemon's.
                if state.st_uid != os.geteuid():
                    continue
                found.setdefault((state.st_dev, state.st_ino), place)
    return [place for place in found.values() if not held(place) and is_active(place)]


def _folders(top: str, device: int) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the folders of the file system *device* that are seen at *top* and below."""
    for name, folders, _ in os.walk(top):
        try:
            state = os.stat(name)  # noqa: PTH116 - a name of os.walk
        except OSError:
            continue
        if os.major(state.st_dev) << 20 | os.minor(state.st_dev) == device:
            yield Path(name), state
        else:
            folders.clear()  # something else is mounted over it
