# SPDX-License-Identifier: MIT
"""
A record as a JSON object: the versioned form that files and followers get.

``docs/records.md`` describes it for readers. Adding a key does not make a new version. Removing one, or
changing its meaning, does.
"""

from __future__ import annotations

import errno
import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, overload

from enforcer import _abi
from enforcer.events.attempt import attempt_document, attempt_errno
from enforcer.events.folded import Folded
from enforcer.events.ident import RecordId
from enforcer.events.matches import matches_document
from enforcer.events.object import object_document, signal_word
from enforcer.events.operations import OPERATIONS
from enforcer.events.repeats import repeated_by, until_ns
from enforcer.events.types import Event, EventFlag, Lost, Record, RowFlag
from enforcer.identity.actor import Actor
from enforcer.policy.language.vocabulary import SubjectFlag
from enforcer.policy.model.policy import Verb

if TYPE_CHECKING:
    from enforcer.events.document_types import (
        ActorDocument,
        ExeFoldedKeys,
        LimitKeys,
        LostDocument,
        MatchDocument,
        ProcessDocument,
        RecordDocument,
        RepeatsKeys,
        VerdictKeys,
    )

__all__ = [
    "VERSION",
    "as_document",
    "errno_name",
    "rfc3339",
    "signal_name",
]

VERSION: Final = 1

_SUBJECT_FLAGS = tuple((flag.value, (flag.name or "").lower()) for flag in SubjectFlag)


@overload
def as_document(record: Record) -> MatchDocument: ...


@overload
def as_document(record: Record | Lost) -> RecordDocument: ...


def as_document(record: Record | Lost) -> RecordDocument:
    """Make the JSON object of *record*."""
    return _lost(record) if isinstance(record, Lost) else _match(record)


def _match(record: Record) -> MatchDocument:
    event = record.event
    return {
        **_verdict(record),
        "object": object_document(event, record.origin),
        "process": _process(record),
        "parent": {**_actor(record.parent), "startNs": event.parent_start_ns},
        "ancestors": [_actor(each) for each in record.ancestors],
        "ancestorsComplete": record.has_all_ancestors,
        "container": {
            "runtime": record.container_runtime,
            "id": record.container_id,
            "name": record.container_name,
            "image": record.container_image,
            "root": record.container_root,
        },
        "pod": {
            "name": record.pod_name,
            "namespace": record.pod_namespace,
            "uid": record.pod_uid,
        },
        "generation": event.generation,
        **attempt_document(event),
        **_asked(record),
        **_repeats(record),
        **matches_document(record),
    }


def _verdict(record: Record) -> VerdictKeys:
    event, names = record.event, OPERATIONS[record.event.op]
    return {
        "version": VERSION,
        "kind": "match",
        "id": str(RecordId.of(event)),
        "time": rfc3339(record.time_ns),
        "policy": record.origin.policy,
        "rule": record.origin.rule,
        "place": record.origin.place,
        "message": record.message,
        "severity": record.origin.severity,
        "tags": list(record.origin.tags),
        "action": event.action.name.lower(),
        "enforced": event.is_enforced,
        "prevented": event.is_prevented,
        "errno": errno_name(event),
        "signal": signal_name(event),
        "signalFailed": bool(event.flags & EventFlag.SIGNAL_FAILED),
        "onError": bool(event.flags & EventFlag.ON_ERROR),
        "default": bool(event.row_flags & RowFlag.DEFAULT),
        "guard": bool(event.row_flags & RowFlag.GUARD),
        "event": names.event,
        "operation": names.word,
        "syscall": record.syscall,
    }


def _process(record: Record) -> ProcessDocument:
    event = record.event
    return {
        **_actor(record.process),
        "programId": record.program_id,
        "tid": event.tid,
        "started": rfc3339(record.started_ns),
        "startNs": event.start_ns,
        "execNs": event.exec_ns,
        "cwd": record.cwd,
        "user": record.user,
        "uid": event.uid,
        "euid": event.euid,
        "gid": event.gid,
        "egid": event.egid,
        "capabilities": f"{event.caps:#x}",
        "flags": _flags(event.subj_flags),
        **_exe_folded(event),
        "cgroup": record.cgroup,
        "cgroupId": event.cgroup,
    }


def _asked(record: Record) -> LimitKeys:
    """Tell how old the marks were that the rule asks about, and what its limit left out before."""
    event = record.event
    found: LimitKeys = {}
    if event.mark_at:
        found["marks"] = [
            {"mark": name, "ago": max(0, event.time_ns - at) if at else None}
            for name, at in zip(record.origin.asked, event.mark_at, strict=False)
        ]
    if event.suppressed:
        found["suppressed"] = event.suppressed
    return found


def _repeats(record: Record) -> RepeatsKeys:
    """Tell how many more there were of its kind, if it stands for them."""
    event = record.event
    if not event.repeats:
        return {}
    last = rfc3339(until_ns(record))
    return {"repeats": {"count": event.repeats, "last": last, "by": repeated_by(event)}}


def _lost(record: Lost) -> LostDocument:
    return {
        "version": VERSION,
        "kind": "lost",
        "time": rfc3339(record.time_ns),
        "decisions": record.decisions,
        "activity": record.activity,
        "malformed": record.malformed,
        "dropped": record.dropped,
        "reason": record.reason,
    }


def _actor(actor: Actor) -> ActorDocument:
    return {
        "id": actor.id,
        "pid": actor.pid,
        "name": actor.name,
        "exe": actor.exe,
        "cmdline": None if actor.cmdline is None else actor.cmdline.split(),
    }


def _flags(facts: int) -> list[str]:
    """Name what is known of a process. A step of a runtime is one only in a container's cgroup."""
    if not facts & _abi.ENF_SF_CONTAINED:
        facts &= ~SubjectFlag.RUNTIME
    return [word for bit, word in _SUBJECT_FLAGS if facts & bit]


def _exe_folded(event: Event) -> ExeFoldedKeys:
    folded = Folded.of_process(event.subj_flags)
    return {"exeFolded": str(folded)} if folded else {}


def errno_name(event: Event) -> str | None:
    """Name the error that the caller got; there is none in audit mode."""
    error = event.error if event.action >= Verb.DENY else attempt_errno(event)
    return errno.errorcode.get(error, str(error)) if error else None


def signal_name(event: Event) -> str | None:
    """Name the signal of a kill; there is none in audit mode."""
    return signal_word(event.signal) if event.action is Verb.KILL and event.signal else None


def rfc3339(time_ns: int) -> str:
    """Write wall clock time with microseconds, in UTC."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@functools.lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
