# SPDX-License-Identifier: MIT
"""A record in short: what a list shows of it, with every text bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.events.document import errno_name, rfc3339, signal_name
from enforcer.events.ident import RecordId
from enforcer.events.inside import inside, somewhere
from enforcer.events.object import target
from enforcer.events.operations import OPERATIONS
from enforcer.events.sentence import own_words
from enforcer.events.stats import outcome

if TYPE_CHECKING:
    from enforcer.events.document_types import BriefActor, BriefDocument
    from enforcer.events.types import Event, Record
    from enforcer.identity.actor import Actor

__all__ = ["brief"]

_LEVELS = 8  # of those above a process
_MOST = 256  # characters of each text; the whole record is asked for by its id


def brief(record: Record) -> BriefDocument:
    """
    Make the JSON object; keys are those of the whole record where they mean the same.

    What lies in the container is called as there, with the container's name.

    The message is left empty where it would only repeat the other keys.
    """
    event = record.event
    place = record.container_root, record.container_name, record.container_id
    return {
        "id": str(RecordId.of(event)),
        "time": rfc3339(record.time_ns),
        "outcome": outcome(event),
        "action": event.action.name.lower(),
        "policy": record.origin.policy,
        "rule": record.origin.rule,
        "place": record.origin.place[:_MOST],
        "operation": OPERATIONS[event.op].full,
        "target": somewhere(target(event), *place)[:_MOST],
        "effect": _effect(event),
        "message": own_words(record)[:_MOST],
        "process": _actor(record.process, record.container_root),
        "ancestors": [_actor(one) for one in (record.ancestors or (record.parent,))[:_LEVELS]],
        "container": record.container_id,
    }


def _effect(event: Event) -> list[str]:
    """Name what the caller got, nothing if it was an audit; and how often, if more than once."""
    words = (errno_name(event), signal_name(event)) if event.is_enforced or event.attempt else ()
    times = f"{event.times:,} times" if event.repeats else None
    return [word for word in (*words, times) if word]


def _actor(actor: Actor, root: str | None = None) -> BriefActor:
    exe = inside(actor.exe or "", root)
    return {"pid": actor.pid, "name": actor.name, "exe": exe[:_MOST] or None}
