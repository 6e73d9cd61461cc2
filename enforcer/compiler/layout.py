# SPDX-License-Identifier: MIT
"""
How the structures of the image lie in memory: the one table of their fields.

The source is ``bpf/include/enforcer_abi.h``. A unit test compares every offset and size of this table
with the C compiler's. No other Python module knows an offset of the image.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import attrs

from enforcer.errors import EnforcerBug

__all__ = [
    "DFA",
    "HEAD",
    "INTERVAL",
    "INTERVALS_AT",
    "LABEL",
    "LABEL_WORDS",
    "LIMIT",
    "MAX_MARKS",
    "NUM_DIMS",
    "OPERAND",
    "POINT",
    "POINT_OPERANDS",
    "POINT_STEPS",
    "RANGE",
    "ROW",
    "SLOT",
    "STRUCTS",
    "SUBJECT",
    "SUBJECT_TERM",
    "SUBJECT_TERMS",
    "SYS",
    "TERM",
    "Layout",
]

NUM_DIMS: Final = 22
LABEL_WORDS: Final = 8
SUBJECT_TERMS: Final = 8
MAX_MARKS: Final = 64


@attrs.frozen
class Layout:
    """One C structure: *fields* maps names to :mod:`struct` formats; ``_`` names are padding."""

    name: str
    fields: dict[str, str]
    packer: struct.Struct = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "packer", struct.Struct("<" + "".join(self.fields.values())))

    @property
    def size(self) -> int:
        """Bytes that one takes; the C side has no implicit padding."""
        return self.packer.size

    def offset(self, field: str) -> int:
        """Return where *field* starts."""
        before: list[str] = []
        for name, code in self.fields.items():
            if name == field:
                return struct.calcsize("<" + "".join(before))
            before.append(code)
        raise EnforcerBug(f"{self.name} has no field {field}")

    def pack(self, *values: int) -> bytes:
        """Pack one from its values in order, paddings included."""
        return self.packer.pack(*values)

    def unpack_all(self, image: bytes, at: int, count: int) -> list[tuple[int, ...]]:
        """Read *count* of them at *at*."""
        return list(self.packer.iter_unpack(image[at : at + count * self.size]))

    def named(self, image: bytes, at: int = 0) -> dict[str, int]:
        """Read one as a mapping by field."""
        return dict(zip(self.fields, self.packer.unpack_from(image, at), strict=True))


def _u32(names: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(names, "I")


RANGE: Final = Layout("enf_range", _u32(("first", "count")))
SLOT: Final = Layout(
    "enf_slot",
    {
        "hash": "Q",
        "text": "I",
        "len": "H",
        "kind": "B",
        "paths": "B",
        "exact.first": "I",
        "exact.count": "I",
        "under.first": "I",
        "under.count": "I",
    },
)
DFA: Final = Layout(
    "enf_dfa",
    {
        "dims": "Q",
        **_u32(("classes", "trans", "accept", "n_states", "n_classes", "may")),
    },
)
INTERVAL: Final = Layout(
    "enf_interval", {"hi": "Q", "lo": "Q", "atoms.first": "I", "atoms.count": "I"}
)
TERM: Final = Layout(
    "enf_term",
    {"atom": "I", "dim": "B", "kind": "B", "negate": "B", "_pad": "B", "a": "Q", "b": "Q"},
)
LABEL: Final = Layout("enf_label", _u32(("terms.first", "terms.count", "flags_set", "flags_clear")))
SUBJECT_TERM: Final = Layout("enf_subject_term", {"label": "H", "who": "B", "negate": "B"})
SUBJECT: Final = Layout(
    "enf_subject",
    {
        **{
            f"term[{i}].{name}": code
            for i in range(SUBJECT_TERMS)
            for name, code in SUBJECT_TERM.fields.items()
        },
        "ops": "Q",
    },
)
ROW: Final = Layout(
    "enf_row",
    {
        "ops": "Q",
        "terms.first": "I",
        "terms.count": "I",
        "flags_set": "I",
        "flags_clear": "I",
        "policy": "I",
        "subject": "H",
        "action": "B",
        "on_error": "B",
        "error": "i",
        "signal": "B",
        "flags": "B",
        "mark": "B",
        "limit": "B",
    },
)
LIMIT: Final = Layout("enf_limit", {"per_ns": "Q", **_u32(("records", "by_process"))})
SYS: Final = Layout("enf_sys", {"number": "I", "kinds": "I", "name": "32s"})
POINT_OPERANDS: Final = 12
POINT_STEPS: Final = 6
OPERAND: Final = Layout(
    "enf_operand",
    {
        **dict.fromkeys(("arg", "type", "slot", "n_steps"), "B"),
        **dict.fromkeys(("width", "flags", "size_arg", "shift"), "B"),
        **{f"step[{i}]": "i" for i in range(POINT_STEPS)},
    },
)
POINT: Final = Layout(
    "enf_point",
    {
        "number": "I",
        **dict.fromkeys(("kind", "n_args", "n_operands", "flags"), "B"),
        "name": "80s",
        **{
            f"operand[{i}].{name}": code
            for i in range(POINT_OPERANDS)
            for name, code in OPERAND.fields.items()
        },
    },
)
HEAD: Final = Layout(
    "enf_image",
    {
        **_u32(("magic", "version", "size", "crc")),
        **dict.fromkeys(("generation", "seed", "ops", "everybody_ops", "dims", "refuse_ops"), "Q"),
        "expires_ns": "Q",
        "capabilities": "Q",
        "asked_flags": "Q",
        **{f"new_labels[{i}]": "Q" for i in range(LABEL_WORDS)},
        **_u32(
            (
                "n_policies",
                "n_rows",
                "n_labels",
                "n_subjects",
                "n_atoms",
                "n_dfas",
                "n_terms",
                "n_atom_list",
                "n_row_list",
                "n_slots",
                "off_rows",
                "off_terms",
                "off_labels",
                "off_subjects",
                "off_slots",
                "off_text",
                "text_size",
                "off_dfas",
                "off_atom_list",
                "off_atom_rows",
                "off_row_list",
                "off_op_rows",
                "off_intervals",
                "max_path_slot",
                "n_sys",
                "off_sys",
                "container_atom",
                "n_limits",
                "n_points",
                "off_points",
            )
        ),
        **_u32(f"intervals[{i}].{name}" for i in range(NUM_DIMS) for name in ("first", "count")),
        **dict.fromkeys(
            (
                "within_ops",
                "tree_marks",
                "container_marks",
                "host_marks",
                "refuse_marks",
                "longest_ns",
            ),
            "Q",
        ),
        **{f"mark_born[{i}]": "Q" for i in range(MAX_MARKS)},
        **_u32(("n_marks", "off_limits")),
    },
)
INTERVALS_AT: Final = HEAD.offset("intervals[0].first")

STRUCTS: Final = (
    *(RANGE, SLOT, DFA, INTERVAL, TERM, LABEL, SUBJECT_TERM, SUBJECT, ROW, LIMIT),
    *(SYS, OPERAND, POINT, HEAD),
)
