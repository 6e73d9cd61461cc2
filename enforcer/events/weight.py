# SPDX-License-Identifier: MIT
"""About how much memory a record takes: those who keep records bound them in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enforcer.identity.weight import of_text

if TYPE_CHECKING:
    from enforcer.events.types import Record

__all__ = ["weight"]

_OWN: Final = 3072
"""Bytes of what nobody chooses."""


def weight(record: Record) -> int:
    """
    Return about how many bytes *record* takes, with all that processes chose.

    Ancestors count in full, though most of them are those of other records, too: whoever wants it has his own.
    """
    event, above = record.event, record.ancestors[1:]
    raw = len(event.path) + len(event.name) + len(event.exe) + event.args.weight
    actors = sum(each.weight for each in (record.process, record.parent, *above))
    texts = of_text(record.message) + of_text(record.cwd) + of_text(record.cgroup)
    return _OWN + raw + actors + texts + sum(of_text(each.message) for each in record.said)
