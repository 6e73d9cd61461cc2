# SPDX-License-Identifier: MIT
"""
The check for policies that would lock the administrator out of the shell, the service manager, sshd or
enforcer itself. It decides on everything that these must be able to do, as the kernel would, for the
process that does it.
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable, Iterable, Iterator

import attrs

from enforcer.policy.language.subject_parts import SUBJECT_PARTS, Whose
from enforcer.policy.language.vocabulary import EVENTS, Dim, Op
from enforcer.policy.lint.issues import Host, Issue, check, is_for_everybody, warning
from enforcer.policy.lint.lockout_needs import Actor, EnforcerPrograms, Need, Target, vital_needs
from enforcer.policy.model.coverage import kernel_operations
from enforcer.policy.model.glob_match import accepts, literal_directory
from enforcer.policy.model.policy import (
    Address,
    CapabilityMask,
    Condition,
    Flag,
    Interval,
    Mask,
    Mode,
    Policy,
    Process,
    Rule,
    Subject,
    Text,
    TextKind,
    Value,
    Verb,
)

__all__ = ["breaks_the_machine", "hits_everything"]


@check
def breaks_the_machine(policy: Policy, host: Host) -> Iterator[Issue]:
    """A deny or kill that hits the machine's own programs."""
    actions = [*policy.defaults.values(), *(rule.action for rule in policy.rules)]
    if policy.mode is Mode.AUDIT or all(action.verb < Verb.DENY for action in actions):
        return  # refuses nothing
    for rule, refused in _refused(policy, _vital(host.own, host.exists)).items():
        span = policy.span if isinstance(rule, str) else rule.span
        yield warning(span, _sentence(policy, rule, refused))


@check
def hits_everything(policy: Policy, host: Host) -> Iterator[Issue]:
    """A deny or kill without conditions, and without an allow rule above it."""
    del host
    allowed: set[Op] = set()
    for rule in policy.rules:
        if _is_passing(rule):
            continue
        ops = set(kernel_operations(rule))
        if rule.action.verb is Verb.ALLOW:
            allowed |= ops
        if (
            rule.action.verb >= Verb.DENY
            and is_for_everybody(policy, rule)
            and not rule.conditions
            and not rule.flags
            and not ops & allowed
        ):
            what = ", ".join(o.name for o in rule.operations)
            yield warning(
                rule.span,
                f"rule {rule.name!r} refuses every {what} by every process: give it a match",
            )


def _is_passing(rule: Rule) -> bool:
    """Tell whether *rule* does not decide most of the time, as far as can be known: marks come later."""
    asked = rule.within
    refuses = rule.action.verb >= Verb.DENY
    return rule.only_marks or bool(asked and not (refuses and all(one.negate for one in asked)))


# ---- In words --------------------------------------------------------------------------------


def _sentence(policy: Policy, rule: Rule | str, refused: list[Need]) -> str:
    """Say who is refused what by a rule, or by the default for an event, and what to do."""
    if isinstance(rule, str):
        said, is_wide, is_meant = f"the default for {rule}", not policy.selector, False
    else:
        said, is_wide = f"rule {rule.name!r}", is_for_everybody(policy, rule)
        is_meant = all(_is_named(rule, need.target) for need in refused)
    who = "everybody" if is_wide else _listed(need.actor.name for need in refused)
    what: dict[str, dict[str, None]] = {}
    for need in refused:
        what.setdefault(need.verb, {})[need.what] = None
    deeds = " and to ".join(f"{verb} {_listed(things)}" for verb, things in what.items())
    remedy = "start it with --confirm-within, so that it ends unless you confirm"
    if is_wide and not is_meant:
        remedy = (
            "name the processes under process or selector, put an allow rule for those above "
            "it, or "
        ) + remedy
    return f"{said} forbids {who} to {deeds}, and you may be locked out: {remedy}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _event(op: Op) -> str:
    """Return the event whose default decides *op*; none does for what must be named."""
    return next((e.name for e in EVENTS.values() if op in e.everything), "")


