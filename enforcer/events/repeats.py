# SPDX-License-Identifier: MIT
"""What a record says of others like it, which the kernel counted instead of writing each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.events.types import EventFlag

if TYPE_CHECKING:
    from enforcer.events.types import Event, Record

__all__ = ["repeated_by", "until_ns"]


def repeated_by(event: Event) -> str:
    """Name who repeated it: the same ``process``, or processes of the same ``cgroup``."""
    return "cgroup" if event.flags & EventFlag.OTHERS else "process"


def until_ns(record: Record) -> int:
    """Return when the last of those that *record* stands for came, by wall clock."""
    event = record.event
    return record.time_ns + (max(0, event.last_ns - event.time_ns) if event.repeats else 0)
