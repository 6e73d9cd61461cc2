# SPDX-License-Identifier: MIT
"""
The fast lane of the extension: it turns records into lines by templates, without Python.

``_lane.h`` says what it guarantees. :mod:`enforcer.events.template` makes the templates.
"""

from __future__ import annotations

import enum
import errno
import os
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from enforcer.libbpf._check import check, check_pointer
from enforcer.libbpf._ffi import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.libbpf.batch import Batch

__all__ = ["End", "Field", "Form", "Lane", "Piece", "Run"]

ROOM: Final = 1 << 17
"""Bytes of lines at once: the longest possible line of a short template fits."""

_EBUSY: Final = -errno.EBUSY


class Form(enum.IntEnum):
    """How a field of a record is written (``enum enf_form``)."""

    END = lib.ENF_FORM_END
    DEC = lib.ENF_FORM_DEC
    SIGNED = lib.ENF_FORM_SIGNED
    HEX = lib.ENF_FORM_HEX
    TIME = lib.ENF_FORM_TIME
    ADDRESS = lib.ENF_FORM_ADDRESS
    PATH = lib.ENF_FORM_PATH
    NAME = lib.ENF_FORM_NAME


class End(enum.IntEnum):
    """Why a run ended (``enum enf_lane_end``)."""

    DONE = lib.ENF_LANE_DONE
    FULL = lib.ENF_LANE_FULL
    PLAIN = lib.ENF_LANE_PLAIN
    LEARN = lib.ENF_LANE_LEARN
    STALE = lib.ENF_LANE_STALE


@attrs.frozen
class Field:
    """A number in the head of a record that may vary; *fixed*: it is written, and does not."""

    offset: int
    width: int
    fixed: bool = False


@attrs.frozen
class Piece:
    """
    Constant text, then the field number *field* in *form*.

    A record whose path or name has more than *most* characters there is not written; 0: however long.
    """

    text: bytes
    form: Form
    field: int = 0
    most: int = 0


@attrs.frozen
class Run:
    """
    What a run did.

    Attributes:
        end: why it ended.
        at: the place in the batch of the first record that it did not write.
        text, lines: what it wrote, and how many lines that is.
        template: the one that is stale, if that is the reason.
    """

    end: End
    at: int
    text: bytes
    lines: int
    template: int


@attrs.define(eq=False)
class Lane:
    """Templates, and the lines that they make."""

    _pointer: Any
    _room: int

    @classmethod
    def make(cls, room: int = ROOM) -> Self:
        """
        Make one without templates that writes *room* bytes at once.

        Raises:
            KernelError: memory is missing.
        """
        # Processes choose what is hashed: the seed keeps them from choosing the hash.
        pointer = lib.enf_lane_new(room, int.from_bytes(os.urandom(8), "little"))
        return cls(ffi.gc(check_pointer(pointer, "make the fast lane"), lib.enf_lane_free), room)

    def vary(self, kind: int, op: int, fields: Sequence[Field]) -> None:
        """
        Say which numbers vary in records of *kind* and *op*; forgets all templates.

        Raises:
            KernelError: there are too many, or they lie outside the record.
        """
        given = ffi.new(
            "struct enf_lane_field[]", [(f.offset, f.width, int(f.fixed)) for f in fields]
        )
        check(lib.enf_lane_vary(self._pointer, kind, op, given, len(fields)), "describe a record")

    def learn(self, record: bytes, pieces: Sequence[Piece], until: int) -> int | None:
        """
        Write records like *record* by *pieces* until the clock shows *until*; without pieces, never.

        Returns:
            The id of the template; None if the counts must be taken first.

        Raises:
            KernelError: the pieces make no sense, or memory is missing.
        """
        text = b"".join(piece.text for piece in pieces)
        places, end = [], 0
        for piece in pieces:
            end += len(piece.text)
            places.append((end, int(piece.form), piece.field, piece.most))
        given = ffi.new("struct enf_lane_piece[]", places)
        result = lib.enf_lane_learn(
            self._pointer, record, len(record), text, len(text), given, len(places), until
        )
        if result == _EBUSY:
            return None
        return check(result, "learn a template")

    def extend(self, template: int, until: int) -> None:
        """Let *template* count until the clock shows *until*."""
        lib.enf_lane_extend(self._pointer, template, until)

    def forget(self) -> None:
        """Forget all templates."""
        lib.enf_lane_forget(self._pointer)

    def write(self, template: int, record: bytes, offset: int) -> bytes | None:
        """Return the line of *record* by *template*; None if it makes none."""
        out = ffi.new("char[]", self._room)
        length = lib.enf_lane_write(
            self._pointer, template, record, len(record), offset, out, self._room
        )
        return bytes(ffi.buffer(out, length)) if length >= 0 else None

    def run(self, batch: Batch, at: int, now: int, offset: int) -> Run:
        """
        Write lines from the place *at* on, up to the first record that must be looked at.

        Args:
            batch: the records.
            at: a place in it.
            now: on the clock of the templates.
            offset: from CLOCK_BOOTTIME to the wall clock.

        Raises:
            KernelError: the batch is none.
        """
        run = ffi.new("struct enf_lane_run *", {"at": at})
        size = len(batch.packed)
        end = check(
            lib.enf_lane_run(self._pointer, batch.packed, size, now, offset, run), "read a batch"
        )
        text = bytes(ffi.buffer(lib.enf_lane_lines(self._pointer), run.used)) if run.used else b""
        return Run(End(end), run.at, text, run.lines, run.template_id)

    def counts(self) -> list[tuple[int, int]]:
        """Take how many lines each template has written since the last call."""
        most = lib.ENF_LANE_TEMPLATES
        ids, counts = ffi.new("unsigned int[]", most), ffi.new("unsigned long long[]", most)
        taken = lib.enf_lane_counts(self._pointer, ids, counts, most)
        return [(ids[i], counts[i]) for i in range(taken)]

    def close(self) -> None:
        """Free it. Idempotent."""
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            ffi.release(pointer)
