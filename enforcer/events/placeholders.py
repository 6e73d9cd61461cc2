# SPDX-License-Identifier: MIT
"""Values for the placeholders of messages, each computed only when a template asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import attrs

from enforcer.events.document import errno_name, signal_name
from enforcer.events.object import described, inet_address, numbers, operands
from enforcer.events.operations import OPERATIONS
from enforcer.events.types import GuardAct
from enforcer.identity.cgroup import unit_of
from enforcer.policy.language.vocabulary import Op
from enforcer.safe_text import readable

if TYPE_CHECKING:
    from enforcer.events.types import Record

__all__ = ["Placeholders"]


@attrs.frozen
class Placeholders(Mapping[str, str]):
    """The names of ``policy.message.PLACEHOLDERS`` that *record* has a value for."""

    record: Record

    def __getitem__(self, name: str) -> str:
        value = _VALUES[name](self.record)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(_VALUES)

    def __len__(self) -> int:
        return len(_VALUES)


def _text(raw: bytes) -> str | None:
    return readable(raw) if raw else None


def _args(record: Record) -> str | None:
    return " ".join(record.event.args.shown) or None


def _name_of(*ops: Op | GuardAct) -> Callable[[Record], str | None]:
    return lambda record: _text(record.event.name) if record.event.op in ops else None


_NETWORK = tuple(op for op, names in OPERATIONS.items() if names.event == "network")

_VALUES: dict[str, Callable[[Record], str | None]] = {
    "policy": lambda r: r.origin.policy,
    "rule": lambda r: r.origin.rule,
    "severity": lambda r: r.origin.severity,
    "action": lambda r: r.event.action.name.lower(),
    "operation": lambda r: OPERATIONS[r.event.op].full,
    "syscall": lambda r: r.syscall,
    "errno": lambda r: errno_name(r.event),
    "signal": lambda r: signal_name(r.event),
    "process": lambda r: r.process.name,
    "binary": lambda r: r.process.exe,
    "pid": lambda r: str(r.event.pid),
    "tid": lambda r: str(r.event.tid),
    "uid": lambda r: str(r.event.uid),
    "euid": lambda r: str(r.event.euid),
    "gid": lambda r: str(r.event.gid),
    "egid": lambda r: str(r.event.egid),
    "user": lambda r: r.user or str(r.event.uid),
    "group": lambda r: r.group or str(r.event.gid),
    "parent": lambda r: r.parent.name,
    "parent_binary": lambda r: r.parent.exe,
    "ppid": lambda r: str(r.event.ppid),
    "cgroup": lambda r: r.cgroup,
    "unit": lambda r: unit_of(r.cgroup) if r.cgroup else None,
    "path": lambda r: _text(r.event.path),
    "args": _args,
    "mode": lambda r: None if r.event.attempt else f"{r.event.mode:04o}",
    "xattr": _name_of(Op.SETXATTR),
    "abstract": _name_of(*_NETWORK),
    "address": lambda r: inet_address(r.event),
    "port": lambda r: str(r.event.port) if inet_address(r.event) else None,
    "family": lambda r: numbers(r.event).get("family"),
    "type": lambda r: numbers(r.event).get("type"),
    "protocol": lambda r: numbers(r.event).get("protocol"),
    "source": lambda r: operands(r.event).get("source"),
    "operands": lambda r: described(r.event) or None,
    "fs_type": lambda r: operands(r.event).get("fsType"),
    "container_id": lambda r: r.container_id,
    "container_name": lambda r: r.container_name,
    "image": lambda r: r.container_image,
    "pod_name": lambda r: r.pod_name,
    "pod_namespace": lambda r: r.pod_namespace,
}
