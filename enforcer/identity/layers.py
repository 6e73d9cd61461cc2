# SPDX-License-Identifier: MIT
"""The layers of an overlay, as the table of mounts has them: what an image brought, whatever a container made of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from enforcer.mountinfo import Mount

__all__ = ["MAX_LAYERS", "layers_of"]

MAX_LAYERS: Final = 500
"""As many as an overlay can have (OVL_MAX_STACK)."""

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
    return tuple(found) if is_known and len(found) <= MAX_LAYERS else ()
