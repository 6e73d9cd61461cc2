# SPDX-License-Identifier: MIT
"""One line per record for a person: coloured on a terminal, plain elsewhere and under NO_COLOR."""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from enforcer.colours import are_forced, are_unwanted
from enforcer.events.document import as_document
from enforcer.events.sentence import deed, remainder
from enforcer.events.stats import outcome_of
from enforcer.safe_text import neutral
from enforcer.sinks.lines import LineWriter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.events.document_types import (
        LostDocument,
        MatchDocument,
        RecordDocument,
        SkippedDocument,
    )
    from enforcer.events.types import Lost, Record

__all__ = ["Terminal", "terminal_line", "wants_colour"]

_RESET = "\x1b[0m"
_DIM = "\x1b[2m"
_COLOURS = {
    "allow": "\x1b[32m",
    "log": "\x1b[36m",
    "deny": "\x1b[33m",
    "kill": "\x1b[1;31m",
    "lost": "\x1b[1;35m",
}


def wants_colour(fd: int, environment: Mapping[str, str]) -> bool:
    """Whether colours are understood and wanted, or forced."""
    if are_unwanted(environment):
        return False
    if are_forced(environment):
        return True
    return environment.get("TERM", "dumb") != "dumb" and os.isatty(fd)


def terminal_line(document: RecordDocument | SkippedDocument, *, colour: bool = False) -> str:
    """
    Say in one line what happened: time, outcome, who, what, the message if it says more, by which rule.

    *document* is a record as ``as_document`` makes it, or as the daemon sends it.
    """
    if document["kind"] == "skipped":
        return f"({document['records']:,} records were skipped: this reader was too slow)"
    clock = _paint(_local(document["time"]), _DIM, colour=colour)
    if document["kind"] == "lost":
        return f"{clock} {_paint('lost', _COLOURS['lost'], colour=colour)} {_losses(document)}"
    verdict = f"{outcome_of(document):<11}"
    process = document["process"]
    rule = f"({document['policy']}/{document['rule']}{_also(document)})"
    return (
        f"{clock} {_paint(verdict, _COLOURS[document['action']], colour=colour)} "
        f"{neutral(process['name'])}[{process['pid']}] {neutral(deed(document))}{_effect(document)}"
        f"{_repeats(document)}"
        f"{neutral(remainder(document))} {_paint(neutral(rule), _DIM, colour=colour)}"
    )


def _local(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%H:%M:%S}"


def _effect(document: MatchDocument) -> str:
    parts = [word for word in (document["errno"], document["signal"]) if word]
    if document["signalFailed"]:
        parts.append("signal not delivered")
    if document["enforced"] and document["errno"] and not document["prevented"]:
        parts.append("not prevented")
    if document["onError"]:
        parts.append("operand unknown")
    return f" [{', '.join(parts)}]" if parts else ""


def _repeats(document: MatchDocument) -> str:
    """Say how many more there were, if the record stands for them."""
    if "repeats" not in document:
        return ""
    more = document["repeats"]
    by = " by its cgroup" if more["by"] == "cgroup" else ""
    times = "once more" if more["count"] == 1 else f"{more['count']:,} times more"
    return f" and {times}{by} until {_local(more['last'])}"


def _also(document: MatchDocument) -> str:
    """Say how many other policies said something, too."""
    others = len(document.get("matches", ())) - 1 + document.get("matchesLeftOut", 0)
    return f" and {others} more" if others > 0 else ""


def _losses(document: LostDocument) -> str:
    text = (
        f"records are missing: {document['decisions']:,} of denials and kills, "
        f"{document['activity']:,} others"
    )
    if document["malformed"]:
        text += f", {document['malformed']:,} unreadable ({neutral(document['reason'] or '-')})"
    return text


def _paint(text: str, code: str, *, colour: bool) -> str:
    return f"{code}{text}{_RESET}" if colour else text


@attrs.define
class Terminal:
    """Writes to a descriptor that it does not own, mostly standard output."""

    lines: LineWriter
    colour: bool
    name: str = "terminal"
    _missed: int = attrs.field(default=0, init=False)

    @classmethod
    def on(cls, fd: int, environment: Mapping[str, str]) -> Terminal:
        """Write to *fd*."""
        return cls(LineWriter(fd), wants_colour(fd, environment))

    @property
    def dropped(self) -> int:
        """How many records will never arrive."""
        return self.lines.dropped + self._missed

    @property
    def held(self) -> int:
        """Bytes that were accepted, and not written yet."""
        return self.lines.held

    def write(self, record: Record | Lost) -> None:
        """Accept *record*."""
        line = terminal_line(as_document(record), colour=self.colour)
        self.lines.append(line.encode() + b"\n")

    def miss(self, number: int) -> None:
        """Count what was dropped before it came here."""
        self._missed += number

    def flush(self) -> None:
        """Write; raises OSError."""
        self.lines.flush()

    def reopen(self) -> None:
        """A terminal is never rotated."""

    def close(self) -> None:
        """Write what can be written."""
        self.lines.close()
