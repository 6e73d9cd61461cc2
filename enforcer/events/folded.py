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

from enforcer import _abi

__all__ = ["Fold", "Folded"]

_HOW_AT: Final = _abi.ENF_FOLD_AT
_FROM_AT: Final = _abi.ENF_FOLD_FROM_AT
_EXE_AT: Final = _abi.ENF_FOLD_EXE_AT
_UNSETTLED: Final = re.compile(rb":|[. ]\Z|~[0-9]+(?:\.|\Z)")


class Fold(enum.IntEnum):
    """``enum enf_fold``."""

    CASE = _abi.ENF_FOLD_CASE
    SHORT = _abi.ENF_FOLD_SHORT
    OTHER = _abi.ENF_FOLD_OTHER


@attrs.frozen
class Folded:
    """How the names of a path are folded, and from which byte of it on."""

    how: Fold
    start: int

    @classmethod
    def of_object(cls, flags: int) -> Folded | None:
        """Return what the flags of an object say; None: nothing is folded."""
        how, start = flags >> _HOW_AT, flags >> _FROM_AT & _abi.ENF_FOLD_FROM_MASK
        return cls(Fold(how), start) if how else None

    @classmethod
    def of_process(cls, flags: int) -> Folded | None:
        """Return what the flags of a process say of its executable."""
        how, start = flags >> _HOW_AT, flags >> _EXE_AT & _abi.ENF_FOLD_EXE_MASK
        return cls(Fold(how), start) if how else None

    @classmethod
    def read(cls, word: str) -> Folded:
        """Read what :meth:`__str__` wrote."""
        how, _, start = word.partition(" ")
        return cls(Fold[how.upper()], int(start))

    @property
    def object_flags(self) -> int:
        """The same as flags of an object."""
        return self.how << _HOW_AT | self.start << _FROM_AT

    @property
    def process_flags(self) -> int:
        """The same as flags of a process."""
        return self.how << _HOW_AT | self.start << _EXE_AT

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
