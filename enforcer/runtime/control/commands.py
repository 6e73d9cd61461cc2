# SPDX-License-Identifier: MIT
"""
The commands of the control socket: one table, from the words of a request to the call that serves it.

A request is checked against the table before anything is done. A row of the table holds the fields of
the request, its sentence in the audit trail, and the function that serves it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from enforcer.errors import ControlError, EnforcerError, PolicyError, PolicyErrors
from enforcer.policy.text.loader import MAX_BYTES
from enforcer.runtime.control.fields import (
    BEGAN,
    CONTAINER_ID,
    FILTER,
    ID,
    LAST,
    MODE,
    NAME,
    PID,
    TEXTS,
    WAIT,
    WITHIN,
    Field,
)
from enforcer.runtime.control.protocol import (
    CONFIRM,
    CONTAINER_BEGINS,
    EVENTS,
    POLICY_ADD,
    POLICY_DISABLE,
    POLICY_ENABLE,
    POLICY_LIST,
    POLICY_REMOVE,
    POLICY_SET_MODE,
    POLICY_SHOW,
    RECENT,
    RECORD,
    RELOAD,
    SOURCES,
    STATUS,
    STOP,
    WATCH,
)
from enforcer.runtime.control.recent import recent_answer
from enforcer.runtime.control.record_filter import RecordFilter
from enforcer.runtime.protection.key import canonical
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enforcer.runtime.control.answers import (
        ChangeAnswer,
        Confirmation,
        EventsAnswer,
        RecentAnswer,
        RecordAnswer,
        Refusal,
        SourcesAnswer,
        SourcesDocument,
        Status,
        StatusAnswer,
    )
    from enforcer.runtime.control.container_answers import MetAnswer
    from enforcer.runtime.control.overview import Overview
    from enforcer.runtime.control.policy_answers import PolicyAnswer, PolicyListAnswer
    from enforcer.runtime.control.protocol import AnswerT, Word
    from enforcer.runtime.control.stop_answer import StopAnswer
    from enforcer.runtime.control.watch_answers import Opening
    from enforcer.runtime.ports import PolicyControl

    Fields = Mapping[str, Any]
    """The fields of a request that the table has allowed; what was not given is None."""

__all__ = ["COMMANDS", "REQUEST_LIMIT", "Desk", "Request", "parse_request", "refusal"]

REQUEST_LIMIT = 3 * MAX_BYTES + 65536
"""Bytes of the longest request: JSON makes at most three of one of a policy's text."""

_PROOF_LIMIT = 64


@attrs.frozen
class Desk:
    """
    The parts of the daemon that the commands use.

    Without *policies* nothing can be changed. Without *overview* nothing can be watched. Without *sources*
    the sources of the active policies are not shown.
    """

    status: Callable[[], Status]
    stop: Callable[[], StopAnswer]
    policies: PolicyControl | None
    overview: Overview | None = None
    sources: Callable[[], SourcesDocument] | None = None


@attrs.frozen
class Command:
    """
    One row of the table.

    Attributes:
        serve: answers, given the desk and the fields.
        fields: what the request holds beside the command.
        deed: for a change, what the audit trail says of it once it is done.
        follows: whether records are sent after the answer.
        watches: whether beats are.
    """

    serve: Callable[[Desk, Fields], Mapping[str, object]]
    fields: dict[str, Field] = attrs.field(factory=dict)
    deed: str = ""
    follows: bool = False
    watches: bool = False


