# SPDX-License-Identifier: MIT
"""
Templates of lines: which parts of a record's line hold which field.

Nothing here knows the keys of a record. An event is written twice more, each time with values in its
varying fields that nobody can have chosen. Where such a value appears in the line, in any form, the field
belongs. Both must give the same template. A field whose value is shown in other words (the name of a
signal, the permission bits) may not be in :func:`varying`.

A message is cut where it gets too long, and no template says where. So the second time addresses are as
long as they get, and names longer than a message shows them. If that makes a difference, shorter names are
tried. The template is then for names up to that length, and longer ones are Python's. The first time all of
them are shorter: a cut behind them would stand elsewhere. (Threads and ports never have as many digits as
marks. So if they move a cut, the first line is not what Python wrote.)
"""

from __future__ import annotations

import random
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final, Self

import attrs

from enforcer import _abi
from enforcer.events.decode import KINDS
from enforcer.events.document import rfc3339
from enforcer.events.enrich import WallClock
from enforcer.identity.cache import Cache
from enforcer.libbpf import abi
from enforcer.libbpf.lane import Field, Form, Piece
from enforcer.policy.language.templates import MAX_VALUE
from enforcer.policy.language.vocabulary import Op

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enforcer.events.types import Event, GuardAct

__all__ = ["Templates", "plans", "varying"]

_NUMBERS: Final = ("time_ns", "tid", "ino", "port")
_ADDRESS: Final = "addr_hi"  # and addr_lo, which follows it
_STARTED: Final = "start_ns"
_ARGUMENTS: Final = tuple(f"arg[{i}]" for i in range(_abi.ENF_SYS_ARGS))
_WITH_ARGUMENTS: Final = (Op.SYSCALL, Op.POINT)
_TOP: Final = 1 << 63
_GROUPS: Final = 0x1000_1000_1000_1000  # half an address of which each group has all digits
_OCTETS: Final = 0x80_80_80_80
_MOST: Final = MAX_VALUE * 3 // 4
"""Characters of a name that is not cut in a value of a message, with what else the value says."""

_LETTERS: Final = "bcdfghjklmnpqrstvwxz"
_RANDOM: Final = random.SystemRandom()


def varying(op: Op | GuardAct) -> tuple[str, ...]:
    """
    Name the fields of the head that may differ between records of one template.

    All must be shown as what they are, or not at all, except that 0, negative numbers and IPv4
    addresses may be shown in a way of their own.
    """
    # The moment of the start does not vary; how it is written follows the wall clock.
    names = (*_NUMBERS, _ADDRESS, _STARTED)
    return (*names, *_ARGUMENTS) if op in _WITH_ARGUMENTS else names


def plans() -> Iterator[tuple[int, int, list[Field]]]:
    """Describe the records of each kind and operation to the extension."""
    for kind, ops in KINDS.items():
        for op in ops:
            yield kind, op.value, [_field(name) for name in varying(op)]


def _field(name: str) -> Field:
    base, _, index = name.rstrip("]").partition("[")
    offset, width = abi.place("enf_event", base)
    if index:
        width //= len(_ARGUMENTS)
        offset += width * int(index)
    if name == _ADDRESS:
        width *= 2
    return Field(offset, width, fixed=name == _STARTED)


