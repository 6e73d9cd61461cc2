# SPDX-License-Identifier: MIT
"""
Rules to rows: the flat list that the kernel side walks, in policy order, with the origin of each row.

Defaults become the last rows of their policy. Guards follow the rule that implies them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Final

import attrs

from enforcer.compiler import guards, limits
from enforcer.compiler.atoms import Atoms, Term, TermKind
from enforcer.compiler.attempts import asking
from enforcer.compiler.favours import favouring
from enforcer.compiler.implied import (
    freed_when_detached,
    guard_ops,
    is_on_code,
    layer_ops,
    layers_behind,
    linked_guard_ops,
    named,
)
from enforcer.compiler.marks import Marks, asked_by
from enforcer.compiler.patterns import Form
from enforcer.compiler.rows import Row, RowFlag, RowInfo, RowKind, each_of, in_doubt
from enforcer.compiler.subjects import Subjects, flag_masks
from enforcer.errors import PolicyError
from enforcer.policy.language.operations import BY_DESCRIPTOR
from enforcer.policy.language.vocabulary import EVENTS, Dim, ObjectFlag, Op, OpSpec
from enforcer.policy.model.loaders import is_asked, loaded_ops
from enforcer.policy.model.policy import (
    Action,
    Condition,
    Mode,
    OnError,
    Policy,
    PolicySet,
    Rule,
    Verb,
    default_name,
)
from enforcer.policy.model.workloads import by_root, named_inside
from enforcer.span import Span

__all__ = [
    "Row",
    "RowFlag",
    "RowInfo",
    "RowKind",
    "default_ops",
    "descriptor_ops",
    "lower",
    "rule_ops",
    "strict_behind",
]

_NO_FLAGS: Final = RowFlag(0)


def lower(policies: PolicySet, atoms: Atoms, subjects: Subjects, marks: Marks) -> list[Row]:
    """
    Return the rows of *policies*.

    Raises:
        LimitError: there are too many of something.
        PolicyError: a rule asks for two things that no one operation knows, or about a mark that no rule
            sets.
    """
    # Policies without a namespace first: what these ask for is known by its number, and they find room if anybody does.
    numbered = sorted(enumerate(policies.policies), key=lambda each: bool(each[1].namespace))
    for _, policy in numbered:
        marks.learn(policy)
    found: dict[int, list[Row]] = {}
    count = 0
    for number, policy in numbered:
        limits.check("ENF_MAX_POLICIES", len(found) + 1, "policies", policy.span)
        if policy.namespace:
            atoms.end_of_own()
        own = found[number] = []
        for row in _Lowering(number, policy, atoms, subjects, marks).rows():
            own.append(row)
            count += 1
            limits.check("ENF_MAX_ROWS", count, "rules, with defaults and guards", row.info.span)
    rows = [row for number in sorted(found) for row in found[number]]
    return favouring(_overwriting(rows), marks.favouring)


def _overwriting(rows: list[Row]) -> list[Row]:
    """
    Let rows on writing also speak of what an append-only descriptor does besides appending.

    Where no row tells the one from the other, the open has been decided as both, and nobody need ask again.
    """
    write, append = 1 << Op.WRITE, 1 << Op.APPEND
    if all(bool(row.ops & write) == bool(row.ops & append) for row in rows):
        return rows
    more = 1 << Op.OVERWRITE
    return [row._replace(ops=row.ops | more) if row.ops & write else row for row in rows]


@functools.cache
def _bits(ops: frozenset[Op]) -> int:
    return sum({1 << op for op in ops})


@attrs.define(eq=False, repr=False)
class _Lowering:
    """The rows of one policy."""

    number: int
    policy: Policy
    atoms: Atoms
    subjects: Subjects
    marks: Marks
    _by_loader: bool = attrs.field(init=False)
    _guarded: dict[tuple[int, OnError, frozenset[Op]], set[Form]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._by_loader = is_asked(self.policy)

    def rows(self) -> Iterator[Row]:
        """Yield all rows in order."""
        later = strict_behind(self.policy)
        layers = layers_behind(self.policy, asked=self._by_loader)
        for index, rule in enumerate(self.policy.rules):
            yield from self._rule(index, rule, later[index] | layers[index])
        for event, action in self.policy.defaults.items():
            yield from self._default(event, action)

    # ---- Rules -------------------------------------------------------------------------------

    def _rule(self, index: int, rule: Rule, behind: frozenset[Op]) -> Iterator[Row]:
        wanted, unwanted = flag_masks(rule.flags)
        subjects = self.subjects.of_rule(self.policy, rule)
        named = named_inside(self.policy, rule)
        conjunctions = list(self._conjunctions(named))
        info = self._info(rule.action, rule.span, rule.event, RowKind.RULE, rule=rule, index=index)
        asks = RowFlag.WITHIN if rule.within else 0
        is_strict = rule.action.verb >= Verb.DENY
        in_layers = layer_ops(rule, asked=self._by_loader)
        own = rule_ops(rule) | loaded_ops(rule, asked=self._by_loader)
        plain = Row(
            ops=_bits(own | in_layers if is_strict else own),
            terms=(),
            flags_set=wanted,
            flags_clear=unwanted,
            policy=self.number,
            subject=0,
            action=0 if rule.only_marks else rule.action.verb,
            on_error=rule.on_error,
            error=rule.action.errno,
            signal=rule.action.signal,
            flags=self._flags(None if rule.only_marks else rule.action) | asks,
            info=info,
            mark=self.marks.number_of(self.policy, rule),
            limit=self.marks.limit_of(rule),
        )
        yield from each_of(plain, subjects, conjunctions)
        again = frozenset() if rule.strict else descriptor_ops(rule)
        through = (again | in_layers) & behind
        plain = plain._replace(mark=0)  # it is the rule that marks, not what it implies
        is_open = rule.action.verb in {Verb.ALLOW, Verb.LOG} and not rule.only_marks
        if through and is_open:
            # What may be opened may be read, and run by either name: else a rule below would take it back.
            silent = plain._replace(
                ops=_bits(through),
                action=Verb.ALLOW,
                on_error=OnError.SKIP,
                flags=self._flags(None) | asks,
            )
            yield from each_of(silent, subjects, conjunctions)
        if (free := freed_when_detached(rule)) is not None:
            silent = plain._replace(
                ops=_bits(frozenset((Op.MOUNT,))),
                flags_set=ObjectFlag.DETACHED,
                action=Verb.ALLOW,
                on_error=OnError.SKIP,
                flags=self._flags(None),
            )
            yield from each_of(silent, subjects, list(self._conjunctions(free)))
        if rule.attempts is not None:
            yield from self._attempts(rule, subjects, plain)
        kept = named if is_strict else by_root(self.policy, rule)
        yield from self._guard(kept, subjects, plain)

    def _attempts(self, rule: Rule, subjects: tuple[int, ...], plain: Row) -> Iterator[Row]:
        """Yield what records attempts: it is too late for anything else, and in doubt it records."""
        asks = RowFlag.WITHIN if rule.within else 0
        row = plain._replace(
            ops=_bits(frozenset((Op.ATTEMPT,))),
            action=Verb.LOG,
            on_error=OnError.LOG,
            flags=self._flags(None) | asks,
            info=attrs.evolve(plain.info, kind=RowKind.ATTEMPT, verb=Verb.LOG, mark=None),
        )
        yield from each_of(row, subjects, list(self._conjunctions(asking(rule))))

    def _conjunctions(self, rule: Rule) -> Iterator[tuple[Term, ...]]:
        asked = self.marks.terms(self.policy, rule)  # first: that is where a record looks for them
        choices = [self.atoms.terms(condition) for condition in rule.conditions]
        for chosen in itertools.product(*choices):
            terms = asked + tuple(sorted({term for part in chosen for term in part}))
            limits.check("ENF_MAX_TERMS", len(terms), "conditions of a rule", rule.span)
            yield terms

    # ---- Guards ------------------------------------------------------------------------------

    def _guard(self, rule: Rule, subjects: tuple[int, ...], plain: Row) -> Iterator[Row]:
        kept = guard_ops(rule)
        if not kept:
            return
        paths = [c for c in rule.conditions if c.field.dim == Dim.PATH]
        is_strict = rule.action.verb >= Verb.DENY
        action = Verb.DENY if is_strict else Verb.ALLOW
        guard = plain._replace(
            ops=_bits(kept),
            flags_set=0,
            flags_clear=0,
            action=action,
            flags=self._flags(None) | RowFlag.GUARD,
            info=attrs.evolve(plain.info, kind=RowKind.GUARD, verb=action),
        )
        for subject, on_error in in_doubt(subjects, rule.on_error):
            row = guard._replace(subject=subject, on_error=on_error)
            names = self._kept(rule, paths, row) if is_strict else [self._own(rule, paths)]
            for terms, doubt in in_doubt(list(names), on_error):
                yield row._replace(terms=tuple(sorted(set(terms))), on_error=doubt)
        if not (linked_ops := linked_guard_ops(rule)):
            return
        guard = guard._replace(ops=_bits(linked_ops))
        if own := self._own(rule, paths, is_linked=True):
            yield from each_of(guard, subjects, [tuple(sorted(set(own)))])

    def _kept(self, rule: Rule, paths: list[Condition], row: Row) -> Iterator[list[Term]]:
        """
        Yield what keeps the names of a strict rule in place: its own and the directories above.

        Directories that an earlier rule keeps for the subject of *row* are left to it: of a thousand
        rules below /srv one keeps /srv.
        """
        above = {
            directory: None
            for condition in paths
            if not condition.negate
            for directory in self.atoms.above(condition)
        }
        known = self._guarded.setdefault((row.subject, row.on_error, guard_ops(rule)), set())
        fresh = {directory for directory in above if directory not in known}
        known |= fresh
        own = self._own(rule, paths)
        if len(paths) == 1 and own:
            fresh |= self.atoms.all[own[0].atom].forms
            own = []
        if fresh:
            yield [_path_term(self.atoms.of_paths(fresh, rule.span))]
        if own:
            yield own

    def _own(self, rule: Rule, paths: list[Condition], *, is_linked: bool = False) -> list[Term]:
        """
        Return the terms of the names that the rule itself is about; none: it keeps no name.

        *is_linked*: only of those of files that have other names.
        """
        others = self.atoms.has_other_names
        out: list[Term] = []
        for condition in paths:
            if condition.negate:
                out += self.atoms.terms(condition)[0]
                continue
            kept = [
                kept
                for text, spelled in self.atoms.spelled(condition).items()
                for form in spelled
                for kept in guards.itself(form, text.kind, is_code=is_on_code(rule))
                if not is_linked or others(kept)
            ]
            if not kept:
                return []
            out.append(_path_term(self.atoms.of_paths(kept, condition.span)))
        return out

    # ---- Defaults ----------------------------------------------------------------------------

    def _default(self, event: str, action: Action) -> Iterator[Row]:
        strict = action.verb >= Verb.DENY
        ops = default_ops(self.policy, event)
        for subject in self.subjects.of_policy(self.policy):
            yield Row(
                ops=_bits(ops),
                terms=(),
                flags_set=0,
                flags_clear=0,
                policy=self.number,
                subject=subject,
                action=action.verb,
                on_error=OnError.DENY if strict else OnError.SKIP,
                error=action.errno,
                signal=action.signal,
                flags=self._flags(action) | RowFlag.DEFAULT,
                info=self._info(action, self.policy.span, event, RowKind.DEFAULT),
            )

    # ---- Parts -------------------------------------------------------------------------------

    def _flags(self, action: Action | None) -> RowFlag:
        flags = RowFlag.AUDIT if self.policy.mode is Mode.AUDIT else _NO_FLAGS
        inherited = self.policy.message if self.policy.record_allowed else None
        if action and action.verb is Verb.ALLOW and (action.message or inherited):
            flags |= RowFlag.RECORD
        return flags

    def _info(
        self,
        action: Action,
        span: Span,
        event: str,
        kind: RowKind,
        *,
        rule: Rule | None = None,
        index: int = -1,
    ) -> RowInfo:
        return RowInfo(
            policy=self.policy.name,
            rule=rule.name if rule else default_name(event),
            span=span,
            verb=action.verb,
            message=action.message or self.policy.message,
            kind=kind,
            event=event,
            mode=self.policy.mode,
            syscall=rule.syscall if rule else None,
            point=rule.point if rule else None,
            severity=rule.severity if rule else "medium",
            tags=rule.tags if rule else (),
            rule_index=index,
            only_marks=bool(rule and rule.only_marks),
            mark=rule.mark.name if rule and rule.mark else None,
            asked=asked_by(self.policy, rule),
        )


def _path_term(atom: int) -> Term:
    return Term(atom, Dim.PATH, TermKind.ATOM, 0, 0, 0)


def strict_behind(policy: Policy) -> list[frozenset[Op]]:
    """For each rule of *policy*, return the descriptor operations that rules behind it decide."""
    seen: frozenset[Op] = frozenset()
    out: list[frozenset[Op]] = []
    for rule in reversed(policy.rules):
        out.append(seen)
        if rule.strict:
            seen |= descriptor_ops(rule)
    return out[::-1]


def descriptor_ops(rule: Rule) -> frozenset[Op]:
    """Return what stands for the rule's opens on a descriptor that is open already."""
    return _descriptors(rule.operations) if rule.event == "file" else frozenset()


