# SPDX-License-Identifier: MIT
"""
Records as OCSF events, one JSON object per line (https://schema.ocsf.io).

A verdict is an event of its operation's class with the profile ``security_control``. The operation is the
activity; the verdict is the action and the disposition. What has no place in OCSF is in ``unmapped``, with
the keys of records. ``docs/records.md`` shows the mapping.
"""

from __future__ import annotations

import functools
import json
import platform
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer import __version__
from enforcer.events import document
from enforcer.events.document import as_document, errno_name, rfc3339
from enforcer.events.object import inet_address, numbers, target
from enforcer.events.operations import OPERATIONS
from enforcer.events.repeats import until_ns
from enforcer.events.types import Lost
from enforcer.policy.language.sockets import BY_DEFAULT, FAMILIES, WITH_ADDRESS
from enforcer.policy.language.vocabulary import FIELDS, ObjectFlag, Op
from enforcer.policy.model.policy import Verb
from enforcer.safe_text import readable
from enforcer.sinks.ocsf_classes import BASE, FILE, NETWORK, OTHER, PROCESS, activity_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.events.types import Event, GuardAct, Record
    from enforcer.identity.actor import Actor
    from enforcer.sinks.ocsf_classes import EventClass

__all__ = ["VERSION", "ocsf_event", "ocsf_line"]

VERSION: Final = "1.5.0"
"""Of the schema."""

_PROFILES: Final = ["container", "host", "linux/linux_users", "security_control"]
_SEVERITIES: Final = {"low": 2, "medium": 3, "high": 4, "critical": 5}
_SEVERITY_NAMES: Final = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
_ACTIONS: Final = {1: "Allowed", 2: "Denied", 3: "Observed"}
_DISPOSITIONS: Final = {1: "Allowed", 2: "Blocked", 15: "Detected", 17: "Logged"}
_UNKNOWN, _REGULAR, _FOLDER = 0, 1, 2
_FILE_TYPES: Final = {_UNKNOWN: "Unknown", _REGULAR: "Regular File", _FOLDER: "Folder"}
_INBOUND, _OUTBOUND, _NO_DIRECTION = 1, 2, 0
_DIRECTIONS: Final[dict[Op | GuardAct, int]] = {
    Op.CONNECT: _OUTBOUND,
    Op.SEND: _OUTBOUND,
    Op.ACCEPT: _INBOUND,
    Op.LISTEN: _INBOUND,
    Op.BIND: _INBOUND,
}
_IP_VERSIONS: Final = {
    family: 6 if FAMILIES["inet6"] in FIELDS["family"].counted(family) else 4
    for family in WITH_ADDRESS
}
_MAPPED: Final = frozenset(
    (
        *("version", "kind", "time", "message", "process", "parent", "ancestors", "container"),
        *("pod", "errno"),
    )
)
"""Keys of a record that have their place in the event, and need none in ``unmapped``."""


def ocsf_line(record: Record | Lost, fields: Mapping[str, str]) -> bytes:
    """Write *record* as one line of ASCII."""
    event = ocsf_event(record, fields)
    return json.dumps(event, separators=(",", ":")).encode("ascii") + b"\n"


def ocsf_event(record: Record | Lost, fields: Mapping[str, str]) -> dict[str, object]:
    """Make the event of *record*; *fields* become tags of it."""
    if isinstance(record, Lost):
        return _lost(record, fields)
    found, activity, name = activity_of(record.event.op)
    return {
        **_head(found, activity, name, record.time_ns),
        "message": record.message,
        "metadata": _metadata(record.time_ns, fields)
        | {
            "event_code": OPERATIONS[record.event.op].full,
            "labels": list(record.origin.tags),
            "profiles": _PROFILES,
        },
        **_severity(record),
        **_count(record),
        **_status(record.event),
        **_control(record),
        "device": dict(_device()),
        "actor": _actor(record),
        **_object(record, found),
        "unmapped": {k: v for k, v in as_document(record).items() if k not in _MAPPED}
        | {"capabilities": f"{record.event.caps:#x}", "cgroup": record.cgroup},
    }


