# SPDX-License-Identifier: MIT
"""
What each policy file said that was active last, kept on disk for a start after a reboot.

A tolerant source needs it: a file that is wrong by then stays as it was. Without it, nothing of such a
file is active, which is said.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import EnforcerError
from enforcer.policy.store import Trust
from enforcer.runtime.policies.refused_files import is_at
from enforcer.whole_file import replace, settle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = ["LastGood"]

_FORMAT: Final = 1
_UNREADABLE: Final = (OSError, EnforcerError, ValueError, KeyError, TypeError, AttributeError)
"""What reading raises where the file is not what was written, or not root's alone."""


@attrs.frozen
class LastGood:
    """
    The file *path*, which only root may have written.

    Attributes:
        path: where it is.
        sources: whose files it is kept for; what it has of others stays, which may be another daemon's.
    """

    path: Path
    sources: tuple[Path, ...]

    def read(self, report: Callable[[str], None]) -> dict[str, bytes]:
        """Return the texts by path; none if they cannot be read, which goes to *report*."""
        try:
            found = self._read()
        except _UNREADABLE as error:
            # Towards less: what is wrong now is not active then. To refuse the start would lift everything.
            report(
                f"what policy files said before cannot be read from {self.path}, so nothing is "
                f"active of a file that is wrong now: {error}"
            )
            return {}
        return {path: text.encode() for path, text in found.items() if self._is_ours(path)}

    def write(self, texts: Mapping[str, bytes], report: Callable[[str], None]) -> None:
        """Keep *texts*; a failure goes to *report*, since it changes nothing of what is active."""
        try:
            before = self._read()
        except _UNREADABLE:
            before = {}  # it was told at the start
        files = {path: text for path, text in before.items() if not self._is_ours(path)}
        files |= {path: text.decode() for path, text in texts.items()}
        if files == before:
            return
        try:
            self._replace(json.dumps({"format": _FORMAT, "files": files}).encode())
        except OSError as error:
            report(
                f"what policy files say cannot be kept in {self.path} for the next start: {error}"
            )

    def _is_ours(self, path: str) -> bool:
        return any(is_at(path, str(source)) for source in self.sources)

    def _read(self) -> dict[str, str]:
        try:
            with os.fdopen(Trust().open(self.path), "rb") as file:
                found = json.load(file)
        except FileNotFoundError:
            return {}
        if found["format"] != _FORMAT:
            raise ValueError(f"it has format {found['format']}, not {_FORMAT}")
        return {str(path): str(text) for path, text in found["files"].items()}

    def _replace(self, document: bytes) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace(self.path, document, 0o600, is_lasting=True)
        settle(self.path.parent)
