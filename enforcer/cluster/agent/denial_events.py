# SPDX-License-Identifier: MIT
"""What the engine says of first denials, as events of the pods in which they happened."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.cluster.agent.object_event import ObjectEvent, Told
from enforcer.cluster.agent.resource import is_name, is_namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from enforcer.cluster.agent.engine_results import Denial, Results

__all__ = ["DenialEvents"]

_OLD: Final = 3600.0
"""Seconds after which a server forgets an event, unless it is told otherwise: what is older is no news."""

_REASONS: Final = {"deny": "Denied", "kill": "Killed"}
_DONE: Final = {"deny": "denied", "kill": "denied and the process killed"}


@attrs.define(eq=False, repr=False)
class DenialEvents:
    """
    Passes on what has happened, once for each time that the engine says something.

    Attributes:
        post: gets events, each with how often it happened.
        clock: seconds since 1970.
    """

    post: Callable[[ObjectEvent, Told], None]
    clock: Callable[[], float] = time.time
    _last: float = attrs.field(default=0.0, init=False)

    def heard(self, results: Results | None) -> None:
        """Take what the engine said last."""
        if results is None or results.time == self._last:
            return
        self._last = results.time
        for event, told in self._events(results.denials):
            self.post(event, told)

    def _events(self, denials: Iterable[Denial]) -> Iterable[tuple[ObjectEvent, Told]]:
        now = self.clock()
        for each in denials:
            # A name becomes a part of a path: what no server would have said is left out.
            is_whole = is_name(each.pod) and is_namespace(each.namespace) and each.uid
            if not is_whole or each.action not in _REASONS or now - each.last > _OLD:
                continue
            message = (
                f"policy {each.policy}, rule {each.rule}: {each.operation} was {_DONE[each.action]}"
            )
            event = ObjectEvent(
                api_version="v1",
                kind="Pod",
                key=(each.namespace, each.pod),
                uid=each.uid,
                reason=_REASONS[each.action],
                message=message,
                about=each.policy,
                by=each.policy,
            )
            yield event, Told(each.count, each.first, each.last)