def _lost(record: Lost, fields: Mapping[str, str]) -> dict[str, object]:
    return {
        **_head(BASE, OTHER, "lost", record.time_ns),
        "message": "records are missing",
        "metadata": _metadata(record.time_ns, fields) | {"event_code": "lost", "profiles": []},
        "severity_id": 3,
        "severity": _SEVERITY_NAMES[3],
        "unmapped": {k: v for k, v in as_document(record).items() if k not in _MAPPED},
    }


def _head(found: EventClass, activity: int, name: str, time_ns: int) -> dict[str, object]:
    return {
        "activity_id": activity,
        "activity_name": name,
        "category_uid": found.category,
        "category_name": found.category_name,
        "class_uid": found.uid,
        "class_name": found.name,
        "type_uid": found.uid * 100 + activity,
        "type_name": f"{found.name}: {'Other' if activity == OTHER else name}",
        "time": time_ns // 1_000_000,
    }


def _metadata(time_ns: int, fields: Mapping[str, str]) -> dict[str, object]:
    return {
        "version": VERSION,
        "product": {"name": "enforcer", "vendor_name": "enforcer", "version": __version__},
        "log_name": "enforcer",
        "log_version": str(document.VERSION),
        "original_time": rfc3339(time_ns),
        "tags": [{"name": name, "value": value} for name, value in fields.items()],
    }


def _severity(record: Record) -> dict[str, object]:
    refused = record.event.action >= Verb.DENY
    number = _SEVERITIES[record.origin.severity] if refused else 1
    return {"severity_id": number, "severity": _SEVERITY_NAMES[number]}


def _count(record: Record) -> dict[str, object]:
    """Say for how many it stands, and from when to when, if for more than one."""
    if not record.event.repeats:
        return {}
    start, end = record.time_ns // 1_000_000, until_ns(record) // 1_000_000
    return {"count": record.event.times, "start_time": start, "end_time": end}


def _status(event: Event) -> dict[str, object]:
    """Say whether the activity happened."""
    failed = event.is_prevented or event.attempt is not None
    shown = (
        {"status_id": 2, "status": "Failure"} if failed else {"status_id": 1, "status": "Success"}
    )
    error = errno_name(event) if failed else None
    return shown | ({"status_code": error} if error else {})


def _control(record: Record) -> dict[str, object]:
    """Fill in the profile ``security_control``: what the policy did about it."""
    event, origin = record.event, record.origin
    refused = event.action >= Verb.DENY
    if refused and event.is_enforced:
        action, disposition = 2, 2 if event.is_prevented else OTHER
    elif refused:
        action, disposition = 3, 15
    elif event.action is Verb.LOG:
        action, disposition = 3, 17
    else:
        action, disposition = 1, 1
    return {
        "action_id": action,
        "action": _ACTIONS[action],
        "disposition_id": disposition,
        "disposition": _DISPOSITIONS.get(disposition, "Not prevented"),
        "is_alert": refused,
        "policy": {
            "name": origin.policy,
            "is_applied": event.is_enforced,
            "data": {"rule": origin.rule, "place": origin.place},
        },
    }


# ---- Where and who ----------------------------------------------------------------------------


@functools.cache
def _device() -> dict[str, object]:
    name = socket.gethostname() or "localhost"
    return {
        "hostname": name,
        "type_id": 0,
        "type": "Unknown",
        "os": {
            "name": "Linux",
            "type_id": 200,
            "type": "Linux",
            "kernel_release": platform.release(),
        },
        **_number("uid", Path("/etc/machine-id")),
        **_number("boot_uid", Path("/proc/sys/kernel/random/boot_id")),
    }


def _number(key: str, file: Path) -> dict[str, str]:
    try:
        return {key: file.read_text(encoding="ascii").strip()}
    except (OSError, UnicodeDecodeError):
        return {}  # a container without a machine id; nothing depends on it


def _actor(record: Record) -> dict[str, object]:
    user = _user(record.event.uid, record.user)
    return {"process": _process(record) | {"user": user}, "user": user}


def _user(uid: int, name: str | None) -> dict[str, object]:
    kind = {"type_id": 2, "type": "Admin"} if uid == 0 else {"type_id": 1, "type": "User"}
    return {"uid": str(uid), **kind, **({"name": name} if name is not None else {})}


