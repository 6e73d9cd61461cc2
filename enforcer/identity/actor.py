# SPDX-License-Identifier: MIT
"""A process as records show it, with its ancestors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.identity import weight
from enforcer.identity.words import Texts
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Actor"]


def _packed(words: Iterable[str] | None) -> Texts | None:
    return None if words is None else Texts.of(words)


def _raw(path: bytes | str | None) -> bytes | None:
    return path.encode(errors="surrogatepass") if isinstance(path, str) else path


@attrs.frozen(kw_only=True)
class Actor:
    """
    One process as it is shown. None is what could not be learned, mostly because it is gone.

    *id* is its name for good: over exec, and over daemons. *raw_exe* is kept as the kernel has it: as text, it would
    take up to 16 times the memory.
    """

    pid: int
    name: str
    raw_exe: bytes | None = attrs.field(default=None, converter=_raw, alias="exe")
    cmdline: Texts | None = attrs.field(default=None, converter=_packed)
    id: str = ""

    @property
    def exe(self) -> str | None:
        """Its executable."""
        return None if self.raw_exe is None else readable(self.raw_exe)

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        words = self.cmdline.weight if self.cmdline is not None else 0
        return weight.OBJECT + len(self.raw_exe or b"") + words
