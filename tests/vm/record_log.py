# SPDX-License-Identifier: MIT
"""Records in a file that grows. What has been read is kept: an emulated machine reads a log for seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs

__all__ = ["RecordLog"]


@attrs.define
class RecordLog:
    """The records of *path*, which need not be there yet; a line that is being written is none."""

    path: Path
    _records: list[dict[str, Any]] = attrs.field(factory=list, init=False)
    _read: int = attrs.field(default=0, init=False)

    def records(self) -> list[dict[str, Any]]:
        """Every record so far."""
        if self.path.exists():
            with self.path.open("rb") as log:
                log.seek(self._read)
                whole, end, _ = log.read().rpartition(b"\n")
            self._read += len(whole) + len(end)
            self._records += map(json.loads, whole.splitlines())
        return list(self._records)
