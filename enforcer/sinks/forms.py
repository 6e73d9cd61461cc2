# SPDX-License-Identifier: MIT
"""The forms in which records are written down, by the names that settings know them by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from enforcer.sinks.jsonl import json_line
from enforcer.sinks.logfmt import logfmt_line
from enforcer.sinks.ocsf import ocsf_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.events.types import Lost, Record

__all__ = ["FORMS", "Form"]


class Form(Protocol):
    """Makes one line of a record, with its newline."""

    def __call__(self, record: Record | Lost, fields: Mapping[str, str]) -> bytes:
        """Write *record* down; *fields* are to be added to it."""


FORMS: Final[dict[str, Form]] = {
    "json": json_line,
    "logfmt": logfmt_line,
    "ocsf": ocsf_line,
}
