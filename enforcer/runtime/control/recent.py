# SPDX-License-Identifier: MIT
"""The answer to ``recent``: records that the daemon still keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.events.document import as_document, rfc3339
from enforcer.sinks.jsonl import json_line

if TYPE_CHECKING:
    from enforcer.events.document_types import RecordDocument
    from enforcer.runtime.control.answers import RecentAnswer
    from enforcer.runtime.control.overview import Overview
    from enforcer.runtime.control.record_filter import RecordFilter

__all__ = ["recent_answer"]

_BYTES = 4 << 20  # of records in one answer: processes choose how long one is


def recent_answer(overview: Overview, wanted: RecordFilter, last: int) -> RecentAnswer:
    """
    Answer with the newest *last* of the records that are kept and *wanted*, as far as they fit.

    One that does not fit is left out, whoever made it so long: older ones may fit.
    """
    found = overview.recent(wanted)
    documents: list[RecordDocument] = []
    room = _BYTES
    for record in reversed(found[-last:]):
        size = len(json_line(record))
        if size <= room:
            room -= size
            documents.append(as_document(record))
    strict, other = (rfc3339(moment) for moment in overview.kept_since)
    return {
        "records": documents[::-1],
        "found": len(found),
        "since": {"strict": strict, "other": other},
    }
