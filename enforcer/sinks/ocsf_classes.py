# SPDX-License-Identifier: MIT
"""
What the classes and activities of OCSF are called.

The names are those of the Open Cybersecurity Schema Framework. The table of operations says which class
and activity an operation is.
"""

from __future__ import annotations

from typing import Final

import attrs

from enforcer.events.operations import OPERATIONS
from enforcer.events.types import GuardAct
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.language.vocabulary import Op

__all__ = ["BASE", "FILE", "KERNEL", "NETWORK", "OTHER", "PROCESS", "EventClass", "activity_of"]

OTHER: Final = 99


@attrs.frozen
class EventClass:
    """A class of events."""

    uid: int
    name: str
    category: int
    category_name: str


FILE: Final = EventClass(1001, "File System Activity", 1, "System Activity")
KERNEL: Final = EventClass(1003, "Kernel Activity", 1, "System Activity")
PROCESS: Final = EventClass(1007, "Process Activity", 1, "System Activity")
NETWORK: Final = EventClass(4001, "Network Activity", 4, "Network Activity")
BASE: Final = EventClass(0, "Base Event", 0, "Uncategorized")

_INVOKE: Final = 4
_NAMES: Final = {
    FILE: {
        1: "Create", 2: "Read", 3: "Update", 4: "Delete", 5: "Rename", 6: "Set Attributes",
        12: "Mount", 13: "Unmount",
    },
    PROCESS: {1: "Launch"},
    NETWORK: {1: "Open", 6: "Traffic", 7: "Listen"},
    KERNEL: {_INVOKE: "Invoke"},
}  # fmt: skip
"""What activities are called; one that is not here is called by our own word."""

_BY_NUMBER: Final = {found.uid: found for found in _NAMES}
_OF_PROTECTION: Final = (KERNEL.uid, _INVOKE)


def activity_of(op: Op | GuardAct) -> tuple[EventClass, int, str]:
    """Return class, number and name of what *op* is."""
    uid, number = OPERATION_TABLE[op].ocsf if isinstance(op, Op) else _OF_PROTECTION
    found = _BY_NUMBER[uid]
    return found, number, _NAMES[found].get(number, OPERATIONS[op].word)
