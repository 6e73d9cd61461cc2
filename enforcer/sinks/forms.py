# SPDX-License-Identifier: MIT
"""The formats of records, by their names in settings."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.events.types import Lost, Record

__all__ = ["FORMS", "Form", "form"]


class Form(Protocol):
    """Makes one line of a record, with its newline."""

    def __call__(self, record: Record | Lost, fields: Mapping[str, str]) -> bytes:
        """Write *record* down; *fields* are to be added to it."""


FORMS: Final = {
    "json": ("enforcer.sinks.jsonl", "json_line"),
    "logfmt": ("enforcer.sinks.logfmt", "logfmt_line"),
    "ocsf": ("enforcer.sinks.ocsf", "ocsf_line"),
}
"""Forms by name: the module and the function that writes it, imported when an output is opened."""


def form(name: str) -> Form:
    """Return the form that *name*, of :data:`FORMS`, stands for."""
    module, function = FORMS[name]
    found: Form = getattr(importlib.import_module(module), function)
    return found
