# SPDX-License-Identifier: MIT
"""What a case says of the container or the pod that a process is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enforcer.policy.model.workloads import LABELS, WORKLOAD_FIELDS
from enforcer.policy.text.nodes import Map, Scalar, describe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.policy.model.workloads import Facts
    from enforcer.policy.readers.context import Context
    from enforcer.policy.text.nodes import Entry

__all__ = ["read_facts"]

_DEFAULTS: Final = {
    "container.id": (b"0" * 64,),
    "container.name": (b"container",),
    "container.image": (b"image:latest",),
    "container.runtime": (b"containerd",),
    "pod.name": (b"pod",),
    "pod.namespace": (b"default",),
    "pod.labels": (),
}


def read_facts(groups: Iterable[Entry], context: Context) -> Facts:
    """Read ``container`` and ``pod``. Outside a pod there are no fields of one."""
    facts: dict[str, tuple[bytes, ...]] = {}
    named = {entry.key: entry for entry in groups}
    for group, fields in WORKLOAD_FIELDS.items():
        entry = named.get(group)
        if entry is None and group == "pod":
            continue
        facts |= {field.name: _DEFAULTS[field.name] for field in fields.values()}
        for part in (context.map(entry.value, group) if entry else None) or ():
            field = fields.get(part.key)
            if field is None:
                context.unknown(part, f"field of {group}", fields, {})
            elif field == LABELS:
                facts[field.name] = _labels(part, context)
            elif text := context.text(part.value, part.key):
                facts[field.name] = (text.encode(),)
    return facts


def _labels(entry: Entry, context: Context) -> tuple[bytes, ...]:
    found = []
    for label in context.map(entry.value, "labels") or Map({}, entry.span):
        if isinstance(label.value, Scalar) and not label.value.is_null:
            found.append(f"{label.key}={label.value.text}".encode())
        else:
            context.add(f"{label.key} must be text, not {describe(label.value)}", label.value.span)
    return tuple(found)
