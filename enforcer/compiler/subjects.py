# SPDX-License-Identifier: MIT
"""
Who acts: conditions on one process as labels, and conjunctions of labels as subjects.

Labels keep their numbers from one image to the next, since tasks carry them for their parents and
ancestors. A number is not given to another condition while tasks may carry it, even after the last rule
with the condition is gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from enforcer.compiler import layout, limits
from enforcer.compiler.atoms import Atoms, Term
from enforcer.errors import LimitError
from enforcer.policy.language.subject_parts import SUBJECT_PARTS, Whose
from enforcer.policy.language.vocabulary import Dim
from enforcer.policy.model.policy import Condition, Flag, Policy, Process, Rule, Subject
from enforcer.policy.model.workloads import seen_inside
from enforcer.policy.text.digest import fingerprint
from enforcer.span import Span

__all__ = [
    "EVERYBODY",
    "Label",
    "LabelNumbers",
    "NumbersExhaustedError",
    "ProcessKey",
    "Subjects",
    "flag_masks",
]

EVERYBODY: Final = 0
_SELF: Final = int(Whose.PROCESS)


@attrs.frozen
class Label:
    """Conditions on one process."""

    terms: tuple[Term, ...]
    flags_set: int
    flags_clear: int


NOBODY: Final = Label((), 0xFFFFFFFF, 0)
"""Holds the number of a label that this image has no more."""

SubjectTerm = tuple[int, int, int]
"""Label, whose it must be, negate."""

ProcessKey = tuple[frozenset[object], frozenset[object]]
"""What a process must be, whatever the order of writing."""


class NumbersExhaustedError(Exception):
    """No number is left that no task can carry, of a label or of a mark: only new ones for all can help."""


@attrs.frozen
class LabelNumbers:
    """
    Which condition on a process has which number.

    Attributes:
        known: by digest of the condition, every number given since the labels were made.
        used: the numbers that the active image keeps current.
        marks: number and birth (CLOCK_BOOTTIME, ns) of each mark of the active image.
    """

    known: Mapping[str, int] = attrs.field(factory=dict)
    used: frozenset[int] = frozenset()
    marks: Mapping[str, tuple[int, int]] = attrs.field(factory=dict)


@attrs.define(eq=False, repr=False)
class Subjects:
    """
    All labels and subjects of one image.

    *before*: the numbers of the active image.
    """

    atoms: Atoms
    before: LabelNumbers = attrs.field(factory=LabelNumbers)
    sources: dict[ProcessKey, int] = attrs.field(factory=dict)
    needs_lineage: bool = False
    _labels: dict[int, Label] = attrs.field(factory=dict)
    _numbers: dict[tuple[SubjectTerm, ...], int] = attrs.field(factory=lambda: {(): EVERYBODY})
    _known: dict[tuple[ProcessKey, ...], tuple[tuple[SubjectTerm, ...], ...]] = attrs.field(
        factory=dict
    )

    def of_rule(self, policy: Policy, rule: Rule) -> tuple[int, ...]:
        """Return the subjects of *rule*; more than one are alternatives."""
        return self._of(*seen_inside(policy, rule), rule.span)

    def of_policy(self, policy: Policy) -> tuple[int, ...]:
        """Return the subjects that *policy* selects."""
        return self._of(*seen_inside(policy), policy.span)

    @property
    def numbers(self) -> LabelNumbers:
        """The numbers that the next image must keep."""
        given = {_digest(key): number for key, number in self.sources.items()}
        return LabelNumbers({**self.before.known, **given}, frozenset(self.sources.values()))

    @property
    def labels(self) -> list[Label]:
        """Labels by number."""
        count = max(self._labels, default=-1) + 1
        return [self._labels.get(n, NOBODY) for n in range(count)]

    @property
    def all(self) -> list[tuple[SubjectTerm, ...]]:
        """Subjects by number."""
        return list(self._numbers)

    def _of(self, selector: Process, subject: Subject, span: Span) -> tuple[int, ...]:
        selector = self.atoms.settled(selector)
        settled = {
            part.attribute: self.atoms.settled(getattr(subject, part.attribute))
            for part in SUBJECT_PARTS.values()
        }
        subject = Subject(**settled)
        parts = (selector, *settled.values())
        if not any(parts):
            return (EVERYBODY,)
        key = tuple(_key(part) for part in parts)
        if key not in self._known:
            self._known[key] = tuple(self._conjunctions(selector, subject, span))
        return tuple(self._number(terms, span) for terms in self._known[key])

    def _conjunctions(
        self, selector: Process, subject: Subject, span: Span
    ) -> Iterator[tuple[SubjectTerm, ...]]:
        fixed: set[SubjectTerm] = set()
        choices = [[(label, _SELF, 0) for label in self._label(selector, span)]] if selector else []
        for part in SUBJECT_PARTS.values():
            wanted: Process = getattr(subject, part.attribute)
            if not wanted:
                continue
            self.needs_lineage |= part.is_above
            labels = self._label(wanted, span)
            terms = [(n, int(who), int(part.negate)) for who in part.whose for n in labels]
            if part.negate:
                fixed.update(terms)
            else:
                choices.append(terms)
        for chosen in itertools.product(*choices):
            together = tuple(sorted(fixed.union(chosen)))
            if len(together) > layout.SUBJECT_TERMS:
                msg = (
                    "the conditions on process, parent and ancestors come to "
                    f"{len(together)} terms, the limit is {layout.SUBJECT_TERMS} "
                    "(ENF_SUBJECT_TERMS)"
                )
                raise LimitError(msg, span)
            yield together

    def _number(self, terms: tuple[SubjectTerm, ...], span: Span) -> int:
        number = self._numbers.setdefault(terms, len(self._numbers))
        limits.check("ENF_MAX_SUBJECTS", number + 1, "distinct subjects", span)
        return number

    def _label(self, process: Process, span: Span) -> tuple[int, ...]:
        """Return the labels of *process*; more than one are alternatives."""
        key = _key(process)
        known = self.sources.get(key)
        if known is not None:
            return (known,)
        choices = [self.atoms.terms(condition) for condition in process.conditions]
        combined = [tuple(t for part in p for t in part) for p in itertools.product(*choices)]
        if len(combined) == 1:
            return (self._add(process, combined[0], span),)
        # Alternatives have no single source: they are processes with one value each.
        return tuple(number for part in _one_by_one(process) for number in self._label(part, span))

    def _add(self, process: Process, terms: tuple[Term, ...], span: Span) -> int:
        wanted, unwanted = flag_masks(process.flags)
        limits.check("ENF_MAX_TERMS", len(terms), "conditions on one process", span)
        key = _key(process)
        number = self.before.known.get(_digest(key))
        if number is None:
            taken = {*self.before.known.values(), *self.sources.values()}
            number = next(n for n in itertools.count() if n not in taken)
        if number >= limits.LIMITS["ENF_MAX_LABELS"] and self.before.known:
            raise NumbersExhaustedError
        limits.check("ENF_MAX_LABELS", number + 1, "distinct conditions on one process", span)
        self.sources[key] = number
        self._labels[number] = Label(terms, wanted, unwanted)
        return number

    @property
    def dims(self) -> int:
        """Dimensions that labels look at, as a mask."""
        return sum({1 << term.dim for label in self._labels.values() for term in label.terms})

    @property
    def facts(self) -> int:
        """Facts that labels ask for, as a mask of ``ENF_SF_*``."""
        found = 0
        for label in self._labels.values():
            found |= label.flags_set | label.flags_clear
        return found

    def needs(self, dim: Dim) -> bool:
        """Tell whether any label looks at *dim*."""
        return bool(self.dims >> dim & 1)


def _key(process: Process) -> ProcessKey:
    return (
        frozenset(
            (c.field.name, frozenset(c.values), c.negate, c.index, *_names_of(c))
            for c in process.conditions
        ),
        frozenset((f.field.name, f.wanted) for f in process.flags),
    )


def _names_of(condition: Condition) -> tuple[str, ...]:
    """
    Return what tells conditions on the same executable apart by the names that count.

    What is only one in a container must not be one on the host.
    """
    by_root = ("by root",) if condition.by_root else ()
    if not condition.is_inside:
        return by_root
    return (*by_root, "inside") if condition.linked_in is None else ("inside", "linked")


def _digest(key: ProcessKey) -> str:
    """Name a condition the same way in every process and version that means the same by it."""
    parts = sorted(_plain(part) for part in key)
    return fingerprint(parts).hex()


def _plain(value: object) -> str:
    if isinstance(value, frozenset):
        return repr(sorted(_plain(item) for item in value))
    if isinstance(value, tuple):
        return repr([_plain(item) for item in value])
    kind: type[Any] = type(value)
    if attrs.has(kind):
        fields = [f.name for f in attrs.fields(kind) if f.eq]
        return repr((kind.__name__, [_plain(getattr(value, name)) for name in fields]))
    return repr(value)


def flag_masks(flags: Iterable[Flag]) -> tuple[int, int]:
    """Return what must be set and what must be clear."""
    wanted = unwanted = 0
    for flag in flags:
        if flag.wanted:
            wanted |= flag.field.flag or 0
        else:
            unwanted |= flag.field.flag or 0
    return wanted, unwanted


def _one_by_one(process: Process) -> Iterator[Process]:
    """Part the first condition whose values are several masks."""
    for i, condition in enumerate(process.conditions):
        if len(condition.values) > 1 and not condition.negate:
            rest = process.conditions
            for value in condition.values:
                part = attrs.evolve(condition, values=(value,))
                yield attrs.evolve(process, conditions=(*rest[:i], part, *rest[i + 1 :]))
            return