def _is_named(rule: Rule, target: Target) -> bool:
    """Tell whether the author wrote this very file down."""
    return any(
        isinstance(value, Text) and value.kind is TextKind.EXACT and _accepts(value, target)
        for condition in rule.conditions
        if not condition.negate
        for value in condition.values
    )


# ---- Deciding --------------------------------------------------------------------------------


@attrs.frozen
class _Vital:
    """
    What a machine needs, in the order in which policies are asked about it.

    Attributes:
        needs: by operation and thing.
        actors: all of them, each once.
        names: of all things, sorted.
    """

    needs: dict[Op, dict[Target, tuple[Need, ...]]]
    actors: tuple[Actor, ...]
    names: list[bytes]


@functools.lru_cache(maxsize=4)
def _vital(own: EnforcerPrograms, exists: Callable[[bytes], bool]) -> _Vital:
    needs = vital_needs(own, exists)
    sorted_in: dict[Op, dict[Target, tuple[Need, ...]]] = {}
    for need in needs:
        things = sorted_in.setdefault(need.op, {})
        things[need.target] = (*things.get(need.target, ()), need)
    return _Vital(
        needs=sorted_in,
        actors=tuple(dict.fromkeys(need.actor for need in needs)),
        names=sorted({name for things in sorted_in.values() for t in things for name in _names(t)}),
    )


def _refused(policy: Policy, vital: _Vital) -> dict[Rule | str, list[Need]]:
    """
    Say what of *vital* is refused by which rule, or by the default for which event.

    Rule by rule, each asked about a thing once: a large policy has many rules, and few are near.
    """
    concerned = {actor for actor in vital.actors if _is(policy.selector, actor)}
    undecided: dict[Op, dict[Target, list[Need]]] = {}

    def still_open(op: Op) -> dict[Target, list[Need]]:
        if op not in undecided:
            undecided[op] = {
                target: [need for need in needs if need.actor in concerned]
                for target, needs in vital.needs.get(op, {}).items()
            }
        return undecided[op]

    refused: dict[Rule | str, list[Need]] = {}
    for rule in policy.rules:
        if _is_passing(rule) or not _is_near(rule, vital.names):
            continue
        found = _Findings(rule)
        for op in kernel_operations(rule):
            for target, open_needs in still_open(op).items():
                if not open_needs or not found.holds(target):
                    continue
                decided = [need for need in open_needs if found.acts(need.actor)]
                open_needs[:] = [need for need in open_needs if not found.acts(need.actor)]
                if decided and rule.action.verb >= Verb.DENY:
                    refused.setdefault(rule, []).extend(decided)
    for op in vital.needs:
        event = _event(op)
        default = policy.defaults.get(event)
        if default is None or default.verb < Verb.DENY:
            continue
        left = [need for open_needs in still_open(op).values() for need in open_needs]
        if left:
            refused.setdefault(event, []).extend(left)
    return refused


@attrs.frozen
class _Findings:
    """What one rule says of each thing and each actor, asked once."""

    rule: Rule
    _things: dict[Target, bool] = attrs.field(factory=dict)
    _actors: dict[Actor, bool] = attrs.field(factory=dict)

    def holds(self, target: Target) -> bool:
        """Tell whether the rule is about *thing*."""
        if target not in self._things:
            self._things[target] = all(
                (f.field.name in target.flags) is f.wanted for f in self.rule.flags
            ) and all(_holds(c, target) for c in self.rule.conditions)
        return self._things[target]

    def acts(self, actor: Actor) -> bool:
        """Tell whether the rule is about *actor*."""
        if actor not in self._actors:
            self._actors[actor] = _acts(self.rule.subject, actor)
        return self._actors[actor]


def _is_near(rule: Rule, names: list[bytes]) -> bool:
    """Tell whether the paths of *rule* could be among *names*, which are sorted."""
    return all(
        condition.negate or condition.field.dim is not Dim.PATH or _begins_like(condition, names)
        for condition in rule.conditions
    )


def _begins_like(condition: Condition, names: list[bytes]) -> bool:
    """Tell whether a value begins like one of *names*."""
    for value in condition.values:
        if not isinstance(value, Text):
            return True
        head = value.value if value.kind is TextKind.EXACT else literal_directory(value)
        if head is None:
            return True
        at = bisect.bisect_left(names, head)
        if at < len(names) and names[at].startswith(head):
            return True
    return False


