# SPDX-License-Identifier: MIT
"""Rotation by size, for systems without logrotate: ``log`` becomes ``log.1``, and that ``log.2``."""

from __future__ import annotations

import contextlib
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
        Give every old log the next number, and *path* the first; the oldest is overwritten.

        Raises:
            OSError: the folder does not permit it; nothing is lost.
        """
        for number in range(self.keep - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                _numbered(path, number).rename(_numbered(path, number + 1))
        path.rename(_numbered(path, 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
