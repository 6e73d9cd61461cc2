# SPDX-License-Identifier: MIT
"""Which records a reader of ``events`` wants, of those that are kept and of those to come."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.events.types import Lost
from enforcer.identity.cgroup import unit_of
from enforcer.sinks.selection import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.events.types import Origin, Record
    from enforcer.policy.model.policy import Verb

__all__ = ["FILTER_MEANING", "RecordFilter", "is_filter"]

_LISTS: Final = ("policy", "rule", "action", "process", "unit", "container")
_MOST = 16
_LONGEST = 4096

FILTER_MEANING: Final = (
    f"lists of up to {_MOST} words for {', '.join(_LISTS)}, and for since a time in seconds; actions "
    f"are {', '.join(ACTIONS)}"
)


@attrs.frozen
class RecordFilter:
    """
    All parts must hold; one that is empty holds always. Names are patterns with ``*`` and ``?``.

    Attributes:
        policy, rule, action: of the rule that decided, or of what another policy said of the access.
        process: its name, its executable's path, or its number.
        unit: of systemd; without a suffix a service.
        container: its name, or how its id begins.
        since_ns: wall clock.
    """

    policy: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    process: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    container: tuple[str, ...] = ()
    since_ns: int = 0

    @classmethod
    def of(cls, asked: Mapping[str, Any] | None) -> RecordFilter:
        """Read what :func:`is_filter` accepts; None: everything is wanted."""
        given = dict(asked or {})
        since = given.pop("since", 0)
        lists = {name: tuple(words) for name, words in given.items()}
        return cls(**lists, since_ns=int(since * 1e9))

    def wants(self, record: Record | Lost) -> bool:
        """Whether *record* is one of those; what is lost is told to everybody."""
        if record.time_ns < self.since_ns:
            return False
        if isinstance(record, Lost):
            return True
        return self._wants_verdict(record) and self._wants_actor(record)

    def _wants_verdict(self, record: Record) -> bool:
        """As outputs select: by what any policy said of the access."""
        return self._says(record.event.action, record.origin) or any(
            self._says(said.match.action, said.origin) for said in record.said
        )

    def _says(self, action: Verb, origin: Origin) -> bool:
        return (
            _is_one(origin.policy, self.policy)
            and _is_one(origin.rule, self.rule)
            and (not self.action or action.name.lower() in self.action)
        )

    def _wants_actor(self, record: Record) -> bool:
        actor = record.process
        return (
            (
                _is_one(actor.name, self.process)
                or (actor.exe is not None and _is_one(actor.exe, self.process))
                or str(actor.pid) in self.process
            )
            and self._wants_unit(record.cgroup)
            and self._wants_container(record)
        )

    def _wants_unit(self, cgroup: str | None) -> bool:
        if not self.unit:
            return True
        found = unit_of(cgroup) if cgroup else None
        wanted = [name if "." in name else f"{name}.service" for name in self.unit]
        return found is not None and _is_one(found, wanted)

    def _wants_container(self, record: Record) -> bool:
        if not self.container:
            return True
        name, number = record.container_name, record.container_id
        return (name is not None and _is_one(name, self.container)) or (
            number is not None and number.startswith(self.container)
        )


def is_filter(value: Any) -> bool:
    """Whether a request may say *value*."""
    if not isinstance(value, dict) or value.keys() - {*_LISTS, "since"}:
        return False
    if not all(_are_words(words) for key, words in value.items() if key != "since"):
        return False
    return _is_time(value.get("since", 0)) and set(value.get("action", ())) <= set(ACTIONS)


def _is_one(text: str, wanted: tuple[str, ...] | list[str]) -> bool:
    return not wanted or any(fnmatch.fnmatchcase(text, pattern) for pattern in wanted)


def _are_words(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST
        and all(isinstance(word, str) and 0 < len(word) <= _LONGEST for word in value)
    )


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < 1e12
