# SPDX-License-Identifier: MIT
"""Rotation by size, for systems without logrotate: ``log`` becomes ``log.1``, and that ``log.2``."""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Rotation"]


@attrs.frozen
class Rotation:
    """
    When a log is put aside.

    Attributes:
        size: bytes from which it is.
        keep: how many old ones stay, at least 1.
    """

    size: int
    keep: int = 5

    def turn(self, path: Path) -> None:
        """
        Give old logs the next number, and *path* the first; the oldest is overwritten if all numbers are taken.

        Only those below the first free number move: so what is tried again after it failed half-way
        costs no old log.

        Raises:
            OSError: the folder does not permit it; nothing is lost.
        """
        taken = itertools.takewhile(
            lambda number: os.path.lexists(_numbered(path, number)), range(1, self.keep)
        )
        for number in sorted(taken, reverse=True):
            with contextlib.suppress(FileNotFoundError):
                _numbered(path, number).rename(_numbered(path, number + 1))
        path.rename(_numbered(path, 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
