# SPDX-License-Identifier: MIT
"""A process as records show it, with its ancestors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.identity.words import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Actor"]


def _packed(words: Iterable[str] | None) -> Texts | None:
    return None if words is None else Texts.of(words)


@attrs.frozen(kw_only=True)
class Actor:
    """
    One process as it is shown. None is what could not be learned, mostly because it is gone.

    *id* is its name for good: over exec, and over daemons.
    """

    pid: int
    name: str
    exe: str | None = None
    cmdline: Texts | None = attrs.field(default=None, converter=_packed)
    id: str = ""
