# SPDX-License-Identifier: MIT
"""
The image: every table in its place, behind one head, under one checksum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from enforcer import _abi
from enforcer.compiler import glob, layout, limits, numbers, strings, texts
from enforcer.compiler.atoms import (
    ARG_DIMS,
    Atoms,
    Term,
    TermKind,
    entry,
    rarity,
)
from enforcer.compiler.automata import KeptAutomata
from enforcer.compiler.lower import Row, RowFlag
from enforcer.compiler.marks import Marks
from enforcer.compiler.rows import is_on_files
from enforcer.compiler.sections import Lists, Writer, pack_all, pack_dfas
from enforcer.compiler.subjects import EVERYBODY, Subjects
from enforcer.compiler.touched import most_touched
from enforcer.policy.language.syscall_table import Syscall
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import OnError
from enforcer.policy.readers.attempts import Ended
from enforcer.span import Span

__all__ = ["Counts", "Tables", "assemble"]

_FIRST_NUM: Final = _abi.ENF_DIM_FIRST_NUM
_NONE: Final = _abi.ENF_NONE
_WIDE: Final = (Dim.ADDR, Dim.INODE)
_WIDE_BITS: Final = 128
_BITS: Final = 64


@attrs.frozen
class Counts:
    """How much of each the image holds."""

    policies: int
    rows: int
    labels: int
    subjects: int
    atoms: int
    terms: int
    strings: int
    globs: int
    dfas: int
    states: int
    intervals: int
    bytes: int
    work: int
    marks: int
    limits: int
    touched: int


@attrs.frozen
class Tables:
    """What :func:`assemble` made."""

    image: bytes
    counts: Counts
    ops: int
    dims: int


def assemble(
    rows: list[Row],
    atoms: Atoms,
    subjects: Subjects,
    marks: Marks,
    *,
    calls: Iterable[Syscall | Ended] = (),
    points: Iterable[tuple[int | bytes, ...]] = (),
    facts: int = 0,
    n_policies: int,
    generation: int,
    new_labels: frozenset[int],
    seed: int | None = None,
    kept: KeptAutomata | None = None,
    most_work: int | None = None,
) -> Tables:
    """
    Make the image of *rows*; *calls* are the system calls that they are about, *points* the points of
    the kernel, packed and by number, *facts* what is to be known of processes besides what they ask for,
    *kept* automata that were made before, *most_work* the steps that automata may take, if fewer than for any image.

    Raises:
        LimitError: it, or a part of it, is too large.
    """
    named = sorted(set(calls), key=lambda call: call.number)
    return _Assembly(
        *(rows, atoms, subjects, marks, named, list(points)),
        *(facts, n_policies, generation, new_labels, seed),
        kept if kept is not None else KeptAutomata(),
        most_work,
    ).run()


@attrs.define(eq=False, repr=False)
class _Assembly:
    rows: list[Row]
    atoms: Atoms
    subjects: Subjects
    marks: Marks
    calls: list[Syscall | Ended]
    points: list[tuple[int | bytes, ...]]
    facts: int
    n_policies: int
    generation: int
    new_labels: frozenset[int]
    seed: int | None
    kept: KeptAutomata
    most_work: int | None
    _atom_list: Lists = attrs.field(factory=Lists)
    _terms: dict[tuple[Term, ...], tuple[int, int]] = attrs.field(factory=lambda: {(): (0, 0)})
    _flat_terms: list[Term] = attrs.field(factory=list)

    def run(self) -> Tables:
        """Build all sections and put them behind a head."""
        meanings = texts.meanings(self.atoms.all, self._doubtful(), self._entries)
        slots = strings.place(meanings, seed=self.seed)
        dfas, globs = texts.automata(self.atoms, self.kept, self.most_work)
        intervals, interval_ranges = self._intervals()
        row_bytes = self._rows()
        label_bytes = self._labels()
        row_list, atom_rows, op_rows = self._row_lists()
        out = Writer()
        head: dict[str, int] = {
            "off_rows": out.add(row_bytes),
            "off_terms": out.add(pack_all(layout.TERM, self._packed_terms())),
            "off_labels": out.add(label_bytes),
            "off_subjects": out.add(self._subjects()),
            "off_slots": out.add(slots.table),
            "off_text": out.add(slots.text),
            "off_dfas": out.add(pack_dfas(dfas, self._entries, out)),
            "off_atom_list": out.add(self._atom_list.pack()),
            "off_atom_rows": out.add(pack_all(layout.RANGE, atom_rows)),
            "off_row_list": out.add(row_list.pack()),
            "off_op_rows": out.add(pack_all(layout.RANGE, op_rows)),
            "off_intervals": out.add(pack_all(layout.INTERVAL, intervals)),
            "off_sys": out.add(pack_all(layout.SYS, self._calls())),
            "off_limits": out.add(self.marks.pack_limits()),
            "off_points": out.add(pack_all(layout.POINT, self.points)),
        }
        ops, dims = self._ops(), self._dims()
        size = out.size
        limits.check("ENF_IMAGE_MAX", size, "bytes of the compiled policies", self._last_span())
        head |= {
            "magic": _abi.ENF_IMAGE_MAGIC,
            "version": _abi.ENF_IMAGE_VERSION,
            "size": size,
            "generation": self.generation,
            "seed": slots.seed,
            "ops": ops,
            "everybody_ops": self._ops(lambda row: row.subject == EVERYBODY),
            "dims": dims,
            "refuse_ops": self._ops(self._refuses_in_doubt),
            "within_ops": self._ops(lambda row: bool(row.flags & RowFlag.WITHIN)),
            "drift_ops": self._ops(lambda row: any(t.dim == Dim.DRIFT for t in row.terms)),
            "capabilities": self._capabilities(),
            "asked_flags": self.subjects.facts | self.facts,
            "n_policies": self.n_policies,
            "n_rows": len(self.rows),
            "n_labels": len(self.subjects.labels),
            "n_subjects": len(self.subjects.all),
            "n_atoms": len(self.atoms.all),
            "n_dfas": len(dfas),
            "n_terms": len(self._flat_terms),
            "n_atom_list": len(self._atom_list.values),
            "n_row_list": len(row_list.values),
            "n_slots": slots.n_slots,
            "text_size": len(slots.text),
            "max_path_slot": slots.longest_path,
            "n_sys": len(self.calls),
            "container_atom": _NONE if self.atoms.container is None else self.atoms.container,
            "n_points": len(self.points),
        }
        for i, (first, count) in enumerate(interval_ranges):
            head[f"intervals[{i}].first"] = first
            head[f"intervals[{i}].count"] = count
        head |= self.marks.head()
        for word in range(layout.LABEL_WORDS):
            head[f"new_labels[{word}]"] = sum(
                1 << label % 64 for label in self.new_labels if label // 64 == word
            )
        counts = Counts(
            policies=self.n_policies,
            rows=len(self.rows),
            labels=len(self.subjects.labels),
            subjects=len(self.subjects.all),
            atoms=len(self.atoms.all),
            terms=len(self._flat_terms),
            strings=slots.n_strings,
            globs=globs,
            dfas=len(dfas),
            states=sum(dfa.n_states for dfa in dfas),
            intervals=len(intervals),
            bytes=size,
            work=sum(dfa.work for dfa in dfas),
            marks=len(self.marks.numbers),
            limits=len(self.marks.limits),
            touched=most_touched(
                *(meanings, dfas, ((first, n) for *_, first, n in intervals)),
                self._atom_list.values,
            ),
        )
        return Tables(out.finish(head), counts, ops, dims)

    # ---- Texts -------------------------------------------------------------------------------

    def _doubtful(self) -> set[int]:
        """Return the atoms of which it makes a difference whether they are unknown, or not met."""
        rows = (
            term.atom
            for row in self.rows
            for term in row.terms
            if term.negate or row.on_error is not OnError.SKIP
        )
        labels = (term.atom for label in self.subjects.labels for term in label.terms)
        return {*rows, *labels}

    def _entries(self, numbers_: Iterable[int]) -> tuple[int, int]:
        items = tuple(numbers_)
        # What only may be met finds room in any number.
        met = [n for n in items if not n & glob.MAYBE] if items[-1:] > (glob.MAYBE,) else items
        if len(met) > limits.LIMITS["ENF_MAX_TOUCHED"]:
            span = self.atoms.all[items[-1] & _abi.ENF_ATOM_MASK].span
            limits.check(
                "ENF_MAX_TOUCHED", len(met), "different conditions that match one value", span
            )
        return self._atom_list.put(items)

    # ---- Numbers -----------------------------------------------------------------------------

    def _intervals(self) -> tuple[list[tuple[int, int, int, int]], list[tuple[int, int]]]:
        spans: dict[int, list[numbers.Span128]] = {}
        for atom in self.atoms.all:
            number = entry(atom.dim, atom.number)
            for low, high in atom.ranges:
                spans.setdefault(atom.dim, []).append((low, high, number))
            for device, inode in atom.inodes:
                at = device << _BITS | inode
                spans.setdefault(Dim.INODE, []).append((at, at, number))
        flat: list[tuple[int, int, int, int]] = []
        ranges = [(0, 0)] * layout.NUM_DIMS
        for dim, members in sorted(spans.items()):
            bits = _WIDE_BITS if dim in _WIDE else _BITS
            pieces = numbers.cover(members, bits)
            ranges[dim - _FIRST_NUM] = (len(flat), len(pieces))
            for low, entries in pieces:
                flat.append((low >> _BITS, low & (1 << _BITS) - 1, *self._entries(entries)))
        return flat, ranges

    # ---- Rows --------------------------------------------------------------------------------

    def _term_range(self, terms: tuple[Term, ...]) -> tuple[int, int]:
        found = self._terms.get(terms)
        if found is None:
            found = self._terms[terms] = (len(self._flat_terms), len(terms))
            self._flat_terms += terms
        return found

    def _packed_terms(self) -> Iterable[tuple[int, ...]]:
        return ((t.atom, t.dim, t.kind, t.negate, 0, t.a, t.b) for t in self._flat_terms)

    def _rows(self) -> bytes:
        return pack_all(
            layout.ROW,
            (
                (
                    row.ops,
                    *self._term_range(row.terms),
                    row.flags_set,
                    row.flags_clear,
                    row.policy,
                    row.subject,
                    row.action,
                    row.on_error,
                    row.error,
                    row.signal,
                    row.flags,
                    row.mark,
                    row.limit,
                )
                for row in self.rows
            ),
        )

    def _calls(self) -> Iterable[tuple[int, int, bytes]]:
        return ((call.number, call.packed, call.name.encode()) for call in self.calls)

    def _labels(self) -> bytes:
        ranges = [self._term_range(label.terms) for label in self.subjects.labels]
        flags = [(label.flags_set, label.flags_clear) for label in self.subjects.labels]
        return pack_all(layout.LABEL, ((*r, *f) for r, f in zip(ranges, flags, strict=True)))

    def _subjects(self) -> bytes:
        ops = [0] * len(self.subjects.all)
        for row in self.rows:
            ops[row.subject] |= row.ops
        packed = []
        for terms, mask in zip(self.subjects.all, ops, strict=True):
            flat = [value for term in terms for value in term]
            flat += [0] * (3 * layout.SUBJECT_TERMS - len(flat))
            packed.append((*flat, mask))
        return pack_all(layout.SUBJECT, packed)

    def _row_lists(self) -> tuple[Lists, list[tuple[int, int]], list[tuple[int, int]]]:
        """
        List each row under its rarest positive term, or under its operations.

        A row on files hangs on a term only if one is on its path: the kernel side leaves early where no row without a
        path is listed under the operation, and no path of a row is met.
        """
        by_atom: dict[int, list[int]] = {}
        by_op: dict[int, list[int]] = {}
        ranks = [rarity(atom) for atom in self.atoms.all]
        for number, row in enumerate(self.rows):
            positive = [t for t in row.terms if t.kind == TermKind.ATOM and not t.negate]
            pivots = [t.atom for t in positive]
            if pivots and (not is_on_files(row.ops) or any(t.dim == Dim.PATH for t in positive)):
                by_atom.setdefault(min(pivots, key=ranks.__getitem__), []).append(number)
                continue
            for op in Op:
                if row.ops >> op & 1:
                    by_op.setdefault(op, []).append(number)
        lists = Lists()
        atom_rows = [lists.put(tuple(by_atom.get(a.number, ()))) for a in self.atoms.all]
        return lists, atom_rows, [lists.put(tuple(by_op.get(op, ()))) for op in Op]

    # ---- Head --------------------------------------------------------------------------------

    def _ops(self, wanted: Callable[[Row], bool] = lambda _: True) -> int:
        mask = 0
        for row in self.rows:
            if wanted(row):
                mask |= row.ops
        return mask

    def _refuses_in_doubt(self, row: Row) -> bool:
        """Tell whether its operations must not happen undecided: it refuses, or what it marks counts."""
        refuses = row.on_error is OnError.DENY and not row.flags & RowFlag.AUDIT
        return refuses or self.marks.is_needed(row.mark)

    def _dims(self) -> int:
        dims = self.subjects.dims
        for atom in self.atoms.all:
            dims |= 1 << atom.dim
            if atom.inodes:
                dims |= 1 << Dim.INODE
        for term in self._flat_terms:
            if term.kind != TermKind.WITHIN:
                dims |= 1 << term.dim
        if any(dims >> dim & 1 for dim in ARG_DIMS):
            dims |= 1 << Dim.ARG_ANY  # argv is read at all
        return dims

    def _capabilities(self) -> int:
        """Return the capabilities whose use some row is about: the kernel side asks no other."""
        mask = 0
        for row in self.rows:
            if row.ops >> Op.CAPABLE & 1:
                mask |= self._capabilities_of(row)
        return mask

    def _capabilities_of(self, row: Row) -> int:
        for term in row.terms:
            if term.dim == Dim.CODE and term.kind == TermKind.ATOM and not term.negate:
                ranges = self.atoms.all[term.atom].ranges
                return sum({1 << n for low, high in ranges for n in range(low, min(high, 63) + 1)})
        return (1 << _BITS) - 1

    def _last_span(self) -> Span | None:
        return self.rows[-1].info.span if self.rows else None
