# SPDX-License-Identifier: MIT
"""The tables of the compiler hold what the C header says."""

from __future__ import annotations

import re
from pathlib import Path

import header
import pytest

from enforcer.compiler import layout, limits
from enforcer.compiler.atoms import TermKind
from enforcer.compiler.lower import RowFlag
from enforcer.libbpf._ffi import ffi
from enforcer.policy.language.subject_parts import Whose
from enforcer.policy.language.vocabulary import Dim, ObjectFlag, Op, SubjectFlag

HEADER = (Path(__file__).parents[3] / "bpf" / "include" / "enforcer_abi.h").read_text()


def c_offset(struct: str, field: str) -> int:
    """Return the offset of *field*, which may have dots and an index."""
    parts = [int(p) if p.isdigit() else p for p in re.findall(r"\w+", field)]
    return ffi.offsetof(f"struct {struct}", *parts)


@pytest.mark.parametrize("struct", layout.STRUCTS, ids=lambda struct: struct.name)
def test_structures_lie_as_the_c_compiler_has_them(struct) -> None:
    """Sizes and offsets of every field are equal."""
    assert ffi.sizeof(f"struct {struct.name}") == struct.size
    for field in struct.fields:
        if not field.startswith("_"):
            assert c_offset(struct.name, field) == struct.offset(field), field


@pytest.mark.parametrize("name", limits.LIMITS)
def test_limits_are_those_of_the_header(name) -> None:
    """Each number carries the header's name and value."""
    assert header.constant(name) == limits.LIMITS[name]


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("ENF_OP_", Op),
        ("ENF_DIM_", Dim),
        ("ENF_OF_", ObjectFlag),
        ("ENF_RF_", RowFlag),
    ],
)
def test_numbers_of_the_language_are_those_of_the_header(prefix, words) -> None:
    """Operations, dimensions and flags have the header's values, none is missing."""
    found = {
        name: int(value, 0)
        for name, value in re.findall(rf"\b{prefix}(\w+)\b[ =]+(0x\w+|\d+)", HEADER)
        if name != "FIRST_NUM"
    }

    assert found == {word.name: word.value for word in words}


def test_flags_of_processes_are_those_of_the_header() -> None:
    """What policies may ask of a process has the header's values."""
    for flag in SubjectFlag:
        assert re.search(rf"ENF_SF_{flag.name} {flag.value:#06x}\b", HEADER)


def test_kinds_of_terms_and_relatives_are_those_of_the_header() -> None:
    """Terms and subject terms carry the header's numbers."""
    for kinds, prefix in ((TermKind, "ENF_TERM_"), (Whose, "ENF_WHO_")):
        for name, value in vars(kinds).items():
            if name.isupper():
                assert re.search(rf"\b{prefix}{name}\b[ =]+{value}\b", HEADER), name
