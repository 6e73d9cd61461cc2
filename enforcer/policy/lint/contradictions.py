# SPDX-License-Identifier: MIT
"""The check for rules whose conditions can never hold together."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from enforcer.policy.language.sockets import WITH_ADDRESS
from enforcer.policy.language.subject_parts import SUBJECT_PARTS, PartSpec
from enforcer.policy.language.vocabulary import Dim
from enforcer.policy.lint.issues import Host, Issue, check, warning
from enforcer.policy.model.coverage import describes_all
from enforcer.policy.model.exclusion import excluding
from enforcer.policy.model.policy import (
    Condition,
    Flag,
    Interval,
    Policy,
    Process,
    Rule,
    Subject,
)
from enforcer.span import Span

__all__ = ["are_apart", "never_matches"]

_PARTS = SUBJECT_PARTS.values()
_SINGLE = [SUBJECT_PARTS[word] for word in ("process", "parent")]
"""Of these an operation has one."""

_PORTLESS = (1, 58)  # icmp, icmpv6
_TYPES = {6: (2,), 17: (1,)}
"""Types of sockets that tcp and udp do not have: dgram, stream. A raw one may have any protocol."""

_REFUSED_BY = {
    part.name: [other for other in _PARTS if other.negate and set(part.whose) <= set(other.whose)]
    for part in _PARTS
    if not part.negate
}
"""By the words for what a subject must be, the parts that exclude all whom they can describe."""


@check
def never_matches(policy: Policy, host: Host) -> Iterator[Issue]:
    """A rule of which some conditions exclude each other."""
    for said in _contradictions(policy.selector, host):
        yield warning(said[0] or policy.span, f"no rule of the policy ever matches: {said[1]}")
        return
    for rule in policy.rules:
        for span, why in _of_rule(rule, policy.selector, host):
            yield warning(span or rule.span, f"rule {rule.name!r} never matches: {why}")
            break


def are_apart(one: Rule, other: Rule, host: Host) -> bool:
    """Tell whether surely nothing that one of the rules matches is matched by the other."""
    if any(excluding(one.conditions + other.conditions, host.resolve)):
        return True
    wanted = {flag.field.name: flag.wanted for flag in one.flags}
    if any(wanted.get(flag.field.name, flag.wanted) is not flag.wanted for flag in other.flags):
        return True
    both = ((one.subject, other.subject), (other.subject, one.subject))
    excluded = (
        bool(refused and wanted_) and describes_all(refused, wanted_)
        for subject, others in both
        for word, parts in _REFUSED_BY.items()
        for wanted_ in (_part(subject, SUBJECT_PARTS[word]),)
        for refused in (_part(others, part) for part in parts)
    )
    together = (_both(_part(one.subject, part), _part(other.subject, part)) for part in _SINGLE)
    return any(excluded) or any(any(_contradictions(process, host)) for process in together)


_Said = tuple[Span | None, str]


def _of_rule(rule: Rule, selector: Process, host: Host) -> Iterator[_Said]:
    yield from _excluding(rule.conditions, host)
    yield from _numbers(rule)
    yield from _marks(rule)
    for word, excluding_it in _REFUSED_BY.items():
        wanted = _part(rule.subject, SUBJECT_PARTS[word])
        if word == "process":
            wanted = _both(selector, wanted)
        yield from _contradictions(wanted, host)
        for part in excluding_it:
            refused = _part(rule.subject, part)
            if refused and wanted and describes_all(refused, wanted):
                yield _place(refused), f"{part.name} excludes every process that {word} describes"


def _part(subject: Subject, part: PartSpec) -> Process:
    process: Process = getattr(subject, part.attribute)
    return process


def _both(one: Process, other: Process) -> Process:
    return Process(one.conditions + other.conditions, one.flags + other.flags)


def _contradictions(process: Process, host: Host) -> Iterator[_Said]:
    yield from _excluding(process.conditions, host)
    seen: dict[str, Flag] = {}
    for flag in process.flags:
        if seen.setdefault(flag.field.name, flag).wanted is not flag.wanted:
            yield flag.span, f"{flag.field.name} must be true and false"


def _excluding(conditions: tuple[Condition, ...], host: Host) -> Iterator[_Said]:
    for condition in excluding(conditions, host.resolve):
        yield (
            condition.span,
            f"all of its conditions must hold, and those on {condition.field.name} exclude each other",
        )


def _numbers(rule: Rule) -> Iterator[_Said]:
    """Find numbers that no socket has together, and a signal that is none."""
    given = {c.field.dim: c for c in rule.conditions if not c.negate}
    protocol, port = given.get(Dim.PROTOCOL), given.get(Dim.PORT)
    kind = given.get(Dim.TYPE)
    if rule.event == "process" and "signal" in {operation.name for operation in rule.operations}:
        code = given.get(Dim.CODE)
        if code is not None and _all_of(code, {0}):
            yield code.span, "asking whether a process exists (signal 0) is not a signal"
    if rule.event != "network" or protocol is None:
        return
    if port is not None and _all_of(protocol, _PORTLESS):
        yield port.span, "sockets of this protocol have no port"
    for name, types in _TYPES.items() if _is_of_ip(rule) else ():
        if kind is not None and _all_of(protocol, {name}) and _all_of(kind, types):
            yield protocol.span, "no socket of this type has this protocol"


def _is_of_ip(rule: Rule) -> bool:
    """Tell whether numbers of protocols are those of IP, unless *rule* is for other families."""
    families = [c for c in rule.conditions if c.field.dim is Dim.FAMILY]
    return all(not c.negate and _all_of(c, WITH_ADDRESS) for c in families)


def _all_of(condition: Condition, numbers: Collection[int]) -> bool:
    """Tell whether *condition* holds for no numbers but these."""
    return all(isinstance(v, Interval) and v.low == v.high in numbers for v in condition.values)


def _marks(rule: Rule) -> Iterator[_Said]:
    for asked in rule.within:
        for other in rule.within:
            same = (asked.mark, asked.policy) == (other.mark, other.policy)
            if same and not asked.negate and other.negate and other.last_ns >= asked.last_ns:
                yield other.span, f"within and notWithin on mark {asked.mark} exclude each other"


def _place(process: Process) -> Span | None:
    first = next(iter(process.conditions), None)
    return first.span if first is not None else process.flags[0].span
