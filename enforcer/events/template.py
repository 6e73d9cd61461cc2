# SPDX-License-Identifier: MIT
"""
Templates of lines: which parts of the line of a record are what the record holds in some field.

Nothing here knows the keys of a record. An event is shown twice more, each time with numbers and names
in its varying fields that nobody can have chosen; wherever one of them turns up in the line, and in
whatever form, that field stands there. Both must give the same template. A field whose value readers
are shown in other words (the name of a signal, the permission bits) may not be in :func:`varying`.
"""

from __future__ import annotations

import re
import secrets
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.decode import KINDS
from enforcer.events.document import rfc3339
from enforcer.events.enrich import WallClock
from enforcer.libbpf import abi
from enforcer.libbpf.lane import Field, Form, Piece
from enforcer.policy.vocabulary import Op

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enforcer.events.types import Event, GuardAct

__all__ = ["template", "varying"]

_NUMBERS: Final = ("time_ns", "tid", "ino", "port")
_ADDRESS: Final = "addr_hi"  # and addr_lo, which follows it
_STARTED: Final = "start_ns"
_ARGUMENTS: Final = tuple(f"arg[{i}]" for i in range(6))
_TOP: Final = 1 << 63
_LETTERS: Final = "bcdfghjklmnpqrstvwxz"

_Texts = dict[bytes, tuple[Form, int]]


def varying(op: Op | GuardAct) -> tuple[str, ...]:
    """
    Name the fields of the head that may differ between records of one template.

    All must be shown as what they are, or not at all, except that 0, negative numbers and IPv4
    addresses may be shown in a way of their own.
    """
    # The moment of the start does not vary; how it is written follows the wall clock.
    names = (*_NUMBERS, _ADDRESS, _STARTED)
    return (*names, *_ARGUMENTS) if op is Op.SYSCALL else names


def plans() -> Iterator[tuple[int, int, list[Field]]]:
    """Describe the records of each kind and operation to the extension."""
    for kind, ops in KINDS.items():
        for op in ops:
            yield kind, op.value, [_field(name) for name in varying(op)]


def _field(name: str) -> Field:
    base, _, index = name.rstrip("]").partition("[")
    offset, width = abi.place("enf_event", base)
    if index:
        offset, width = offset + 8 * int(index), 8
    if name == _ADDRESS:
        width = 16
    return Field(offset, width, fixed=name == _STARTED)


def template(event: Event, line: Callable[[Event, WallClock], bytes]) -> list[Piece] | None:
    """
    Find out what lines like that of *event* are made of.

    Args:
        event: one of them.
        line: makes the line of an event, with the moments that a clock tells.

    Returns:
        The pieces; None if the line is more than constant text and fields.
    """
    if not event.time_ns:
        return None  # no moment: it could not be told from others that are none
    first, second = (_pieces(event, line, length) for length in (24, 31))
    return first if first == second else None


def _pieces(event: Event, line: Callable[[Event, WallClock], bytes], length: int) -> list[Piece]:
    offset = secrets.randbits(60)
    clock = WallClock(wall_ns=lambda: offset, boot_ns=lambda: 0)
    texts: _Texts = {}
    marked = _marked(event, clock, texts, length)
    return _split(line(marked, clock), texts)


def _split(line: bytes, texts: _Texts) -> list[Piece]:
    longest_first = sorted(texts, key=len, reverse=True)
    found = re.finditer(b"|".join(map(re.escape, longest_first)), line)
    pieces, at = [], 0
    for each in found:
        form, field = texts[each[0]]
        pieces.append(Piece(line[at : each.start()], form, field))
        at = each.end()
    return [*pieces, Piece(line[at:], Form.END)]


def _marked(event: Event, clock: WallClock, texts: _Texts, length: int) -> Event:
    """Put marks into *event*, and what they look like into *texts*."""
    changes: dict[str, object] = {}
    passed = list(event.passed)
    for index, name in enumerate(varying(event.op)):
        if name == _STARTED:
            texts[rfc3339(clock.at(event.start_ns)).encode()] = Form.TIME, index
        elif name == _ADDRESS:
            high, low = _address(event, texts, index)
            changes |= {"addr_hi": high, "addr_lo": low}
        elif name in _ARGUMENTS:
            at = _ARGUMENTS.index(name)
            if at < len(passed):
                passed[at] = _number(passed[at], texts, index)
        else:
            changes[name] = mark = _number(getattr(event, name), texts, index)
            if name == "time_ns":
                texts[rfc3339(clock.at(mark)).encode()] = Form.TIME, index
    changes["passed"] = tuple(passed)
    if event.path:
        changes["path"] = _text(texts, Form.PATH, length)
    for name in ("name", "asked"):
        if getattr(event, name) and not event.argc:
            changes[name] = _text(texts, Form.NAME, length)
    return attrs.evolve(event, **changes)  # type: ignore[arg-type]


def _number(value: int, texts: _Texts, index: int) -> int:
    """Mark a number; one that is 0 stays so, and one that may be negative too."""
    if not value:
        return 0
    mark = secrets.randbits(59) | 1 << 59 | value & _TOP
    texts[b"%d" % mark] = Form.DEC, index
    texts[b"%x" % mark] = Form.HEX, index
    if mark & _TOP:
        texts[b"%d" % (mark - 2 * _TOP)] = Form.SIGNED, index
    return mark


def _address(event: Event, texts: _Texts, index: int) -> tuple[int, int]:
    is_mapped = not event.addr_hi and event.addr_lo >> 32 == 0xFFFF
    high, low = (0, 0xFFFF << 32 | secrets.randbits(32)) if is_mapped else _two()
    address = IPv6Address(high << 64 | low)
    texts[str(address.ipv4_mapped or address).encode()] = Form.ADDRESS, index
    return high, low


def _two() -> tuple[int, int]:
    return secrets.randbits(63) | _TOP, secrets.randbits(64)


def _text(texts: _Texts, form: Form, length: int) -> bytes:
    mark = "/" + "".join(secrets.choice(_LETTERS) for _ in range(length))
    texts[mark.encode()] = form, 0
    return mark.encode()
