# SPDX-License-Identifier: MIT
"""
What ``bpf/include/prefilter.bpf.h`` makes of an image and a path, read from the image's bytes.

The kernel side walks dentries, which only a kernel has; what it concludes from the components is this.
"""

from __future__ import annotations

import attrs

from enforcer.compiler import layout
from enforcer.compiler.strings import AT, BELOW, PATH, hash_path
from enforcer.policy.language.vocabulary import Op

__all__ = ["ASKED", "WITH_MODE", "Prefilter"]

WITH_MODE = (Op.CREATE, Op.MKDIR, Op.MKNOD, Op.CHMOD)
"""Those of them that have permission bits."""
ASKED = (
    *(Op.READ, Op.WRITE, Op.APPEND, Op.FD_READ, Op.FD_WRITE, Op.MMAP_EXEC, Op.EXEC, Op.OVERWRITE),
    *(Op.EXEC_LAYER, Op.LOADED_LAYER),
    *(Op.UNLINK, Op.SYMLINK, Op.RMDIR, Op.NAME_GUARD, *WITH_MODE),
)
"""Operations whose hooks have the prefilter."""

_MAX_PROBES = 8


@attrs.frozen
class Prefilter:
    """One image, as the prefilter reads it."""

    image: bytes
    head: dict[str, int]

    @classmethod
    def at(cls, image: bytes) -> Prefilter:
        """Read *image*."""
        return cls(image, layout.HEAD.named(image))

    def excludes(self, path: bytes, op: Op) -> bool:
        """Tell whether no row on *op* can match the file at *path*."""
        at = self.head["off_op_rows"] + op * layout.RANGE.size
        if layout.RANGE.named(self.image, at)["count"]:
            return False
        if self._met(b"/", BELOW):
            return False
        ends = [n for n in range(1, len(path)) if path[n : n + 1] == b"/"]
        for end in (*ends, len(path)):
            if end > self.head["max_path_slot"]:
                return True
            if self._met(path[:end], AT if end == len(path) else BELOW):
                return False
        return True

    def _met(self, text: bytes, what: int) -> bool:
        size = self.head["n_slots"]
        wanted = hash_path(self.head["seed"], text)
        for i in range(_MAX_PROBES):
            at = self.head["off_slots"] + (wanted + i) % size * layout.SLOT.size
            slot = layout.SLOT.named(self.image, at)
            if not slot["kind"]:
                return False
            if (slot["hash"], slot["kind"], slot["len"]) == (wanted, PATH, len(text)):
                return bool(slot["paths"] & what)
        return False
