# SPDX-License-Identifier: MIT
"""One process as policies describe it: its fields, and its container and pod."""

from __future__ import annotations

from enforcer.policy.language.drift import VOLUMES_KEY
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.unsupported import SUBJECT_WORDS
from enforcer.policy.language.vocabulary import PROCESS_FIELDS, Kind
from enforcer.policy.model.policy import Condition, Flag, Process
from enforcer.policy.model.workloads import LABELS, WORKLOAD_FIELDS
from enforcer.policy.readers.conditions import read_conditions, read_flag
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.drift import check_volumes, read_drift
from enforcer.policy.readers.labels import read_labels
from enforcer.policy.text.nodes import Entry, Map, Node, describe

__all__ = ["read_process"]

_OTHER_WORDS = {
    **dict.fromkeys(
        ("path", "exe", "executable", "program", "command", "comm", "name"),
        "is not a field of a process: its executable is binary",
    ),
    **dict.fromkeys(
        ("user", "username", "userId"),
        "is not a field of a process: write uid, or euid for the effective user",
    ),
    **dict.fromkeys(
        ("group", "groupId"),
        "is not a field of a process: write gid, or egid for the effective group",
    ),
    "service": "is not a field of a process: write unit",
    "capability": "is not a field of a process: write capabilities",
}


def read_process(entry: Entry, context: Context) -> Process:
    """Read the fields of one process, under ``process``, ``selector`` and their like."""
    node = entry.value
    if not isinstance(node, Map) or not node.entries:
        context.add(f"{entry.key} takes fields such as binary or uid, not {_what(node)}", node.span)
        return Process()
    conditions: tuple[Condition, ...] = ()
    flags: tuple[Flag, ...] = ()
    for part in node:
        if part.key in WORKLOAD_FIELDS:
            conditions += _workload(part, entry.key, context)
            continue
        if part.key == VOLUMES_KEY:
            check_volumes(node, context)
            continue
        field = PROCESS_FIELDS.get(part.key)
        if field is None:
            known = (*PROCESS_FIELDS, *WORKLOAD_FIELDS)
            context.unknown(part, f"field of {entry.key}", known, SUBJECT_WORDS, _OTHER_WORDS)
        elif field.kind is Kind.FLAG:
            flags += read_flag(field, part, context)
        elif field.kind is Kind.DRIFT:
            conditions += read_drift(field, part, node, context)
        else:
            conditions += read_conditions(field, part, context)
    return Process(conditions, flags)


def _workload(entry: Entry, whose: str, context: Context) -> tuple[Condition, ...]:
    """Read the fields under ``container`` or ``pod``."""
    if whose in SUBJECT_PARTS and SUBJECT_PARTS[whose].is_above:
        # Labels of what was forked before its container was known would stay unknown.
        context.add(
            (
                f"{entry.key} is about the process itself: put it under selector, process or "
                "notProcess"
            ),
            entry.span,
        )
        return ()
    fields = WORKLOAD_FIELDS[entry.key]
    node = entry.value
    if not isinstance(node, Map) or not node.entries:
        context.add(f"{entry.key} takes {', '.join(fields)}, not {_what(node)}", node.span)
        return ()
    conditions: tuple[Condition, ...] = ()
    for part in node:
        field = fields.get(part.key)
        if field is None:
            context.unknown(part, f"field of {entry.key}", fields, {})
        elif field is LABELS:
            conditions += read_labels(part, context)
        else:
            conditions += read_conditions(field, part, context)
    return conditions


def _what(node: Node) -> str:
    return "an empty mapping" if isinstance(node, Map) else describe(node)
