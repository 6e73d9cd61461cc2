# SPDX-License-Identifier: MIT
"""
The last check of an image before it is activated.

Reads only the bytes and does not know how they were made: every offset, index and bound that the kernel
side follows must lead to a place that exists.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Sequence
from typing import Final

from enforcer import _abi
from enforcer.compiler import layout
from enforcer.compiler.atoms import FOLDED, FOLDED_DIMS, dim_of
from enforcer.compiler.glob import FOLDED_AT, MAYBE
from enforcer.compiler.limits import LIMITS
from enforcer.compiler.rows import is_on_files
from enforcer.compiler.strings import AT, BELOW, GLOB, HEAD, PATH
from enforcer.errors import EnforcerBug
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.points import OperandType, PointKind
from enforcer.policy.model.policy import OnError, Verb

__all__ = ["verify"]

_MAX_DIM: Final = max(Dim) + 1
_ATOM: Final = _abi.ENF_TERM_ATOM
_MAX_TERM_KIND: Final = max(_abi.TermKind)
_WITHIN: Final = _abi.ENF_TERM_WITHIN
_INSIDE: Final = _abi.ENF_TERM_INSIDE
_ASKS: Final = _abi.ENF_RF_WITHIN
_FAVOURS: Final = _abi.ENF_RF_FAVOURS
_ALLOW: Final = _abi.ENF_ACT_ALLOW
_MAX_ACTION: Final = max(Verb)
_MAX_ON_ERROR: Final = max(OnError)
_ATOM_MASK: Final = _abi.ENF_ATOM_MASK
_DIM_SHIFT: Final = _abi.ENF_ATOM_DIM_SHIFT
_MAX_WHO: Final = _abi.ENF_WHO_ANCESTOR
_NOBODY: Final = 0xFFFFFFFF  # flags that no process has: the number of a label that is no more
_FIRST_NUM: Final = _abi.ENF_DIM_FIRST_NUM
_MASKED: Final = (Dim.DRIFT, Dim.EXE_DRIFT)
_MAX_POINT_KIND: Final = max(PointKind)
_MAX_OPERAND: Final = max(OperandType)
_BITS: Final = _abi.ENF_OPERAND_BITS
_MAX_SLOT: Final = Dim.N5 - Dim.N0 + 1
_REGISTER: Final = 8


def verify(image: bytes) -> None:
    """
    Check *image* from its first byte to its last.

    Raises:
        EnforcerBug: it must not be activated; says the first thing found wrong.
    """
    if len(image) < layout.HEAD.size:
        raise EnforcerBug(f"the image has {len(image)} bytes, less than its head")
    _Check(image).run()


class _Check:
    """One image under examination."""

    def __init__(self, image: bytes) -> None:
        self._image = image
        self._head = layout.HEAD.named(image)
        self._globs: set[bytes] = set()  # directories below which a glob begins

    def run(self) -> None:
        """Check everything, what others rely on first."""
        self._check_head()
        self._check_lists()
        self._check_terms()
        self._check_rows()
        self._check_subjects()
        self._check_slots()
        self._check_dfas()
        self._check_intervals()
        self._records(layout.SYS, self._head["off_sys"], self._head["n_sys"])
        self._check_limits()
        self._check_points()

    def _require(self, holds: object, problem: str) -> None:
        if not holds:
            raise EnforcerBug(f"the image is damaged: {problem}; compile the policies again")

    def _section(self, at: int, size: int, what: str) -> None:
        self._require(at % 8 == 0 and at >= layout.HEAD.size, f"{what} start at {at}")
        self._require(at + size <= len(self._image), f"{what} end behind the image")

    def _records(self, kind: layout.Layout, at: int, count: int) -> list[tuple[int, ...]]:
        self._section(at, count * kind.size, f"{count} {kind.name}")
        return kind.unpack_all(self._image, at, count)

    def _words(self, at: int, count: int, what: str) -> array[int]:
        self._section(at, 4 * count, what)
        words = array("I")
        words.frombytes(self._image[at : at + 4 * count])
        return words

    def _ranges(self, ranges: Iterable[tuple[int, ...]], limit: int, what: str) -> None:
        for first, count in ranges:
            self._require(first + count <= limit, f"a range of {what} ends behind the last")

    # ---- Parts -------------------------------------------------------------------------------

    def _check_head(self) -> None:
        head = self._head
        self._require(head["magic"] == LIMITS["ENF_IMAGE_MAGIC"], "it is not an image")
        self._require(head["version"] == LIMITS["ENF_IMAGE_VERSION"], "its version is another")
        self._require(head["size"] == len(self._image), "its size is not what its head says")
        self._require(head["size"] <= LIMITS["ENF_IMAGE_MAX"], "it is too large")
        self._require(head["generation"], "its generation is 0")
        blank = layout.HEAD.pack(*(head | {"crc": 0}).values())
        crc = zlib.crc32(self._image[layout.HEAD.size :], zlib.crc32(blank))
        self._require(crc == head["crc"], "its checksum is wrong")
        for count, limit in {
            "n_policies": "ENF_MAX_POLICIES",
            "n_rows": "ENF_MAX_ROWS",
            "n_atoms": "ENF_MAX_ATOMS",
            "n_labels": "ENF_MAX_LABELS",
            "n_subjects": "ENF_MAX_SUBJECTS",
            "n_dfas": "ENF_MAX_DFAS",
            "n_marks": "ENF_MAX_MARKS",
            "n_limits": "ENF_MAX_LIMITS",
        }.items():
            self._require(head[count] <= LIMITS[limit], f"{count} is above {limit}")
        self._require(head["n_subjects"] >= 1, "it has no subject 0")
        asks = head["dims"] >> Dim.CONTAINER & 1
        known = head["container_atom"] < head["n_atoms"]
        self._require(known or not asks, "it does not know what a container is")

    def _check_lists(self) -> None:
        head = self._head
        for item in self._words(head["off_atom_list"], head["n_atom_list"], "atom list"):
            self._require(item & _ATOM_MASK < head["n_atoms"], "an atom list names no atom")
            dim = dim_of(item)
            self._require(dim < _MAX_DIM, "an atom list names no dimension")
            is_name = dim in FOLDED_DIMS
            self._require(is_name or not item & (MAYBE | FOLDED), "an atom list is in doubt")
        rows = self._words(head["off_row_list"], head["n_row_list"], "row list")
        self._require(not rows or max(rows) < head["n_rows"], "a row list names no row")
        atom_rows = self._records(layout.RANGE, head["off_atom_rows"], head["n_atoms"])
        op_rows = self._records(layout.RANGE, head["off_op_rows"], len(Op))
        for first, count in (*atom_rows, *op_rows):
            self._require(first + count <= len(rows), "a row list ends behind the last")
            part = rows[first : first + count]
            self._require(list(part) == sorted(set(part)), "a row list does not ascend")
        listed = {
            row for first, count in (*atom_rows, *op_rows) for row in rows[first : first + count]
        }
        self._require(len(listed) == head["n_rows"], "a row is in no list")
        self._check_early(atom_rows, rows)

    def _check_early(self, atom_rows: Sequence[tuple[int, ...]], listed: Sequence[int]) -> None:
        """Who is excluded by the path of a file has been asked by no row that hangs on an atom."""
        head = self._head
        terms = self._records(layout.TERM, head["off_terms"], head["n_terms"])
        rows = self._records(layout.ROW, head["off_rows"], head["n_rows"])
        for number in {row for first, count in atom_rows for row in listed[first : first + count]}:
            mask, first, count, *_ = rows[number]
            on_path = any(
                term[1:4] == (Dim.PATH, _ATOM, 0) for term in terms[first : first + count]
            )
            self._require(on_path or not is_on_files(mask), "a row on files hangs on no path")

    def _check_terms(self) -> None:
        head = self._head
        for atom, dim, kind, negate, _, a, b in self._records(
            layout.TERM, head["off_terms"], head["n_terms"]
        ):
            self._require(kind <= _MAX_TERM_KIND and negate <= 1, "a term has no kind")
            if kind == _WITHIN:
                self._require(atom < head["n_marks"], "a term names no mark")
                continue
            self._require(dim < _MAX_DIM and head["dims"] >> dim & 1, "a term has no dimension")
            is_mask = kind not in (_ATOM, _INSIDE)
            self._require(is_mask or atom < head["n_atoms"], "a term names no atom")
            self._require(kind != _INSIDE or a < head["n_atoms"], "a term names no second atom")
            self._require(kind != _INSIDE or b <= 1, "a term is neither certain nor not")
            self._require(not is_mask or dim > _FIRST_NUM + 1, "a mask is not on a number")
            self._require(is_mask or dim not in _MASKED, "drift is no atom")

    def _check_rows(self) -> None:
        head = self._head
        ops = 0
        within = drift = 0
        policy = 0
        terms = self._records(layout.TERM, head["off_terms"], head["n_terms"])
        for row in self._records(layout.ROW, head["off_rows"], head["n_rows"]):
            mask, first, count, _, _, owner, subject, action, on_error, error, signal, *rest = row
            flags, mark, limit = rest
            self._ranges([(first, count)], head["n_terms"], "terms")
            self._require(count <= LIMITS["ENF_MAX_TERMS"], "a row has too many terms")
            self._require(policy <= owner < head["n_policies"], "a row is out of its policy")
            self._require(subject < head["n_subjects"], "a row has no subject")
            self._require(mark <= head["n_marks"], "a row sets no mark")
            self._require(limit <= head["n_limits"], "a row has no limit")
            self._require(
                action <= _MAX_ACTION and on_error <= _MAX_ON_ERROR, "a row has no action"
            )
            self._require(action or mark, "a row does nothing")
            self._require(action != _ALLOW or flags & _FAVOURS, "a row hides in whose favour it is")
            asks = [term[2] == _WITHIN for term in terms[first : first + count]]
            self._require(asks == sorted(asks, reverse=True), "a row asks about marks too late")
            self._require(sum(asks) <= LIMITS["ENF_ROW_MARKS"], "a row asks about too many marks")
            self._require(bool(flags & _ASKS) or not any(asks), "a row hides that it asks")
            within |= mask if flags & _ASKS else 0
            if any(term[1] == Dim.DRIFT for term in terms[first : first + count]):
                drift |= mask
            self._require(0 < error < 4096 and signal <= 64, "a row has no errno or signal")
            ops |= mask
            policy = owner
        self._require(ops == head["ops"], "its operations are not those of its rows")
        self._require(
            within == head["within_ops"], "rows ask about marks where it says they do not"
        )
        self._require(drift == head["drift_ops"], "rows ask about drift where it says they do not")

    def _check_limits(self) -> None:
        head = self._head
        for per, records, by in self._records(layout.LIMIT, head["off_limits"], head["n_limits"]):
            self._require(per and records and by <= 1, "a limit has no meaning")

    def _check_subjects(self) -> None:
        head = self._head
        terms = self._records(layout.TERM, head["off_terms"], head["n_terms"])
        for first, count, *flags in self._records(
            layout.LABEL, head["off_labels"], head["n_labels"]
        ):
            self._ranges([(first, count)], head["n_terms"], "terms")
            asked = 0 if flags[0] == _NOBODY else flags[0] | flags[1]
            self._require(not asked & ~head["asked_flags"], "a label hides what it asks for")
            kinds = {term[2] for term in terms[first : first + count]}
            self._require(_WITHIN not in kinds, "a condition on a process asks about a mark")
        for number, values in enumerate(
            self._records(layout.SUBJECT, head["off_subjects"], head["n_subjects"])
        ):
            terms = list(zip(*[iter(values[:-1])] * 3, strict=True))
            for label, who, negate in terms:
                self._require(who <= _MAX_WHO and negate <= 1, "a subject has no meaning")
                self._require(not who or label < head["n_labels"], "a subject names no label")
            self._require(
                number or not any(who for _, who, _ in terms), "subject 0 is not everybody"
            )

    def _check_slots(self) -> None:
        head = self._head
        size = head["n_slots"]
        self._require(size > 0 and size & (size - 1) == 0, "its slots are no power of two")
        self._section(head["off_text"], head["text_size"], "strings")
        slots = self._records(layout.SLOT, head["off_slots"], size)
        items = self._words(head["off_atom_list"], head["n_atom_list"], "atom list")
        seen: set[tuple[int, int, int]] = set()
        for at, (hashed, text, length, kind, paths, *ranges) in enumerate(slots):
            if not kind:
                continue
            self._require((hashed, kind, length) not in seen, "two strings are alike")
            seen.add((hashed, kind, length))
            self._require(paths <= AT | BELOW | GLOB, "a string has no meaning for paths")
            self._require(paths & BELOW or not paths & GLOB, "a string has no meaning for paths")
            self._require(kind <= HEAD and text % 8 == 0, "a string has no kind")
            self._require(text + (length + 7) // 8 * 8 <= head["text_size"], "a string is cut off")
            self._ranges([tuple(ranges[:2]), tuple(ranges[2:])], head["n_atom_list"], "atoms")
            for way, (first, count) in ((AT, ranges[:2]), (BELOW, ranges[2:])):
                has_path = any(n >> _DIM_SHIFT == Dim.PATH for n in items[first : first + count])
                self._require(paths & way or not has_path, "a path is passed over")
            if paths & GLOB:
                start = head["off_text"] + text
                self._globs.add(self._image[start : start + length])
            distance = (at - hashed) % size
            self._require(distance < LIMITS["ENF_MAX_PROBES"], "a string is too far from home")
            between = ((hashed + i) % size for i in range(distance))
            self._require(all(slots[i][3] for i in between), "a string cannot be reached")
            self._require(
                kind != PATH or length <= head["max_path_slot"], "a path is never walked to"
            )

    def _check_dfas(self) -> None:
        head = self._head
        for dims, classes, trans, accept, states, width, may in self._records(
            layout.DFA, head["off_dfas"], head["n_dfas"]
        ):
            folded = dims >> FOLDED_AT
            about = dims & (1 << FOLDED_AT) - 1 | folded
            self._require(about & ~head["dims"] == 0, "an automaton is for no dimension")
            self._require(2 <= states <= 0x10000 and 1 <= width <= 256, "an automaton has no size")
            self._section(classes, 256, "classes")
            self._section(trans, 2 * states * width, "transitions")
            self._require(max(self._image[classes : classes + 256]) < width, "a class is too high")
            table = array("H")
            table.frombytes(self._image[trans : trans + 2 * states * width])
            self._require(max(table) < states, "an automaton leaves its states")
            self._require(not any(table[:width]), "the dead state of an automaton lives")
            accepts = self._records(layout.RANGE, accept, states)
            self._ranges(accepts, head["n_atom_list"], "atoms")
            names = any(about >> dim & 1 for dim in FOLDED_DIMS)
            self._require(bool(may) or not names, "it cannot decide by a head")
            if may:
                self._ranges(self._records(layout.RANGE, may, states), head["n_atom_list"], "atoms")
            if dims >> Dim.PATH & 1:
                self._check_marks(self._image[classes : classes + 256], table, width)

    def _check_marks(self, classes: bytes, table: array[int], width: int) -> None:
        """
        Check that every path that an automaton accepts lies below a directory that says so.

        Only single bytes lead from the start to these directories: there are no more states on the
        way than literals have bytes.
        """
        members: dict[int, bytes] = {}
        for at, number in enumerate(classes):
            members[number] = members.get(number, b"") + bytes((at,))
        pending = [] if b"/" in self._globs else [(1, b"")]
        seen = set()
        while pending:
            state, text = pending.pop()
            following = table[state * width : (state + 1) * width]
            self._require(state not in seen and any(following), "a glob is passed over")
            seen.add(state)
            for number, target in enumerate(following):
                byte = members.get(number, b"")
                self._require(not target or len(byte) == 1, "a glob is passed over")
                if target and not (byte == b"/" and text in self._globs):
                    pending.append((target, text + byte))

    def _check_points(self) -> None:
        head = self._head
        self._require(head["n_points"] <= LIMITS["ENF_MAX_POINTS"], "it has too many points")
        last = 0
        width = len(layout.OPERAND.fields)
        for number, kind, args, count, _, _, *flat in self._records(
            layout.POINT, head["off_points"], head["n_points"]
        ):
            self._require(last < number, "points do not ascend")
            self._require(1 <= kind <= _MAX_POINT_KIND, "a point has no kind")
            self._require(args <= LIMITS["ENF_POINT_ARGS"], "a point has too many arguments")
            self._require(count <= layout.POINT_OPERANDS, "a point has too many operands")
            for at in range(0, count * width, width):
                _, type_, slot, steps, size, flags, bits, shift, *_ = flat[at : at + width]
                self._require(type_ <= _MAX_OPERAND, "an operand has no type")
                self._require(slot < _MAX_SLOT, "an operand has no place")
                self._require(steps <= layout.POINT_STEPS, "an operand is too far away")
                self._require(type_ or size <= _REGISTER, "a number is too wide")
                is_field = bool(flags & _BITS)
                self._require(not is_field or 0 < bits <= 64, "a bit field has no bits")
                self._require(not is_field or shift + bits <= size * 8, "a bit field is too far")
            last = number

    def _check_intervals(self) -> None:
        head = self._head
        for i in range(layout.NUM_DIMS):
            first, count = head[f"intervals[{i}].first"], head[f"intervals[{i}].count"]
            at = head["off_intervals"] + first * layout.INTERVAL.size
            bounds = []
            for high, low, *atoms in self._records(layout.INTERVAL, at, count):
                self._ranges([tuple(atoms)], head["n_atom_list"], "atoms")
                bounds.append((high, low))
            self._require(bounds == sorted(set(bounds)), "intervals do not ascend")
            self._require(not bounds or bounds[0] == (0, 0), "the first interval is not at 0")
