# SPDX-License-Identifier: MIT
"""A system call that was decided on at its entry, in records: its name and its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.policy.language.syscall_table import SYSCALLS, ArgKind, call_name
from enforcer.policy.language.vocabulary import Dim
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from enforcer.events.document_types import CallKeys
    from enforcer.events.types import Event

__all__ = ["call_document", "call_line"]

_SIGNED = {ArgKind.S32, ArgKind.LONG}


def call_document(event: Event) -> CallKeys:
    """
    Return the words of ``object`` in JSON records.

    Numbers are as the call looks at them, strings as they were when it was decided on; None is not known.
    """
    return {
        "call": call_name(event.code),
        "number": event.code,
        "arguments": list(_arguments(event)),
    }


def call_line(event: Event) -> str:
    """Return the call as people write it."""
    shown = ("?" if a is None else repr(a) for a in _arguments(event))
    return f"{call_name(event.code)}({', '.join(shown)})"


def _arguments(event: Event) -> tuple[str | int | None, ...]:
    call = SYSCALLS.get(call_name(event.code))
    kinds = call.kinds if call is not None else ()
    return tuple(_argument(event, at, kind) for at, kind in enumerate(kinds))


def _argument(event: Event, at: int, kind: ArgKind) -> str | int | None:
    dims = (Dim.N0, Dim.ARG0) if kind is ArgKind.TEXT else (Dim.N0,)
    if any(event.unknown >> dim + at & 1 for dim in dims):
        return None
    if kind is ArgKind.TEXT and at < len(event.args):
        return readable(event.args[at])
    value = event.passed[at] if at < len(event.passed) else 0
    return value - (1 << 64) if kind in _SIGNED and value >> 63 else value
