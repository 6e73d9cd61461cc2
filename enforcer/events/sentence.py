# SPDX-License-Identifier: MIT
"""
The message of a record whose rule has none, and what of it a line for people need not say again.

The line has the outcome, the process, the operation and the object already. So of the sentence it shows
the executable, and of a guard's why it refuses what no rule names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enforcer.events.inside import inside, somewhere
from enforcer.events.object import signal_word, target
from enforcer.events.operations import OPERATIONS
from enforcer.events.stats import outcome, outcome_of
from enforcer.events.types import GuardAct, RowFlag
from enforcer.policy.language.operations import full_name
from enforcer.policy.language.vocabulary import Op

if TYPE_CHECKING:
    from enforcer.events.document_types import MatchDocument
    from enforcer.events.types import Event, Record

__all__ = ["deed", "default_message", "default_message_of", "is_by_guard", "own_words", "remainder"]

_GUARDED: Final = {
    OPERATIONS[Op.GUARD].full: "rename, link or removal of",
    OPERATIONS[Op.NAME_GUARD].full: "removal or replacement of",
    OPERATIONS[Op.MOUNT_GUARD].full: "change of mounts at",
}
_PROTECTED: Final = OPERATIONS[GuardAct.LINK].event
_DENIED: Final = "Denied: "


def default_message(record: Record) -> str:
    """Make the default message."""
    event = record.event
    who = record.process.exe or record.process.name
    if isinstance(event.op, GuardAct):
        return f"{_DENIED}{_attempt(event)} by {who}"
    operation = OPERATIONS[event.op].full
    if event.row_flags & RowFlag.GUARD and operation in _GUARDED:
        by = f"{record.origin.policy}/{record.origin.rule}"
        return _bypass(operation, target(event), who, by, is_enforced=event.is_enforced)
    return f"{outcome(event)}: {operation} {target(event)} by {who}"


def own_words(record: Record) -> str:
    """Return what the message says besides outcome, operation, object and process; often nothing."""
    if record.message != default_message(record):
        return record.message
    if isinstance(record.event.op, GuardAct):
        return _attempt(record.event)
    if record.event.row_flags & RowFlag.GUARD and OPERATIONS[record.event.op].full in _GUARDED:
        return f"{_GUARDED[OPERATIONS[record.event.op].full]} it would bypass the rule"
    return ""


def default_message_of(document: MatchDocument) -> str | None:
    """Make the same of a record as JSON has it; None for what self-protection refused."""
    if document["event"] == _PROTECTED:
        return None
    thing, who = document["object"]["target"], _who(document)
    operation = _operation(document)
    if is_by_guard(document):
        by = f"{document['policy']}/{document['rule']}"
        return _bypass(operation, thing, who, by, is_enforced=document["enforced"])
    return f"{outcome_of(document)}: {operation} {thing} by {who}"


def is_by_guard(document: MatchDocument) -> bool:
    """Whether a guard decided, on something that rules do not name."""
    return document["guard"] and _operation(document) in _GUARDED


def deed(document: MatchDocument) -> str:
    """Say what was tried: the operation and its object, or what that means for who guards it."""
    if document["event"] == _PROTECTED:
        return document["message"].removeprefix(_DENIED).removesuffix(f" by {_who(document)}")
    word = document["operation"]
    if is_by_guard(document):
        word = _GUARDED[_operation(document)]
    where = document["container"]
    place = where.get("root"), where["name"], where["id"]  # records of earlier versions say no root
    return f"{word} {somewhere(document['object']['target'], *place)}"


def remainder(document: MatchDocument) -> str:
    """Say what a line that has outcome, process, deed and rule does not say yet, with what leads to it."""
    is_default = document["message"] == default_message_of(document)
    if is_by_guard(document):
        why = ": it would bypass the rule"
        return why if is_default else f"{why}: {document['message']}"
    if is_default or document["event"] == _PROTECTED:
        exe = document["process"]["exe"]
        return f" by {inside(exe, document['container'].get('root'))}" if exe else ""
    return f": {document['message']}"


def _operation(document: MatchDocument) -> str:
    return full_name(document["event"], document["operation"])


def _who(document: MatchDocument) -> str:
    return document["process"]["exe"] or document["process"]["name"]


def _bypass(operation: str, thing: str, who: str, by: str, *, is_enforced: bool) -> str:
    refused = "refused" if is_enforced else "would be refused"
    return f"{_GUARDED[operation]} {thing} by {who} {refused}: it would bypass {by}"


_ATTEMPTS: Final[dict[Op | GuardAct, str]] = {
    GuardAct.LINK: "detaching or replacing the engine's link {}",
    GuardAct.MAP: "opening the engine's map {}",
    GuardAct.PROGRAM: "opening the engine's program {}",
    GuardAct.LOAD: "loading a program that could act on the daemon or before the engine",
    GuardAct.PTRACE: "taking control of the daemon {}",
    GuardAct.PIN: "changing the engine's pin {}",
    GuardAct.MOUNT: "mounting or unmounting {} over the engine's pins",
    GuardAct.CGROUP: "writing {} of the daemon's cgroup",
    GuardAct.SYSTEM: "writing {}, which acts on the daemon or on the engine",
    GuardAct.LIMIT: "limiting the daemon {}",
    GuardAct.KEY: "showing the engine a wrong key",
    GuardAct.FILE: "writing {}, which the daemon has mapped",
    GuardAct.PROBE: "putting a probe where it could be the daemon's",
}


def _attempt(event: Event) -> str:
    if event.op is GuardAct.SIGNAL:
        return f"{signal_word(event.signal)} to the daemon"
    return _ATTEMPTS[event.op].format(target(event))
