# SPDX-License-Identifier: MIT
"""
What the policies of namespaces may take of the room that an image has, so that those of the cluster find some.

How much a policy takes is not estimated but compiled: hundreds of patterns that begin alike fit into one automaton, and
a few that begin with wildcards do not. The policies of a namespace are compiled by themselves, but only where all
policies together need more than one namespace may have. New policies are refused; active ones have their room first.
Policies without a namespace come before both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import attrs

from enforcer.compiler import limits
from enforcer.compiler.glob import WORK
from enforcer.errors import LimitError, PolicyError, PolicyErrors
from enforcer.policy.text.bounds import MAX_GLOB_WORK
from enforcer.runtime.policies.search import first_too_much

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from enforcer.compiler import Counts
    from enforcer.policy.model.policy import Policy

__all__ = [
    "OF_ALL",
    "OF_ONE",
    "ROOMS",
    "WHOLE",
    "Room",
    "Share",
    "SharesError",
    "alone",
    "beyond",
    "displaced",
    "is_shared",
    "needs",
    "overfull",
]

_T = TypeVar("_T")


class SharesError(PolicyErrors):
    """Policies of namespaces find no room. The file of each falls back, active or not."""


@attrs.frozen
class Room:
    """
    A limit of the image.

    Attributes:
        count: the attribute of :class:`Counts` with the number that is used.
        most: the limit.
        words: the noun for messages.
        advice: how to need less.
    """

    count: str
    most: int
    words: str
    advice: str


_FEWER_WILDCARDS: Final = (
    "write patterns with fewer wildcards between literals, or let them begin with a folder"
)


def _of(limit: str, count: str, words: str, advice: str = "") -> tuple[str, Room]:
    return limit, Room(count, limits.LIMITS[limit], words, advice)


ROOMS: Final[Mapping[str, Room]] = dict(
    (
        _of("ENF_MAX_POLICIES", "policies", "policies"),
        _of("ENF_MAX_ROWS", "rows", "rules, with their guards, and defaults"),
        _of("ENF_MAX_ATOMS", "atoms", "distinct conditions"),
        _of("ENF_MAX_LABELS", "labels", "distinct conditions on processes"),
        _of(
            "ENF_MAX_SUBJECTS", "subjects", "distinct selectors with process, parent and ancestors"
        ),
        _of("ENF_MAX_MARKS", "marks", "distinct marks"),
        _of("ENF_MAX_LIMITS", "limits", "different limits of records"),
        _of("ENF_MAX_TOUCHED", "touched", "conditions that one operation may satisfy"),
        _of("ENF_MAX_DFAS", "dfas", "automata for patterns", _FEWER_WILDCARDS),
        (WORK, Room("work", MAX_GLOB_WORK, "steps to make automata", _FEWER_WILDCARDS)),
        _of("ENF_IMAGE_MAX", "bytes", "bytes of an image"),
    )
)
"""By the names that limits have in errors."""


@attrs.frozen
class Share:
    """*parts* of *of* equal parts of each room."""

    parts: int
    of: int = 4

    def of_room(self, room: Room) -> int:
        """Return the number that this is of *room*."""
        return room.most * self.parts // self.of

    @property
    def work(self) -> int:
        """Steps to make automata."""
        return self.of_room(ROOMS[WORK])


OF_ONE: Final = Share(1)
"""For the policies of one namespace. 30 patterns such as ``/**/*a*b*c`` take some twenty automata, of 64."""

OF_ALL: Final = Share(3)
"""For those of all namespaces: the rest is for policies without one, which may have to hold everywhere."""

WHOLE: Final = Share(4)
"""For policies without a namespace."""


def is_shared(error: LimitError) -> bool:
    """Tell whether *error* is about a room of which namespaces have shares."""
    return error.limit in ROOMS


def needs(counts: Counts) -> dict[str, int]:
    """Return how much of each room *counts* takes, by the names of :data:`ROOMS`."""
    return {name: getattr(counts, room.count) for name, room in ROOMS.items()}


def overfull(counts: Counts) -> LimitError | None:
    """Return an error about a room of which *counts* takes more than there is, though it could be compiled."""
    room = _fullest(counts, WHOLE)
    return None if room is None else LimitError(f"more than {room.most} {room.words}")


def beyond(
    policies: Iterable[Policy],
    is_new: Callable[[Policy], bool],
    count: Callable[[Sequence[Policy], Share], Counts | LimitError],
    total: Counts | LimitError,
) -> Iterator[PolicyError]:
    """
    Yield an error for each new policy of a namespace that has no room beside those in front of it.

    Args:
        policies: all that are to be active.
        is_new: whether one was not active before.
        count: compiles policies by themselves. Returns what they need, or the limit of a room that they exceed. It may
            stop where a share ends.
        total: what all of them need.
    """
    if _fullest(total, OF_ONE) is None:
        return
    tenants = [policy for policy in policies if policy.namespace]
    refused: set[str] = set()
    for namespace in sorted({policy.namespace for policy in tenants if is_new(policy)}):
        mine = [policy for policy in tenants if policy.namespace == namespace]
        for policy, room in _beyond(mine, is_new, count, OF_ONE):
            refused.add(policy.name)
            yield _error(policy, room)
    if _fullest(total, OF_ALL) is None:
        return
    rest = [policy for policy in tenants if policy.name not in refused]
    for policy, room in _beyond(rest, is_new, count, OF_ALL):
        yield PolicyError(
            f"the policies of all namespaces would need more than {OF_ALL.of_room(room)} {room.words} "
            f"together, the rest is for policies without a namespace{_advice(room)}",
            policy.span,
        )


def alone(
    policies: Sequence[Policy],
    count: Callable[[Sequence[Policy], Share], Counts | LimitError],
) -> Iterator[PolicyError]:
    """
    Yield an error for each of *policies*, those of one file, that exceeds the share of its namespace by itself.

    Raises:
        LimitError: they have no room at all.
    """
    if not all(policy.namespace for policy in policies):
        found = count(policies, WHOLE)
        if isinstance(found, LimitError):
            raise found
    for namespace in sorted({policy.namespace for policy in policies if policy.namespace}):
        mine = [policy for policy in policies if policy.namespace == namespace]
        if (room := _fullest(count(mine, OF_ONE), OF_ONE)) is not None:
            yield from (_error(policy, room) for policy in mine)


def displaced(
    policies: Iterable[Policy],
    is_new: Callable[[Policy], bool],
    problem: Callable[[Sequence[Policy]], LimitError | None],
) -> Iterator[PolicyError]:
    """
    Yield an error for each policy of a namespace, active or not, whose room the others need; none if that does not help.

    Args:
        policies: all that are to be active, for which there is no room together.
        is_new: whether one was not active before.
        problem: compiles policies, and returns the limit of a room that they exceed.
    """
    everything = list(policies)
    own = [policy for policy in everything if not policy.namespace]
    tenants = sorted((policy for policy in everything if policy.namespace), key=is_new)
    if not tenants or problem(own) is not None:
        return
    found = _first_too_much(tenants, lambda some: problem([*own, *some]))
    if found is not None:
        fits, error = found
        for policy in tenants[fits:]:
            yield PolicyError(
                f"policies without a namespace need the room of this one: {error.message}",
                policy.span,
            )


def _fullest(counted: Counts | LimitError, share: Share) -> Room | None:
    """Return a room of which *counted* takes more than *share*, if there is one."""
    if isinstance(counted, LimitError):
        return ROOMS[counted.limit]
    over = (room for room in ROOMS.values() if getattr(counted, room.count) > share.of_room(room))
    return next(over, None)


def _beyond(
    policies: list[Policy],
    is_new: Callable[[Policy], bool],
    count: Callable[[Sequence[Policy], Share], Counts | LimitError],
    share: Share,
) -> Iterator[tuple[Policy, Room]]:
    """Yield those of the new ones that have no room, each with the room that is full."""
    new = [policy for policy in policies if is_new(policy)]
    old = [policy for policy in policies if not is_new(policy)]
    found = _first_too_much(new, lambda some: _fullest(count([*old, *some], share), share))
    if found is not None:
        fits, room = found
        # Of none it is not known whether it fits: then what was active is too much, and nothing new comes to it.
        for policy in new[fits:]:
            yield policy, room


def _first_too_much(
    policies: Sequence[Policy], problem: Callable[[Sequence[Policy]], _T | None]
) -> tuple[int, _T] | None:
    """Find how many of the first *policies* have no *problem*; with that of one more. None: all have none."""
    why = problem(policies) if policies else None
    if why is None:
        return None
    return first_too_much(len(policies), why, lambda number: problem(policies[:number]))


def _error(policy: Policy, room: Room) -> PolicyError:
    return PolicyError(
        f"the policies of namespace {policy.namespace} would need more than {OF_ONE.of_room(room)} "
        f"{room.words} together{_advice(room)}",
        policy.span,
    )


def _advice(room: Room) -> str:
    return f": {room.advice}" if room.advice else ""
