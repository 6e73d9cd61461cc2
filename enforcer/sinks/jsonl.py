# SPDX-License-Identifier: MIT
"""JSON lines: one object per record; ``docs/records.md`` describes it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs

from enforcer.events.document import as_document
from enforcer.sinks.lines import LineWriter, open_log

if TYPE_CHECKING:
    from pathlib import Path

    from enforcer.events.types import Lost, Record

__all__ = ["JsonLines", "json_line"]


def json_line(record: Record | Lost) -> bytes:
    """Write *record* as one line of ASCII, so that neither terminal nor parser can stumble."""
    return json.dumps(as_document(record), separators=(",", ":")).encode("ascii") + b"\n"


@attrs.define
class JsonLines:
    """Appends to a file."""

    name: str
    lines: LineWriter

    @classmethod
    def open(cls, path: Path) -> JsonLines:
        """Open *path*; raises OSError."""
        return cls(f"json log {path}", LineWriter(open_log(path), path))

    @property
    def dropped(self) -> int:
        """How many records will never arrive."""
        return self.lines.dropped

    def write(self, record: Record | Lost) -> None:
        """Accept *record*."""
        self.lines.append(json_line(record))

    def flush(self) -> None:
        """Write; raises OSError."""
        self.lines.flush()

    def reopen(self) -> None:
        """Go on in the file that has our name now; raises OSError and keeps the one it has."""
        self.lines.reopen()

    def close(self) -> None:
        """Close the file."""
        self.lines.close()