@attrs.frozen
class Request:
    """
    A request that the table allows. Optional fields that were not given are None.

    Attributes:
        proof: that the client knows the key, if it was given.
    """

    name: str
    command: Command
    fields: Fields
    proof: str | None = None

    def serve(self, desk: Desk) -> Mapping[str, object]:
        """
        Do what is asked and return the answer.

        Raises:
            EnforcerError: it cannot be done; the previous policies stay active.
        """
        return self.command.serve(desk, self.fields)

    @property
    def text(self) -> bytes:
        """What a proof of it is made for."""
        return canonical({**self.fields, "command": self.name})

    @property
    def words(self) -> str:
        """The request for a log: its names, not its text."""
        said = (self._names.get(key) for key in ("name", "mode", "texts"))
        return " ".join([self.name, *(neutral(word) for word in said if word)])

    @property
    def deed(self) -> str:
        """What was done, for a log; empty if the command changes nothing."""
        return neutral(self.command.deed.format_map(self._names))

    @property
    def _names(self) -> Fields:
        """The fields, of texts only their names."""
        return {
            key: ", ".join(value) if isinstance(value, dict) else value
            for key, value in self.fields.items()
        }


def parse_request(line: bytes | bytearray) -> Request:
    """
    Read one request.

    Raises:
        ControlError: it is no JSON, or not what the table allows.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise ControlError("the request is not JSON") from None
    if not isinstance(message, dict):
        raise ControlError('the request is not a command: write {"command": …}')
    name = message.pop("command", None)
    command = COMMANDS.get(name) if isinstance(name, str) else None
    if command is None:
        raise ControlError(f"unknown command {_shown(name)}: known are {', '.join(COMMANDS)}")
    proof = message.pop("proof", None) if command.deed else None
    if proof is not None and not (isinstance(proof, str) and len(proof) <= _PROOF_LIMIT):
        raise ControlError(
            f"{name} does not take this 'proof': it must be {_PROOF_LIMIT} hex digits"
        )
    unknown = sorted(message.keys() - command.fields.keys())
    if unknown:
        takes = ", ".join(command.fields) or "nothing else"
        raise ControlError(f"{name} has no field {_shown(unknown[0])}: it takes {takes}")
    fields = {key: message.get(key) for key in command.fields}
    for key, field in command.fields.items():
        if fields[key] is None and field.is_optional:
            continue
        if key not in message:
            raise ControlError(f"{name} needs the field {key!r}: {field.meaning}")
        if not field.accepts(fields[key]):
            raise ControlError(f"{name} does not take this {key!r}: it must be {field.meaning}")
    return Request(name, command, fields, proof)


def refusal(error: EnforcerError) -> Refusal:
    """Make the answer out of *error*; of policies, every error with its place."""
    if isinstance(error, PolicyError):
        error = PolicyErrors([error])
    if isinstance(error, PolicyErrors):
        many = len(error.errors)
        return {
            "ok": False,
            "error": f"{many} error{'s' if many != 1 else ''} in policies: the active policies do not change",
            "errors": [str(each) for each in error.errors],
        }
    return {"ok": False, "error": "; ".join([str(error), *getattr(error, "__notes__", ())])}


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def _control(desk: Desk) -> PolicyControl:
    if desk.policies is None:
        raise ControlError("this daemon cannot change its policies")
    return desk.policies


def _status(desk: Desk, _: Fields) -> StatusAnswer:
    return {"status": desk.status()}


def _events(_desk: Desk, _: Fields) -> EventsAnswer:
    return {}


def _overview(desk: Desk) -> Overview:
    if desk.overview is None:
        raise ControlError("this daemon keeps no records to show")
    return desk.overview


def _recent(desk: Desk, asked: Fields) -> RecentAnswer:
    return recent_answer(_overview(desk), RecordFilter.of(asked["filter"]), asked["last"])


def _watch(desk: Desk, _: Fields) -> Opening:
    return _overview(desk).opening()


def _record(desk: Desk, asked: Fields) -> RecordAnswer:
    found = _overview(desk).document(asked["id"])
    if found is None:
        raise ControlError(
            f"record {_shown(asked['id'])} is no longer in memory: the daemon keeps the newest, "
            "the logs have all"
        )
    return {"record": found}


def _sources(desk: Desk, _: Fields) -> SourcesAnswer:
    if desk.sources is None:
        raise ControlError("this daemon does not show the sources of its policies")
    return {"sources": desk.sources()}


def _stop(desk: Desk, _: Fields) -> StopAnswer:
    return desk.stop()  # after this round of the loop, so that the answer is sent before the end


def _reload(desk: Desk, asked: Fields) -> ChangeAnswer:
    return _control(desk).reload(confirm_within=asked["confirmWithin"])


def _confirm(desk: Desk, _: Fields) -> Confirmation:
    return _control(desk).confirm()


def _list(desk: Desk, _: Fields) -> PolicyListAnswer:
    control = _control(desk)
    return {"policies": control.policies(), "posture": control.posture().as_dict()}


def _show(desk: Desk, asked: Fields) -> PolicyAnswer:
    return {"policy": _control(desk).show(asked["name"])}


def _add(desk: Desk, asked: Fields) -> ChangeAnswer:
    return _control(desk).add(asked["texts"], confirm_within=asked["confirmWithin"])


def _remove(desk: Desk, asked: Fields) -> ChangeAnswer:
    return _control(desk).remove(asked["name"], confirm_within=asked["confirmWithin"])


def _enable(desk: Desk, asked: Fields) -> ChangeAnswer:
    within = asked["confirmWithin"]
    return _control(desk).set_enabled(asked["name"], enabled=True, confirm_within=within)


def _disable(desk: Desk, asked: Fields) -> ChangeAnswer:
    within = asked["confirmWithin"]
    return _control(desk).set_enabled(asked["name"], enabled=False, confirm_within=within)


def _set_mode(desk: Desk, asked: Fields) -> ChangeAnswer:
    within = asked["confirmWithin"]
    return _control(desk).set_mode(asked["name"], asked["mode"], confirm_within=within)


def _container_begins(desk: Desk, asked: Fields) -> MetAnswer:
    return _control(desk).meet(asked["pid"], asked["id"], began=asked["began"], wait=asked["wait"])


_ONE = {"name": NAME}
_SOON = {"confirmWithin": WITHIN}
_CONTAINER = {"id": CONTAINER_ID, "pid": PID, "began": BEGAN, "wait": WAIT}


def _row(
    word: Word[AnswerT],
    serve: Callable[[Desk, Fields], AnswerT],
    fields: dict[str, Field] | None = None,
    *,
    deed: str = "",
    follows: bool = False,
    watches: bool = False,
) -> tuple[str, Command]:
    """Make one row; *serve* answers as *word* promises."""
    return word, Command(serve, fields or {}, deed, follows, watches)


COMMANDS: dict[str, Command] = dict(
    (
        _row(STATUS, _status),
        _row(EVENTS, _events, {"filter": FILTER}, follows=True),
        _row(RECENT, _recent, {"last": LAST, "filter": FILTER}),
        _row(WATCH, _watch, watches=True),
        _row(RECORD, _record, {"id": ID}),
        _row(SOURCES, _sources),
        # No deed: it says nothing that the daemon would not find by itself a moment later.
        _row(CONTAINER_BEGINS, _container_begins, _CONTAINER),
        _row(STOP, _stop, deed="stop asked for"),
        _row(RELOAD, _reload, _SOON, deed="policies reloaded"),
        _row(CONFIRM, _confirm, deed="policies confirmed"),
        _row(POLICY_LIST, _list),
        _row(POLICY_SHOW, _show, _ONE),
        _row(POLICY_ADD, _add, {"texts": TEXTS} | _SOON, deed="policies of {texts} added"),
        _row(POLICY_REMOVE, _remove, _ONE | _SOON, deed="policy {name}: removed"),
        _row(POLICY_ENABLE, _enable, _ONE | _SOON, deed="policy {name}: enabled"),
        _row(POLICY_DISABLE, _disable, _ONE | _SOON, deed="policy {name}: disabled"),
        _row(
            POLICY_SET_MODE,
            _set_mode,
            _ONE | {"mode": MODE} | _SOON,
            deed="policy {name}: mode {mode}, set",
        ),
    )
)
"""Every command by name."""
