# SPDX-License-Identifier: MIT
"""
What the policies of one namespace may use together, so that no tenant uses up what all have in common.

Policies of the whole host have no quota: their author may do anything. What namespaces leave to others of an image is
decided by :mod:`enforcer.runtime.policies.namespace_shares`.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

import attrs

from enforcer.errors import PolicyError
from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.model.policy import Condition, Text
from enforcer.runtime.policies.overlap import most_met

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from enforcer.policy.model.policy import Policy, Process

__all__ = ["Quota"]


@attrs.frozen
class Quota:
    """
    The most that the policies of a namespace may have together.

    Attributes:
        rules: rules and defaults.
        values: values of conditions: paths, patterns, addresses, names.
        processes: different conditions on processes, of which an engine has room for 512.
        calls: different system calls that rules name; each costs every process a little.
        marks: different marks.
        policies: of which an engine has room for 512.
        limits: different ``rateLimit``, of which an engine has room for 255.
        met: different conditions that one value may meet, of which an engine has room for 512. On a path in a
            container, a condition takes the room of two.
        depth: directories in one path or pattern. Each that is above a name is kept from renames by a pattern of its
            own, so the work grows with the square: one path of 2,000 took 23 s.
        directories: different ones in all paths and patterns. 4,000, each 60 deep, take two seconds.
    """

    rules: int = 256
    values: int = 2048
    processes: int = 32
    calls: int = 64
    marks: int = 8
    policies: int = 64
    limits: int = 32
    met: int = 32
    depth: int = 64
    directories: int = 4096

    def exceeding(self, policies: Iterable[Policy]) -> Iterator[PolicyError]:
        """Yield an error for each of *policies* that has no room beside those in front of it."""
        used: dict[str, dict[str, set[object]]] = {}
        for policy in policies:
            if not policy.namespace:
                continue
            so_far = used.get(policy.namespace, {})
            together = {name: so_far.get(name, set()) | of(policy) for name, of in _USES.items()}
            # One after another: what takes work is counted last, of no more than the others let pass.
            counted = ((name, _NUMBERS.get(name, len)(together[name])) for name in _USES)
            over = next(((what, n) for what, n in counted if n > getattr(self, what)), None)
            if over is None:
                used[policy.namespace] = together
                continue
            what, number = over
            end = "" if what == "depth" else " together"
            yield PolicyError(
                f"the policies of namespace {policy.namespace} would have "
                f"{number} {_WORDS[what]}{end}, the quota is {getattr(self, what)}",
                policy.span,
            )


def _rules(policy: Policy) -> set[object]:
    return {(policy.name, number) for number in range(len(policy.rules) + len(policy.defaults))}


def _values(policy: Policy) -> set[object]:
    found = sum(
        len(condition.values)
        for conditions in (
            *(process.conditions for process in _asked(policy)),
            *(rule.conditions for rule in policy.rules),
        )
        for condition in conditions
    )
    return {(policy.name, number) for number in range(found)}


def _processes(policy: Policy) -> set[object]:
    return set(_asked(policy))


def _asked(policy: Policy) -> Iterator[Process]:
    yield policy.selector
    for rule in policy.rules:
        for part in SUBJECT_PARTS.values():
            wanted: Process = getattr(rule.subject, part.attribute)
            if wanted:
                yield wanted


def _calls(policy: Policy) -> set[object]:
    return {call for rule in policy.rules for call in rule.calls}


def _marks(policy: Policy) -> set[object]:
    return {(policy.name, rule.mark.name) for rule in policy.rules if rule.mark is not None}


def _limits(policy: Policy) -> set[object]:
    return {rule.limit for rule in policy.rules if rule.limit is not None}


def _policies(policy: Policy) -> set[object]:
    return {policy.name}


def _conditions(policy: Policy) -> set[object]:
    return {condition for rule in policy.rules for condition in rule.conditions}


def _named(policy: Policy) -> set[object]:
    """Return the paths and patterns of *policy*, each as it is written."""
    return {
        value.value
        for conditions in (
            *(process.conditions for process in _asked(policy)),
            *(rule.conditions for rule in policy.rules),
        )
        for condition in conditions
        for value in condition.values
        if isinstance(value, Text) and value.value.startswith(b"/")
    }


def _deepest(named: set[object]) -> int:
    return max((each.count(b"/") for each in named if isinstance(each, bytes)), default=0)


def _directories(named: set[object]) -> int:
    """Sorted, names that begin alike stand together: each brings only what it does not share with the one before."""
    number, before = 0, b""
    for name in sorted(each for each in named if isinstance(each, bytes)):
        number += name.count(b"/", _shared(before, name))
        before = name
    return number


def _shared(one: bytes, other: bytes) -> int:
    """Return how many bytes both begin with, by halving: 2,000 names may have 4,096 bytes each."""
    lengths = range(1, min(len(one), len(other)) + 1)
    return bisect.bisect_left(lengths, True, key=lambda n: one[:n] != other[:n])


def _met(conditions: set[object]) -> int:
    return most_met(each for each in conditions if isinstance(each, Condition))


_USES: Mapping[str, Callable[[Policy], set[object]]] = {
    "rules": _rules,
    "values": _values,
    "processes": _processes,
    "calls": _calls,
    "marks": _marks,
    "policies": _policies,
    "limits": _limits,
    "met": _conditions,
    "depth": _named,
    "directories": _named,
}
_NUMBERS: Mapping[str, Callable[[set[object]], int]] = {
    "met": _met,
    "depth": _deepest,
    "directories": _directories,
}
"""What is not simply how many there are."""
_WORDS: Mapping[str, str] = {
    "rules": "rules and defaults",
    "values": "values in conditions",
    "processes": "different conditions on processes",
    "calls": "different system calls",
    "marks": "different marks",
    "policies": "policies",
    "limits": "different limits of records",
    "met": "different conditions that one value may meet",
    "depth": "directories in one path or pattern",
    "directories": "different directories in paths and patterns",
}
