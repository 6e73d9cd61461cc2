# SPDX-License-Identifier: MIT
"""An attempt in records: the system call that the kernel refused, and what it would have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.events.operations import OPERATIONS
from enforcer.policy.language.syscall_table import call_name

if TYPE_CHECKING:
    from enforcer.events.document_types import AttemptKeys
    from enforcer.events.types import Event

__all__ = ["attempt_document", "attempt_errno"]


def attempt_document(event: Event) -> AttemptKeys:
    """Return the key ``attempt`` of JSON records, or nothing."""
    tried = event.attempt
    if tried is None:
        return {}
    operations = [OPERATIONS[op].full for op in tried.ops]
    return {
        "attempt": {
            "call": call_name(tried.call),
            "errno": tried.error,
            "operations": operations,
        }
    }


def attempt_errno(event: Event) -> int:
    """Return the error that the kernel gave; 0: it gave none of its own."""
    return event.attempt.error if event.attempt is not None else 0
