# SPDX-License-Identifier: MIT
"""
How the names of one path are folded, from the flags of an object or a process.

Which names are ordinary, and which may have an unknown other meaning, is the other half of
``enf_settle_one`` in ``bpf/include/match.h``.
"""

from __future__ import annotations

import enum
import re
from typing import Final

import attrs

__all__ = ["Fold", "Folded"]

_HOW_AT: Final = 30
_UNSETTLED: Final = re.compile(rb":|[. ]\Z|~[0-9]+(?:\.|\Z)")


class Fold(enum.IntEnum):
    """``enum enf_fold``."""

    CASE = 1
    SHORT = 2
    OTHER = 3


@attrs.frozen
class Folded:
    """How the names of a path are folded, and from which byte of it on."""

    how: Fold
    start: int

    @classmethod
    def of_object(cls, flags: int) -> Folded | None:
        """Return what the flags of an object say; None: nothing is folded."""
        return cls(Fold(flags >> _HOW_AT), flags >> 16 & 0x3FFF) if flags >> _HOW_AT else None

    @classmethod
    def of_process(cls, flags: int) -> Folded | None:
        """Return what the flags of a process say of its executable."""
        return cls(Fold(flags >> _HOW_AT), flags >> 20 & 0x1FF) if flags >> _HOW_AT else None

    @classmethod
    def read(cls, word: str) -> Folded:
        """Read what :meth:`__str__` wrote."""
        how, _, start = word.partition(" ")
        return cls(Fold[how.upper()], int(start))

    @property
    def object_flags(self) -> int:
        """The same as flags of an object."""
        return self.how << _HOW_AT | self.start << 16

    @property
    def process_flags(self) -> int:
        """The same as flags of a process."""
        return self.how << _HOW_AT | self.start << 20

    def __str__(self) -> str:
        return f"{self.how.name.lower()} {self.start}"

    def head_of(self, path: bytes) -> tuple[bytes, bool]:
        """Return as much of *path* as is settled, with small letters, and whether there is more."""
        head = path[: self.start]
        for name in path[self.start + 1 :].split(b"/"):
            is_known = self.how is not Fold.OTHER and name.isascii()
            if not is_known or (self.how is Fold.SHORT and _UNSETTLED.search(name)):
                return head, True
            head += b"/" + name.lower()
        return head, False