def _acts(subject: Subject, actor: Actor) -> bool:
    whom = {
        Whose.PROCESS: (actor,),
        Whose.PARENT: actor.above[:1],
        Whose.ANCESTOR: actor.above,
    }
    for part in SUBJECT_PARTS.values():
        wanted: Process = getattr(subject, part.attribute)
        if wanted:
            is_met = any(_is(wanted, each) for who in part.whose for each in whom[who])
            if is_met is part.negate:
                return False
    return True


def _is(process: Process, actor: Actor) -> bool:
    """Tell whether *actor*, a process of root with all capabilities, is what *process* describes."""
    return all(_describes(c, actor) for c in process.conditions) and all(
        _has(f, actor) is f.wanted for f in process.flags
    )


def _has(flag: Flag, actor: Actor) -> bool:
    return actor.is_script and flag.field.name == "script"


def _describes(condition: Condition, actor: Actor) -> bool:
    dim = condition.field.dim
    if dim is Dim.EXE:
        found = any(_accepts(v, actor.program) for v in condition.values)
    elif dim is Dim.CGROUP:
        found = any(isinstance(v, Text) and accepts(v, actor.cgroup) for v in condition.values)
    elif dim is Dim.CAPS:
        found = any(_has_capabilities(v) for v in condition.values)
    elif dim is Dim.CONTAINER:
        return False  # these are the host's own, in no container
    else:  # the numbers of users and groups
        found = any(_has_number(v, 0) for v in condition.values)
    return found is not condition.negate


def _has_capabilities(value: Value) -> bool:
    return isinstance(value, CapabilityMask) and (value.how != "none" or not value.mask)


def _holds(condition: Condition, target: Target) -> bool:
    """Tell whether *condition* surely holds; about what the operation has not, none does."""
    dim = condition.field.dim
    if dim is Dim.PATH:
        if target.path is None:
            return False
        return any(_accepts(v, target) for v in condition.values) is not condition.negate
    if dim is Dim.ADDR:
        return target.address is not None and _holds_address(condition, *target.address)
    number = {
        Dim.PORT: target.port,
        Dim.FAMILY: target.family,
        Dim.TYPE: target.type,
        Dim.PROTOCOL: target.protocol,
        Dim.CODE: target.code,
        Dim.TO_UID: target.to,
        Dim.TO_GID: target.to,
    }.get(dim or Dim.PATH)
    if number is None:
        return False
    counted = condition.field.counted(number)
    found = any(_has_number(v, n) for v in condition.values for n in counted)
    return found is not condition.negate


def _holds_address(condition: Condition, low: int, high: int) -> bool:
    """Tell it of every address from *low* to *high*."""
    networks = [v for v in condition.values if isinstance(v, Address)]
    if condition.negate:
        return all(high < network.low or network.high < low for network in networks)
    return any(network.low <= low and high <= network.high for network in networks)


def _has_number(value: Value, number: int) -> bool:
    if isinstance(value, Interval):
        return value.low <= number <= value.high
    if isinstance(value, Mask):
        masked = number & value.mask
        return masked != 0 if value.value is None else masked == value.value
    return False


def _accepts(value: Value, target: Target) -> bool:
    """Ask for every name of *thing*; those of single links count only where they are spelt out."""
    return isinstance(value, Text) and any(
        accepts(value, name)
        for name in _names(target)
        if value.kind is TextKind.EXACT or name not in target.also
    )


@functools.lru_cache(maxsize=1024)
def _names(target: Target) -> tuple[bytes, ...]:
    """Return the names of the file, as the kernel and as links of every machine have it."""
    names: list[bytes] = []
    for path in () if target.path is None else (target.path, *target.also):
        names.append(path)
        if path.startswith((b"/usr/bin/", b"/usr/sbin/", b"/usr/lib")):
            names.append(path.removeprefix(b"/usr"))
        elif path.startswith(b"/run/"):
            names.append(b"/var" + path)
    return tuple(names)
