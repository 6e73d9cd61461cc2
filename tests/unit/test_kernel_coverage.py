# SPDX-License-Identifier: MIT
"""Which code has run is told by address and time: an address may be of one program after the other."""

from __future__ import annotations

import struct

from kernel_coverage.report import Place, Program, taken_of

_FIRST, _THEN, _OTHER = (Place("a.c", line, 1) for line in (1, 2, 3))


def _program(loaded: int, *places: Place) -> Program:
    starts = tuple(0x1000 + 0x10 * i for i in range(len(places)))
    return Program("name", loaded, starts, tuple(at + 0x10 for at in starts), places)


def _blocks(*blocks: tuple[int, int, int]) -> bytes:
    return b"".join(struct.pack("=QQQ", *block) for block in blocks)


def test_a_place_has_run_if_its_first_instruction_has():
    """A block that begins in the middle of a stretch is not its beginning."""
    programs = [_program(5, _FIRST, _THEN)]

    assert {_FIRST: True, _THEN: False} == taken_of(programs, _blocks((0x1000, 0x1008, 6)))
    assert {_FIRST: True, _THEN: True} == taken_of(programs, _blocks((0x1000, 0x1018, 6)))
    assert {_FIRST: False, _THEN: False} == taken_of(programs, _blocks((0x1004, 0x1010, 6)))


def test_a_block_is_of_the_program_that_was_there_then():
    """What ran before a program was loaded is not its, and what ran after another took its place is that one's."""
    programs = [_program(5, _FIRST), _program(9, _OTHER)]

    assert {_FIRST: False, _OTHER: False} == taken_of(programs, _blocks((0x1000, 0x1010, 4)))
    assert {_FIRST: True, _OTHER: False} == taken_of(programs, _blocks((0x1000, 0x1010, 8)))
    assert {_FIRST: False, _OTHER: True} == taken_of(programs, _blocks((0x1000, 0x1010, 9)))


def test_one_run_of_several_programs_is_enough():
    """The same place in another program that has not run takes nothing back."""
    programs = [_program(5, _FIRST), _program(9, _FIRST)]

    assert {_FIRST: True} == taken_of(programs, _blocks((0x1000, 0x1010, 6)))
