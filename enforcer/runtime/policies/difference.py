# SPDX-License-Identifier: MIT
"""
Compare two sets of policies by the names of policies and rules.

The comparison uses digests. They are small enough to keep, and they do not contain places: a rule that
only moved down some lines has not changed. The order of rules counts, since the first match decides.
The order of policies does not count, since the strictest verdict wins.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.policy.language.vocabulary import FieldSpec, OpSpec
from enforcer.policy.model.policy import Policy, PolicySet, Rule
from enforcer.policy.text.digest import fingerprint
from enforcer.span import Span

if TYPE_CHECKING:
    from enforcer.runtime.control.answers import ChangedPolicy, Difference, NamedPolicy, NamedRule

__all__ = [
    "Change",
    "Digests",
    "Named",
    "PolicyChange",
    "PolicyDigest",
    "RuleDigest",
    "RulesChange",
    "describe",
    "difference",
    "digest_policies",
]

MAX_SHOWN: Final = 20
"""Rules of one policy that :func:`describe` names; of the others it says how many they are."""

# ---- Digests ---------------------------------------------------------------------------------


@attrs.frozen
class RuleDigest:
    """One rule. *is_numbered*: its name is its number, so that it may have another one elsewhere."""

    line: int
    column: int
    digest: bytes
    is_numbered: bool


@attrs.frozen
class PolicyDigest:
    """One policy; *head* is the digest of all but its name, mode and rules; rules are in order."""

    file: str
    line: int
    column: int
    mode: str
    head: bytes
    rules: dict[str, RuleDigest]

    @property
    def place(self) -> str:
        """Where the policy begins."""
        return f"{self.file}:{self.line}:{self.column}"

    def place_of(self, rule: str) -> str:
        """Say where *rule* begins."""
        found = self.rules[rule]
        return f"{self.file}:{found.line}:{found.column}"


@attrs.frozen
class Digests:
    """What to remember of a set of policies, by name; can be pickled."""

    policies: dict[str, PolicyDigest] = attrs.field(factory=dict)

    def as_one(self) -> str:
        """Return one digest of all; files, places and the order of policies make no difference."""
        plain = [
            (
                name,
                policy.mode,
                policy.head,
                [(rule, found.digest) for rule, found in policy.rules.items()],
            )
            for name, policy in sorted(self.policies.items())
        ]
        return fingerprint(plain).hex()


def digest_policies(policies: PolicySet) -> Digests:
    """Take the digests of *policies*."""
    return Digests({policy.name: _digest_policy(policy) for policy in policies.policies})


def _digest_policy(policy: Policy) -> PolicyDigest:
    return PolicyDigest(
        file=policy.span.file,
        line=policy.span.line,
        column=policy.span.column,
        mode=policy.mode.value,
        head=fingerprint(_HEAD(policy)),
        rules=_digest_rules(policy),
    )


def _digest_rules(policy: Policy) -> dict[str, RuleDigest]:
    """Of a list of system calls the parts have one name, and are one rule to whoever wrote it."""
    parts: dict[str, list[Rule]] = {}
    for rule in policy.rules:
        parts.setdefault(rule.name, []).append(rule)
    return {
        name: RuleDigest(
            same[0].span.line,
            same[0].span.column,
            fingerprint(tuple(map(_RULE, same))),
            is_numbered=name == f"rule-{number}",
        )
        for number, (name, same) in enumerate(parts.items(), start=1)
    }


def _plain(value: object) -> Hashable:
    """Return *value* without places, made of what prints the same in every process."""
    kind = type(value)
    return _FORMS[kind](value) if kind in _FORMS else _form(kind)(value)


def _form(kind: type) -> Callable[[Any], Hashable]:
    """
    Find out how values of *kind* become plain, and remember it.

    By looking at the class: what is added to the model changes digests without anybody's doing.
    """
    if issubclass(kind, enum.Enum):
        form: Callable[[Any], Hashable] = attrgetter("name")
    elif kind in {FieldSpec, OpSpec}:
        form = attrgetter("name")  # the rest of these is the language, not the policy
    elif kind is Span:
        form = _nothing
    elif attrs.has(kind):
        form = _fields_of(kind)
    else:
        msg = f"a policy has a {kind.__name__} in it, which has no digest"
        raise TypeError(msg)
    _FORMS[kind] = form
    return form


def _fields_of(kind: type, *without: str) -> Callable[[Any], Hashable]:
    left_out = {"span", "lifted_from", "notes", *without}  # what was written, not what it means
    names = [field.name for field in attrs.fields(kind) if field.name not in left_out]

    def form(value: object) -> Hashable:
        return (kind.__name__, *[_plain(getattr(value, name)) for name in names])

    return form


def _same(value: Hashable) -> Hashable:
    return value


def _nothing(_: object) -> None:
    return None


def _list(value: tuple[object, ...]) -> Hashable:
    return tuple(map(_plain, value))


def _mapping(value: dict[str, object]) -> Hashable:
    return tuple((key, _plain(value[key])) for key in sorted(value))


_FORMS: Final[dict[type, Callable[[Any], Hashable]]] = {
    **dict.fromkeys((str, bytes, int, bool, type(None)), _same),
    tuple: _list,
    dict: _mapping,
}

_HEAD: Final = _fields_of(Policy, "name", "mode", "rules")
_RULE: Final = _fields_of(Rule, "name")

# ---- Changes ---------------------------------------------------------------------------------


@attrs.frozen
class Named:
    """A policy or rule, and where it is, or was."""

    name: str
    place: str


@attrs.frozen
class RulesChange:
    """What happened to the rules of a policy; *reordered* is about those in both versions."""

    added: tuple[Named, ...] = ()
    removed: tuple[Named, ...] = ()
    changed: tuple[Named, ...] = ()
    reordered: bool = False

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.reordered)


@attrs.frozen
class PolicyChange:
    """
    A policy in both sets that is not the same.

    *mode* is the old and the new one if they differ. *head*: something before the rules has changed,
    such as the selector, a default or the message.
    """

    name: str
    place: str
    mode: tuple[str, str] | None
    head: bool
    rules: RulesChange


@attrs.frozen
class Change:
    """The difference of two sets of policies."""

    added: tuple[Named, ...] = ()
    removed: tuple[Named, ...] = ()
    changed: tuple[PolicyChange, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Both sets say the same, though perhaps in other places."""
        return not (self.added or self.removed or self.changed)

    def as_dict(self) -> Difference:
        """Return what the control socket says of it."""
        return {
            "added": _policies(self.added),
            "removed": _policies(self.removed),
            "changed": [_changed(policy) for policy in self.changed],
        }