@functools.lru_cache(maxsize=1024)
def _descriptors(operations: tuple[OpSpec, ...]) -> frozenset[Op]:
    return frozenset(BY_DESCRIPTOR[op] for op in named(operations) if op in BY_DESCRIPTOR)


def rule_ops(rule: Rule) -> frozenset[Op]:
    """
    Return what *rule* itself decides.

    Raises:
        PolicyError: it asks for two things that no one operation knows.
    """
    if rule.event != "exec":
        ops = named(rule.operations)
        return ops | descriptor_ops(rule) if rule.strict else ops
    has_args = any(c.field.dim == Dim.ARG_ANY for c in rule.conditions)
    asks_caps = any(flag.field.flag == ObjectFlag.FILECAPS for flag in rule.flags)
    if has_args and asks_caps:
        msg = "args and fileCapabilities are known at different times of an exec: write two rules"
        raise PolicyError(msg, rule.span)
    if has_args:
        return frozenset((Op.EXEC_ARGV,))
    return frozenset((Op.EXEC_CREDS,)) if asks_caps else frozenset((Op.EXEC,))


def default_ops(policy: Policy, event: str) -> frozenset[Op]:
    """Return what the default of *policy* for *event* decides."""
    ops = frozenset(EVENTS[event].everything)
    return ops | {Op.EXEC_LOADED} if event == "exec" and is_asked(policy) else ops