@attrs.frozen
class _Marks:
    """
    Numbers and names that nobody can have chosen, to be put in the place of those of an event.

    Attributes:
        clock: gives moments of its own.
        numbers: by field; for numbers whose highest bit is set there is another.
        plain, mapped: addresses, as two numbers.
        text: begins the marks of path and name.
        found: what each mark looks like, and where it stands then.
    """

    clock: WallClock
    numbers: dict[str, tuple[int, int]]
    plain: tuple[int, int]
    mapped: tuple[int, int]
    path: bytes
    name: bytes
    found: dict[bytes, tuple[Form, str]]

    @classmethod
    def draw(cls, length: int, *, is_short: bool = False) -> Self:
        """Draw marks; those of names are *length* letters long, addresses as long as they get, or shorter."""
        offset = _RANDOM.getrandbits(60)
        clock = WallClock(wall_ns=lambda: offset, boot_ns=lambda: 0)
        found: dict[bytes, tuple[Form, str]] = {}
        numbers = {}
        for field in (*_NUMBERS, *_ARGUMENTS):
            low = _RANDOM.getrandbits(59) | 1 << 59
            numbers[field] = low, low | _TOP
            for mark in numbers[field]:
                found[b"%d" % mark] = Form.DEC, field
                found[b"%x" % mark] = Form.HEX, field
            found[b"%d" % (low - _TOP)] = Form.SIGNED, field
        found[rfc3339(clock.at(numbers["time_ns"][0])).encode()] = Form.TIME, "time_ns"
        plain = _RANDOM.getrandbits(64) | _GROUPS, _RANDOM.getrandbits(64) | _GROUPS
        mapped = 0, 0xFFFF << 32 | _RANDOM.getrandbits(32) | _OCTETS
        if is_short:  # the last group has a digit less, and so has the last octet
            plain = plain[0], plain[1] & ~0xF000 | 0x0100
            mapped = 0, mapped[1] & ~0xFF | _RANDOM.randrange(10, 100)
        for high, low in (plain, mapped):
            address = IPv6Address(high << 64 | low)
            found[str(address.ipv4_mapped or address).encode()] = Form.ADDRESS, _ADDRESS
        path, name = (
            "/" + "".join(_RANDOM.choice(_LETTERS) for _ in range(length)) for _ in range(2)
        )
        found[path.encode()] = Form.PATH, ""
        found[name.encode()] = Form.NAME, ""
        return cls(clock, numbers, plain, mapped, path.encode(), name.encode(), found)

    def on(self, event: Event) -> Event:
        """Mark *event*: 0 stays 0, and what is negative, mapped or empty stays so."""
        changes: dict[str, Any] = {
            field: self._number(field, getattr(event, field)) for field in _NUMBERS
        }
        is_mapped = not event.addr_hi and event.addr_lo >> 32 == 0xFFFF
        changes["addr_hi"], changes["addr_lo"] = self.mapped if is_mapped else self.plain
        if event.op in _WITH_ARGUMENTS:
            pairs = zip(_ARGUMENTS, event.passed, strict=False)
            changes["passed"] = tuple(self._number(*pair) for pair in pairs)
        if event.path:
            changes["path"] = self.path
        for word in ("name", "asked"):
            if getattr(event, word) and not event.argc:
                changes[word] = self.name
        return attrs.evolve(event, **changes)

    def _number(self, field: str, value: int) -> int:
        return self.numbers[field][value >> 63] if value else 0

    def pieces(self, line: bytes, event: Event) -> list[Piece]:
        """Cut the *line* of a marked event where marks stand."""
        fields = varying(event.op)
        started = rfc3339(self.clock.at(event.start_ns)).encode()
        pieces: list[Piece] = []
        for part in line.split(started):
            at = 0
            for start, mark in self._places(part, event.op):
                form, field = self.found[mark]
                index = fields.index(field) if field else 0
                pieces.append(Piece(part[at:start], form, index))
                at = start + len(mark)
            pieces.append(Piece(part[at:], Form.TIME, fields.index(_STARTED)))
        return [*pieces[:-1], Piece(pieces[-1].text, Form.END)]

    def _places(self, line: bytes, op: Op | GuardAct) -> list[tuple[int, bytes]]:
        places = []
        for mark, (_, field) in self.found.items():
            if field in _ARGUMENTS and op not in _WITH_ARGUMENTS:
                continue  # it is not in the event
            at = line.find(mark)
            while at >= 0:
                places.append((at, mark))
                at = line.find(mark, at + len(mark))
        return sorted(places)


@attrs.define(eq=False, repr=False)
class Templates:
    """Finds templates, by marks that are drawn once and shown to nobody."""

    _short: _Marks = attrs.field(factory=lambda: _Marks.draw(24, is_short=True))
    _whole: _Marks = attrs.field(factory=lambda: _Marks.draw(_MOST))
    _beyond: _Marks = attrs.field(factory=lambda: _Marks.draw(MAX_VALUE + 1))
    _cutting: Cache[tuple[int, int], bool] = attrs.field(factory=lambda: Cache(1024), init=False)

    def find(self, event: Event, line: Callable[[Event, WallClock], bytes]) -> list[Piece] | None:
        """
        Make the template of lines like that of *event*.

        Args:
            event: one of them.
            line: makes the line of an event, with the moments that a clock tells.

        Returns:
            The pieces; None if the line is more than constant text and fields.
        """
        if not event.time_ns:
            return None  # no moment: it could not be told from others that are none

        def by(marks: _Marks) -> list[Piece]:
            return marks.pieces(line(marks.on(event), marks.clock), event)

        row = event.generation, event.row  # whose message it is: it is tried once what it cuts
        found = by(self._short)
        if not self._cutting.get(row):
            if found == by(self._beyond):
                return found
            self._cutting.put(row, value=True)
        if found == by(self._whole):
            return [_up_to(_MOST, piece) for piece in found]
        return None


def _up_to(most: int, piece: Piece) -> Piece:
    is_text = piece.form in {Form.PATH, Form.NAME}
    return attrs.evolve(piece, most=most) if is_text else piece