def _changed(policy: PolicyChange) -> ChangedPolicy:
    return {
        "policy": policy.name,
        "place": policy.place,
        "mode": list(policy.mode) if policy.mode else None,
        "head": policy.head,
        "rules": {
            "added": _rules(policy.rules.added),
            "removed": _rules(policy.rules.removed),
            "changed": _rules(policy.rules.changed),
            "reordered": policy.rules.reordered,
        },
    }


def _policies(named: Iterable[Named]) -> list[NamedPolicy]:
    return [{"policy": one.name, "place": one.place} for one in named]


def _rules(named: Iterable[Named]) -> list[NamedRule]:
    return [{"rule": one.name, "place": one.place} for one in named]


def difference(old: Digests, new: Digests) -> Change:
    """Compare two sets; places are the new ones, of what was removed the old ones."""
    before, after = old.policies, new.policies
    return Change(
        added=tuple(Named(n, p.place) for n, p in after.items() if n not in before),
        removed=tuple(Named(n, p.place) for n, p in before.items() if n not in after),
        changed=tuple(
            change
            for name, policy in after.items()
            if name in before and (change := _policy_change(name, before[name], policy))
        ),
    )


def _policy_change(name: str, old: PolicyDigest, new: PolicyDigest) -> PolicyChange | None:
    mode = (old.mode, new.mode) if old.mode != new.mode else None
    head, rules = old.head != new.head, _rules_change(old, new)
    return PolicyChange(name, new.place, mode, head, rules) if mode or head or rules else None


def _rules_change(old: PolicyDigest, new: PolicyDigest) -> RulesChange:
    pairs = _pairs(old.rules, new.rules)
    kept = set(pairs.values())
    place = {name: number for number, name in enumerate(new.rules)}
    order = [place[pairs[name]] for name in old.rules if name in pairs]
    return RulesChange(
        added=tuple(Named(n, new.place_of(n)) for n in new.rules if n not in kept),
        removed=tuple(Named(n, old.place_of(n)) for n in old.rules if n not in pairs),
        changed=tuple(
            Named(now, new.place_of(now))
            for was, now in pairs.items()
            if old.rules[was].digest != new.rules[now].digest
        ),
        reordered=order != sorted(order),
    )


def _pairs(old: dict[str, RuleDigest], new: dict[str, RuleDigest]) -> dict[str, str]:
    """
    Say which rule has become which.

    By name; but a rule without a name of its own is called after its number, which changes with every
    rule put in above it. Such a rule is found by what it says, as long as it says the same.
    """
    pairs = {n: n for n, rule in old.items() if n in new and new[n].digest == rule.digest}
    moved: dict[bytes, deque[str]] = {}
    for name, rule in new.items():
        if rule.is_numbered and name not in pairs:
            moved.setdefault(rule.digest, deque()).append(name)
    for name, rule in old.items():
        if rule.is_numbered and name not in pairs and moved.get(rule.digest):
            pairs[name] = moved[rule.digest].popleft()
    taken = set(pairs.values())
    for name in old:
        if name not in pairs and name in new and name not in taken:
            pairs[name] = name
    return pairs


# ---- In words --------------------------------------------------------------------------------


def describe(change: Change) -> list[str]:
    """Write *change* in lines for people, one for each policy."""
    return [
        *(f"+ policy {one.name} ({one.place})" for one in change.added),
        *(f"~ policy {one.name}: {', '.join(_words(one))}" for one in change.changed),
        *(f"- policy {one.name} ({one.place})" for one in change.removed),
    ]


def _words(policy: PolicyChange) -> Iterator[str]:
    if policy.mode:
        yield f"mode {policy.mode[1]}, was {policy.mode[0]} ({policy.place})"
    if policy.head:
        yield f"head changed ({policy.place})"
    rules = policy.rules
    found = [
        f"rule {rule.name} {word} ({rule.place})"
        for word, named in (
            ("changed", rules.changed),
            ("added", rules.added),
            ("removed", rules.removed),
        )
        for rule in named
    ]
    yield from found[:MAX_SHOWN]
    if len(found) > MAX_SHOWN:
        yield f"{len(found) - MAX_SHOWN} more rules"
    if rules.reordered:
        yield "order of rules changed"
