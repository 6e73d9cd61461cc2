# SPDX-License-Identifier: MIT
"""
Conditions as terms over atoms.

An atom is one dimension with the set of values that satisfies it; equal ones are the same atom. Owns
the numbering of atoms and what each accepts; the tables that find them are built from it later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import attrs

from enforcer import _abi
from enforcer._abi import TermKind
from enforcer.compiler import limits
from enforcer.compiler.containers import CONTAINER_FORMS, ContainerAtoms, inside, within
from enforcer.compiler.guards import ROOT, directories
from enforcer.compiler.linked import LinkedNames
from enforcer.compiler.paths import Names
from enforcer.compiler.patterns import Below, Exact, Form, Glob, forms, unit
from enforcer.policy.language.vocabulary import Dim, Kind
from enforcer.policy.model.policy import (
    Address,
    CapabilityMask,
    Condition,
    Interval,
    Mask,
    Process,
    Text,
    TextKind,
)
from enforcer.policy.model.workloads import CERTAIN
from enforcer.span import Span

__all__ = [
    "ARG_DIMS",
    "COMPONENT_DIMS",
    "FOLDED",
    "FOLDED_DIMS",
    "TEXT_DIMS",
    "Atom",
    "Atoms",
    "Term",
    "TermKind",
    "dim_of",
    "entry",
    "rarity",
]

ARG_DIMS: Final = frozenset(range(Dim.ARG_ANY, Dim.ARG0 + limits.LIMITS["ENF_MAX_ARG_INDEX"]))
COMPONENT_DIMS: Final = frozenset((Dim.PATH, Dim.EXE, Dim.CGROUP, Dim.CONTAINER))
TEXT_DIMS: Final = COMPONENT_DIMS | ARG_DIMS | {Dim.NAME, Dim.FSTYPE}
FOLDED_DIMS: Final = frozenset((Dim.PATH, Dim.EXE))
"""Names of files, which some directories find by several spellings."""
_ON_HOST: Final = FOLDED_DIMS
_LONGEST: Final = {
    Dim.PATH: "ENF_PATH_MAX",
    Dim.CGROUP: "ENF_PATH_MAX",
    Dim.EXE: "ENF_EXE_MAX",
    Dim.NAME: "ENF_NAME_MAX",
    Dim.FSTYPE: "ENF_FSTYPE_MAX",
}
_DIM_SHIFT: Final = _abi.ENF_ATOM_DIM_SHIFT
_DIM_MASK: Final = _abi.ENF_ATOM_DIM_MASK
FOLDED: Final = _abi.ENF_ATOM_FOLDED
"""In an entry of the atom list: only where letters are taken as small ones."""
_PIVOTS: Final = (Dim.PATH, Dim.ARG_ANY, Dim.NAME, Dim.ADDR, Dim.PORT, Dim.CODE)


class Term(NamedTuple):
    """One part of a conjunction, as the image has it."""

    atom: int
    dim: int
    kind: int
    negate: int
    a: int
    b: int


Range = tuple[int, int]
"""First and last number."""


@attrs.frozen
class Atom:
    """What satisfies atom number *number*; *ranges* for numbers, *forms* for texts."""

    number: int
    dim: int
    span: Span | None
    forms: frozenset[Form] = frozenset()
    ranges: frozenset[Range] = frozenset()
    inodes: frozenset[tuple[int, int]] = frozenset()


def entry(dim: int, atom: int) -> int:
    """Return the entry of the atom list for *atom* of dimension *dim*."""
    return dim << _DIM_SHIFT | atom


def dim_of(item: int) -> int:
    """Return the dimension of an entry of the atom list."""
    return item >> _DIM_SHIFT & _DIM_MASK


def rarity(atom: Atom) -> tuple[int, int]:
    """Return how often *atom* is met: a row hangs on the one that is smallest."""
    is_glob = any(isinstance(form, Glob) for form in atom.forms)
    dim = Dim.ARG_ANY if atom.dim in ARG_DIMS else atom.dim
    place = _PIVOTS.index(dim) if dim in _PIVOTS else len(_PIVOTS)
    if atom.dim == Dim.PATH and is_glob:
        place = len(_PIVOTS) + 1
    return place, len(atom.forms) + len(atom.ranges)


@attrs.define(eq=False, repr=False)
class Atoms:
    """
    All atoms of one image.

    *linked*: the names that follow from links in containers. *container*: the number of the one that every container's cgroup satisfies, if some term asks.
    *asked*: those of conditions on containers and pods. *n_own*: so many are the first, which policies without a namespace ask for; None: all are.
    """

    names: Names
    linked: LinkedNames = attrs.field(
        default=attrs.Factory(lambda atoms: LinkedNames(atoms.names), takes_self=True)
    )
    all: list[Atom] = attrs.field(factory=list)
    container: int | None = None
    n_own: int | None = None
    asked: ContainerAtoms = attrs.field(factory=ContainerAtoms)
    _numbers: dict[tuple[int, object], int] = attrs.field(factory=dict)
    _texts: dict[tuple[int, Kind, TextKind, bytes, bool], tuple[Form, ...]] = attrs.field(
        factory=dict
    )

    def end_of_own(self) -> None:
        """From now on, only policies of namespaces ask."""
        if self.n_own is None:
            self.n_own = len(self.all)

    def is_own(self, atom: Atom) -> bool:
        """Tell whether a policy without a namespace asks for *atom*."""
        return self.n_own is None or atom.number < self.n_own

    def terms(self, condition: Condition) -> tuple[tuple[Term, ...], ...]:
        """
        Return *condition* as alternatives of conjunctions.

        One alternative is the rule; several masks on one number have no single term.
        """
        dim = _dim(condition)
        if dim == Dim.CONTAINER:
            return ((self._within(condition),),)
        masks = [v for v in condition.values if isinstance(v, Mask | CapabilityMask)]
        plain = [v for v in condition.values if not isinstance(v, Mask | CapabilityMask)]
        negate = int(condition.negate)
        terms = [_mask_term(dim, mask, negate) for mask in _merged(masks)]
        if plain:
            atom = self._of_values(dim, condition, plain)
            terms.insert(0, Term(atom, dim, TermKind.ATOM, negate, 0, 0))
        if negate:  # none of them
            return (tuple(terms),)
        return tuple((term,) for term in terms)

    def _within(self, condition: Condition) -> Term:
        """
        Return the term of a condition on containers or pods; its negation is in the sets.

        Atoms are told apart by what is asked: conditions that hold in the same containers now may not in the next.
        """
        true, known = within(condition, self.names.host.workloads)
        self.container = self._intern(Dim.CONTAINER, CONTAINER_FORMS, None)
        texts = frozenset((v.kind, v.value) for v in condition.values if isinstance(v, Text))
        asked = (condition.field.name, texts, condition.negate)
        atom = self._intern(Dim.CONTAINER, true, condition.span, asked)
        decided = self._intern(Dim.CONTAINER, known, None, condition.field.name)
        self.asked.add(condition, atom, decided)
        certain = int(condition.index == CERTAIN)
        return Term(atom, Dim.CONTAINER, TermKind.INSIDE, 0, decided, certain)

    def of_paths(self, accepted: Iterable[Form], span: Span | None) -> int:
        """Return the atom of exactly these *accepted* spellings of the object's path."""
        return self._intern(Dim.PATH, frozenset(accepted), span)

    def spelled(self, condition: Condition) -> dict[Text, tuple[Form, ...]]:
        """Return the forms of each text value, in all spellings that the host has."""
        found = self._named(condition)
        return {
            text: (*forms, *self._linked(condition, text, forms)) for text, forms in found.items()
        }

    def settled(self, process: Process) -> Process:
        """Return *process* with conditions that are equal where the links of this host make no difference."""
        if not any(each.by_root for each in process.conditions):
            return process
        return attrs.evolve(process, conditions=tuple(map(self._settled, process.conditions)))

    def _settled(self, condition: Condition) -> Condition:
        by_all = attrs.evolve(condition, by_root=False)
        return by_all if self._written(by_all) == self._written(condition) else condition

    def above(self, condition: Condition) -> dict[Form, None]:
        """Return the directories above what *condition* names; those above the root of a container are the host's."""
        written = self._written(condition)
        own = dict.fromkeys(
            above for forms in written.values() for form in forms for above in directories(form)
        )
        if condition.is_inside:
            own |= dict.fromkeys(inside(tuple(each for each in own if each != ROOT)))
        found = (self._linked(condition, *each) for each in self._named(condition).items())
        linked = (form for forms in found for form in forms)
        return own | {above: None for form in linked for above in self.linked.directories(form)}

    def _named(self, condition: Condition) -> dict[Text, tuple[Form, ...]]:
        """Return the forms without those by links of containers."""
        found = self._written(condition)
        if condition.is_inside:
            found = {value: inside(forms) for value, forms in found.items()}
        return found

    def _written(self, condition: Condition) -> dict[Text, tuple[Form, ...]]:
        dim = _dim(condition)
        return {
            value: self._spell(dim, condition.field.kind, value, by_root=condition.by_root)
            for value in condition.values
            if isinstance(value, Text)
        }

    def _linked(
        self, condition: Condition, text: Text, forms: tuple[Form, ...]
    ) -> tuple[Form, ...]:
        if condition.linked_in is None:
            return ()
        longest = limits.LIMITS[_LONGEST[Dim(_dim(condition))]]
        return self.linked.of(text, condition.linked_in, longest, forms)

    def has_other_names(self, form: Form) -> bool:
        """Tell whether *form* is the name of a file that is known to have others."""
        if not isinstance(form, Exact) or form in self.linked.made:
            return False
        return self.names.host.hard_linked(form.value) is not None

    def _of_values(self, dim: int, condition: Condition, values: Iterable[object]) -> int:
        if dim in TEXT_DIMS:
            texts = self.spelled(condition).values()
            accepted = frozenset(form for spelled in texts for form in spelled)
            return self._intern(dim, accepted, condition.span)
        ranges = frozenset((v.low, v.high) for v in values if isinstance(v, Interval | Address))
        also = {
            (number, number)
            for number in condition.field.counts_as
            if any(
                low <= n <= high for n in condition.field.counted(number) for low, high in ranges
            )
        }
        ranges |= also
        return self._intern(dim, ranges, condition.span)

    def _intern(
        self, dim: int, accepted: frozenset[object], span: Span | None, asked: object = None
    ) -> int:
        key = (dim, accepted if asked is None else asked)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.all)
            limits.check("ENF_MAX_ATOMS", number + 1, "distinct conditions", span)
            self.all.append(self._make(number, dim, accepted, span))
        return number

    def _make(self, number: int, dim: int, accepted: frozenset[object], span: Span | None) -> Atom:
        if dim not in TEXT_DIMS:
            ranges = frozenset(r for r in accepted if isinstance(r, tuple))
            return Atom(number, dim, span, ranges=ranges)
        texts = frozenset(f for f in accepted if isinstance(f, Exact | Below | Glob))
        inodes: set[tuple[int, int]] = set()
        if dim == Dim.PATH:
            host = self.names.host
            # What a container puts there must not say at which file of the host is looked.
            named = [f.value for f in texts if isinstance(f, Exact) and f not in self.linked.made]
            found = [of(name) for name in named for of in (host.hard_linked, host.node)]
            inodes.update(pair for pair in found if pair)
        return Atom(number, dim, span, forms=texts, inodes=frozenset(inodes))

    def _spell(self, dim: int, kind: Kind, text: Text, *, by_root: bool) -> tuple[Form, ...]:
        key = (dim, kind, text.kind, text.value, by_root)
        known = self._texts.get(key)
        if known is None:
            known = self._texts[key] = self._spell_new(dim, kind, text, by_root=by_root)
        return known

    def _spell_new(self, dim: int, kind: Kind, text: Text, *, by_root: bool) -> tuple[Form, ...]:
        if text.kind is TextKind.EXACT:
            name = _LONGEST.get(Dim.ARG_ANY if dim in ARG_DIMS else Dim(dim), "ENF_ARGV_MAX")
            limits.check(name, len(text.value), f"bytes of {text.value[:32]!r}…", text.span)
        if kind is Kind.UNIT:
            return unit(text.value.lstrip(b"/")) if text.kind is TextKind.EXACT else ()
        is_path = dim in COMPONENT_DIMS
        found = forms(text.kind, text.value, is_path=is_path)
        if dim in _ON_HOST:
            return tuple(
                dict.fromkeys(s for form in found for s in self.names.spell(form, by_root=by_root))
            )
        return found


