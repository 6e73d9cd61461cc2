# SPDX-License-Identifier: MIT
"""JSON lines: one object per record; ``docs/records.md`` describes it."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from enforcer.events.document import as_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.events.types import Lost, Record

__all__ = ["json_line"]

_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_NO_FIELDS: Final[Mapping[str, str]] = MappingProxyType({})


def json_line(record: Record | Lost, fields: Mapping[str, str] = _NO_FIELDS) -> bytes:
    """
    Write *record* as one line of ASCII, so that neither terminal nor parser can stumble.

    *fields* are added to it, if there are any.
    """
    document: Mapping[str, object] = as_document(record)
    if fields:
        document = {**document, "fields": dict(fields)}
    return _ENCODER.encode(document).encode("ascii") + b"\n"