def _process(record: Record) -> dict[str, object]:
    event = record.event
    shown = _known(record.process, record, event.start_ns) | {
        "tid": event.tid,
        "euid": _signed(event.euid),
        "egid": _signed(event.egid),
        "group": {"uid": str(event.gid)},
        "parent_process": _known(record.parent, record, event.parent_start_ns),
    }
    if record.ancestors:
        shown["ancestry"] = [_entity(each) for each in record.ancestors]
    if record.cwd is not None:
        shown["working_directory"] = record.cwd
    if record.container_id is not None:
        shown["container"] = _container(record)
    return shown


def _signed(number: int) -> int:
    """Fit *number* into OCSF's 32 bits with a sign, as the C type of the ids would be cast."""
    return number - (1 << 32) if number >= 1 << 31 else number


def _entity(actor: Actor) -> dict[str, object]:
    shown: dict[str, object] = {"uid": actor.id, "pid": actor.pid, "name": actor.name}
    if actor.exe is not None:
        shown["path"] = actor.exe
    if actor.cmdline is not None:
        shown["cmd_line"] = " ".join(actor.cmdline)
    return shown


def _known(actor: Actor, record: Record, start_ns: int) -> dict[str, object]:
    shown: dict[str, object] = {
        "uid": actor.id,
        "pid": actor.pid,
        "name": actor.name,
        "created_time": (record.started_ns - record.event.start_ns + start_ns) // 1_000_000,
    }
    if actor.exe is not None:
        shown |= {"path": actor.exe, "file": _file(actor.exe, _REGULAR)}
    if actor.cmdline is not None:
        shown["cmd_line"] = " ".join(actor.cmdline)
    return shown


def _container(record: Record) -> dict[str, object]:
    shown: dict[str, object] = {
        "uid": record.container_id,
        "runtime": record.container_runtime,
    }
    if record.container_name is not None:
        shown["name"] = record.container_name
    return shown | ({"pod_uuid": record.pod_uid} if record.pod_uid else {})


# ---- What it was on ---------------------------------------------------------------------------


def _object(record: Record, found: EventClass) -> dict[str, object]:
    event = record.event
    if found is PROCESS:
        return {"process": _launched(event)}
    if found is FILE:
        return {"file": _opened(event)}
    if found is NETWORK:
        return _connection(event)
    call = {"type_id": 2, "type": "System Call", "system_call": record.syscall}
    return {"kernel": {"name": target(event), **call}}


def _launched(event: Event) -> dict[str, object]:
    """Describe the program that was to be run: it would have kept the process."""
    shown: dict[str, object] = {"pid": event.pid}
    if event.path:
        path = readable(event.path)
        shown |= {"path": path, "name": _last(path), "file": _file(path, _REGULAR)}
    if event.args:
        shown["cmd_line"] = " ".join(readable(arg) for arg in event.args)
    return shown


def _opened(event: Event) -> dict[str, object]:
    is_folder = event.op in {Op.MKDIR, Op.RMDIR} or bool(event.obj_flags & ObjectFlag.DIR)
    shown = _file(target(event), _FOLDER if is_folder else _UNKNOWN)
    return shown | ({"uid": str(event.ino)} if event.ino else {})


def _file(path: str, kind: int) -> dict[str, object]:
    return {
        "name": _last(path),
        "path": path,
        "type_id": kind,
        "type": _FILE_TYPES[kind],
    }


def _last(path: str) -> str:
    return path.rpartition("/")[2] or path


def _connection(event: Event) -> dict[str, object]:
    words = numbers(event) or {"protocol": "unknown"}
    direction = _DIRECTIONS.get(event.op, _NO_DIRECTION)
    info: dict[str, object] = {
        "direction_id": direction,
        "direction": {0: "Unknown", 1: "Inbound", 2: "Outbound"}[direction],
        "protocol_name": words["protocol"],
        "protocol_num": event.protocol & ~BY_DEFAULT,
        "protocol_ver_id": _IP_VERSIONS.get(event.family, 0),
    }
    address = inet_address(event)
    if address is None:
        there: dict[str, object] = {"name": target(event)}
    else:
        there = {"ip": address, "port": event.port}
    return {"connection_info": info, "dst_endpoint": there}
