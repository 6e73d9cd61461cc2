# SPDX-License-Identifier: MIT
"""Values and operands in the words that policies have for them."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING

import attrs

from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.syscall_table import call_name
from enforcer.policy.language.vocabulary import Dim, FieldSpec, Kind
from enforcer.policy.model.policy import Address, CapabilityMask, Interval, Mask, Text, TextKind
from enforcer.policy.readers.syscalls import NAMED
from enforcer.safe_text import neutral, readable
from enforcer.workbench.explain.logic import Gap

if TYPE_CHECKING:
    from enforcer.policy.model.policy import Condition, Value

__all__ = ["NAMELESS", "exact", "longer", "said", "shown", "written"]

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@%+=-]*")
_NUMBERLIKE = re.compile(r"[-+.0-9_]+|0x[0-9a-fA-F]+|true|false|null|~", re.IGNORECASE)
_THEMSELVES = {TextKind.EXACT, TextKind.GLOB, Interval, Address}
"""What another value can be written beside: behind ``prefix`` it would be one more beginning."""

NAMELESS = "no name on the host"
"""What is said of a file that no mount of the host shows, where only such names count."""

_V4 = 0xFFFF << 32
_V4_LAST = _V4 | 0xFFFFFFFF


def said(value: Value, field: FieldSpec, *, signed: bool = False) -> str:
    """Write a *value* of a policy; *signed*: a number of 64 bits that has a sign."""
    match value:
        case Text(TextKind.EXACT | TextKind.GLOB, text):
            return neutral(readable(text))
        case Text(kind, text):
            return f"{kind.value} {neutral(readable(text))}"
        case Address(low, high):
            return _network(low, high)
        case Interval(low, high):
            first, last = (_number(end, field, signed=signed) for end in (low, high))
            return first if low == high else f"{first}-{last}"
        case Mask(mask, None):
            return f"any bit of {mask:#o}"
        case Mask(mask, wanted):
            return f"{mask:#o}={wanted:#o}"
        case CapabilityMask(how, mask):
            return f"{how} of {_bits(mask, field)}"


def shown(
    operand: bytes | int | Gap | tuple[bytes, ...] | None, field: FieldSpec, *, signed: bool = False
) -> str:
    """Write what an access had; *signed* as for :func:`said`."""
    match operand:
        case None:
            return "none"
        case Gap.UNKNOWN:
            return "a value that could not be read"
        case Gap.UNRECORDED:
            return "a value that the record does not have"
        case b"" if field.dim in {Dim.PATH, Dim.EXE}:
            return NAMELESS
        case bytes():
            return neutral(readable(operand))
        case tuple():
            return " ".join(neutral(readable(each)) for each in operand)
    return _number(operand, field, signed=signed)


def exact(operand: bytes | int, field: FieldSpec) -> Value:
    """Return the value that accepts *operand* and nothing else."""
    if isinstance(operand, bytes):
        return Text(TextKind.EXACT, operand)
    if field.kind is Kind.ADDRESS:
        return Address(operand, operand)
    return Interval(operand, operand)


def longer(condition: Condition, operand: bytes | int) -> Condition | None:
    """Return *condition* with *operand* in its list; None if a value there does not stand for itself."""
    kinds = {v.kind if isinstance(v, Text) else type(v) for v in condition.values}
    if not kinds <= _THEMSELVES:
        return None
    return attrs.evolve(condition, values=(*condition.values, exact(operand, condition.field)))


def written(operand: bytes | int, field: FieldSpec) -> str:
    """Write *operand* as YAML that means it and nothing else, as an item or a value."""
    if isinstance(operand, int):
        text = _number(operand, field)
        return f'"{text}"' if ":" in text else text
    text = readable(operand)
    is_folder = text.endswith("/")  # which would mean everything below
    if _PLAIN.fullmatch(text) and not _NUMBERLIKE.fullmatch(text) and not is_folder:
        return text
    # Behind an operator text is literal; in quotes YAML reads it as JSON writes it.
    return f"{{equal: {json.dumps(text)}}}"


def _number(number: int, field: FieldSpec, *, signed: bool = False) -> str:
    if field == NAMED:
        return call_name(number)
    if signed and number >> 63:
        return str(number - (1 << 64))
    match field.kind:
        case Kind.ADDRESS:
            return str(_address(number))
        case Kind.MODE:
            return f"{number:04o}"
        case Kind.CAPABILITY | Kind.FLAGS | Kind.DRIFT:
            return _bits(number, field)
    return {value: name for name, value in field.names.items()}.get(number, str(number))


def _bits(mask: int, field: FieldSpec) -> str:
    if field.kind is Kind.CAPABILITY:
        names = [name.removeprefix("CAP_") for name, bit in CAPABILITIES.items() if mask >> bit & 1]
    else:
        names = [name for name, bit in field.names.items() if mask & bit]
    return ", ".join(names) or "none"


def _address(number: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    if _V4 <= number <= _V4_LAST:
        return ipaddress.IPv4Address(number & 0xFFFFFFFF)
    return ipaddress.IPv6Address(number)


def _network(low: int, high: int) -> str:
    first, last = _address(low), _address(high)
    if low == high:
        return str(first)
    size = high - low + 1
    is_whole = size & (size - 1) == 0 and low % size == 0
    if is_whole and first.version == last.version:
        return f"{first}/{first.max_prefixlen - (size.bit_length() - 1)}"
    return f"{first}-{last}"