def _dim(condition: Condition) -> int:
    dim = condition.field.dim
    if dim is None:
        raise TypeError(f"{condition.field.name} is a flag")
    if dim == Dim.N0 and condition.index is not None:
        return Dim.N0 + condition.index
    if dim == Dim.ARG_ANY and condition.index is not None:
        limits.check("ENF_MAX_ARG_INDEX", condition.index + 1, "arguments by index", condition.span)
        return Dim.ARG0 + condition.index
    return int(dim)


def _merged(masks: Iterable[Mask | CapabilityMask]) -> list[Mask | CapabilityMask]:
    """Unite what asks for any bit: one mask says it."""
    any_of = 0
    out: list[Mask | CapabilityMask] = []
    for mask in masks:
        if (isinstance(mask, Mask) and mask.value is None) or (
            isinstance(mask, CapabilityMask) and mask.how == "any"
        ):
            any_of |= mask.mask
        else:
            out.append(mask)
    return [Mask(any_of), *out] if any_of else out


def _mask_term(dim: int, mask: Mask | CapabilityMask, negate: int) -> Term:
    if isinstance(mask, CapabilityMask):
        wanted = {"any": None, "all": mask.mask, "none": 0}[mask.how]
        mask = Mask(mask.mask, wanted)
    if mask.value is None:
        return Term(0, dim, TermKind.MASK_ANY, negate, mask.mask, 0)
    return Term(0, dim, TermKind.MASK_EQ, negate, mask.mask, mask.value)
