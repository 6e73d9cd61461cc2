# SPDX-License-Identifier: MIT
"""
Which class and activity of OCSF an operation is: one table.

The numbers are those of the Open Cybersecurity Schema Framework; names follow them, except of the
activity 99, which has our own word.
"""

from __future__ import annotations

from typing import Final

import attrs

from enforcer.events.operations import OPERATIONS
from enforcer.events.types import GuardAct
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

_CLASSES: Final = {"exec": PROCESS, "file": FILE, "mount": FILE, "network": NETWORK}
"""By event; all others are of the kernel itself."""

_CREATE, _READ, _UPDATE, _DELETE, _RENAME = range(1, 6)
_SET_ATTRIBUTES, _MOUNT, _UNMOUNT = 6, 12, 13
_NAMES: Final = {
    FILE: {
        _CREATE: "Create", _READ: "Read", _UPDATE: "Update", _DELETE: "Delete",
        _RENAME: "Rename", _SET_ATTRIBUTES: "Set Attributes", _MOUNT: "Mount",
        _UNMOUNT: "Unmount",
    },
    PROCESS: {1: "Launch"},
    NETWORK: {1: "Open", 6: "Traffic", 7: "Listen"},
    KERNEL: {4: "Invoke"},
}  # fmt: skip

_ACTIVITIES: Final[dict[Op | GuardAct, int]] = {
    Op.EXEC: 1,
    Op.EXEC_CREDS: 1,
    Op.EXEC_ARGV: 1,
    Op.EXEC_LOADED: 1,
    Op.READ: _READ,
    Op.FD_READ: _READ,
    Op.WRITE: _UPDATE,
    Op.APPEND: _UPDATE,
    Op.TRUNCATE: _UPDATE,
    Op.FD_WRITE: _UPDATE,
    Op.OVERWRITE: _UPDATE,
    Op.CREATE: _CREATE,
    Op.LINK: _CREATE,
    Op.SYMLINK: _CREATE,
    Op.MKDIR: _CREATE,
    Op.MKNOD: _CREATE,
    Op.UNLINK: _DELETE,
    Op.NAME_GUARD: _DELETE,
    Op.RMDIR: _DELETE,
    Op.RENAME: _RENAME,
    Op.GUARD: _RENAME,
    Op.CHMOD: _SET_ATTRIBUTES,
    Op.CHOWN: _SET_ATTRIBUTES,
    Op.SETXATTR: _SET_ATTRIBUTES,
    Op.ATTRIBUTES: _SET_ATTRIBUTES,
    Op.MOUNT: _MOUNT,
    Op.BIND_MOUNT: _MOUNT,
    Op.UNMOUNT: _UNMOUNT,
    Op.CONNECT: 1,
    Op.ACCEPT: 1,
    Op.LISTEN: 7,
    Op.SEND: 6,
}
"""What is not here is the activity Other of its class, and Invoke of the kernel's."""


def activity_of(op: Op | GuardAct) -> tuple[EventClass, int, str]:
    """Return class, number and name of what *op* is."""
    names = OPERATIONS[op]
    found = _CLASSES.get(names.event, KERNEL)
    number = _ACTIVITIES.get(op, 4 if found is KERNEL else OTHER)
    return found, number, _NAMES[found].get(number, names.word)
