# SPDX-License-Identifier: MIT
"""
Conditions and flags of the model as the language writes them: the inverse of :mod:`enforcer.policy.readers.conditions`.

Reading the text gives an equal condition. A value has no operator if the language reads it the same
without one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from enforcer.errors import EnforcerBug, PolicyError
from enforcer.policy.language.drift import DRIFT, VOLUMES_KEY, exclusive
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.syscall_table import ArgKind
from enforcer.policy.language.vocabulary import FieldSpec, Kind
from enforcer.policy.model.policy import (
    Address,
    CapabilityMask,
    Condition,
    Flag,
    Interval,
    Mask,
    Process,
    Text,
    TextKind,
    Value,
)
from enforcer.policy.model.workloads import LABELS
from enforcer.policy.readers.labels import spell_labels
from enforcer.policy.readers.texts import quote
from enforcer.policy.writers.unions import united

__all__ = [
    "needed_twice",
    "spell_argument",
    "spell_fields",
    "spell_numbers",
    "spell_passed",
    "spell_process",
    "spell_values",
]

T = TypeVar("T")
_Operation = tuple[str, Any]

_GLOBS = (TextKind.EXACT, TextKind.GLOB)
_FRAGMENTS = {
    TextKind.PREFIX: ("prefix", "notPrefix"),
    TextKind.SUFFIX: ("suffix", "notSuffix"),
    TextKind.CONTAINS: ("contains", "notContains"),
}
_TEXTS = (Kind.PATH, Kind.STRING, Kind.ARGS, Kind.CGROUP)
_UNIT_FORMS = 4
_V4 = range(0xFFFF << 32, 0x10000 << 32)


def spell_process(process: Process) -> dict[str, object]:
    """
    Return the mapping under ``process``, ``selector`` and their like.

    Raises:
        PolicyError: one operator is needed twice.
    """
    fields, rest = spell_fields(process.conditions, process.flags)
    if rest:
        fields, rest = spell_fields(united(process.conditions), process.flags)
    if rest:
        raise needed_twice(rest[0])
    return _grouped(fields, process)


def _grouped(fields: dict[str, object], process: Process) -> dict[str, object]:
    """Put ``pod.name`` and its like under ``pod``."""
    written: dict[str, object] = {}
    groups: dict[str, dict[str, object]] = {}

    def put(group: str, word: str, value: object) -> None:
        if group not in groups:
            written[group] = groups[group] = {}
        groups[group][word] = value

    for name, value in fields.items():
        group, _, word = name.partition(".")
        if word:
            put(group, word, value)
        else:
            written[name] = value
    labels = [c for c in process.conditions if c.field == LABELS]
    if labels:
        put("pod", "labels", spell_labels(labels))
    return written


def spell_fields(
    conditions: Iterable[Condition], flags: Iterable[Flag]
) -> tuple[dict[str, object], list[Condition]]:
    """
    Return fields by name with what is written behind them.

    Returns:
        The mapping, and conditions that it has no room for: a field takes each operator once.
    """
    by_field: dict[str, list[Condition]] = {}
    for condition in conditions:
        if condition.field != LABELS:
            by_field.setdefault(condition.field.name, []).append(condition)
    written: dict[str, object] = {}
    rest: list[Condition] = []
    for name, several in by_field.items():
        if name == DRIFT:
            written |= _drift(several[0])
            rest += several[1:]
            continue
        bare = _bare(several[0]) if len(several) == 1 else None
        if bare is not None:
            written[name] = bare
            continue
        operators: dict[str, object] = {}
        placed: list[list[_Operation]] = []
        for condition in several:
            together = _assign([*placed, _operations(condition)])
            if together is None:
                rest.append(condition)
            else:
                placed.append(_operations(condition))
                operators = together
        written[name] = operators
    written |= {flag.field.name: flag.wanted for flag in flags}
    return written, rest


def _drift(condition: Condition) -> dict[str, object]:
    (mask,) = _all(condition.values, CapabilityMask)
    volumes = exclusive(mask.mask)
    return {DRIFT: mask.how == "any"} | ({VOLUMES_KEY: volumes} if volumes else {})


def spell_argument(condition: Condition, index: int | None) -> dict[str, object]:
    """Return an item of ``args``; *index* None is any."""
    operator, operand = _operations(condition)[0]
    return {"index": "any" if index is None else index, operator: operand}


def spell_values(condition: Condition) -> dict[str, object]:
    """Return ``{operator: values}`` of a condition on text."""
    operator, operand = _operations(condition)[0]
    return {operator: operand}


def spell_passed(condition: Condition, kind: ArgKind) -> dict[str, object]:
    """Return an item of ``args`` about what a system call is passed: a number of *kind*."""
    return {"index": condition.index} | spell_numbers(condition, signed=kind is ArgKind.S32)


def spell_numbers(condition: Condition, *, signed: bool) -> dict[str, object]:
    """Return ``{operator: values}`` of a condition on a number as it lies in the kernel."""

    def number(value: int) -> int:
        return value - (1 << 64) if signed and value >> 63 else value

    def between(value: Interval) -> str:
        return f"{number(value.low)}-{number(value.high)}"

    if any(isinstance(v, Mask) for v in condition.values):
        masks = [
            str(m.mask) if m.value is None else f"{m.mask}={m.value}"
            for m in _all(condition.values, Mask)
        ]
        return {"mask": _one_or_list(masks)}
    intervals = _all(condition.values, Interval)
    if all(i.low == i.high for i in intervals):
        operator, operand = _listed([number(i.low) for i in intervals], condition)[0]
        return {operator: operand}
    if condition.negate or any(i.low == i.high for i in intervals):
        spelled = [number(i.low) if i.low == i.high else between(i) for i in intervals]
        return {"notIn" if condition.negate else "in": spelled}
    return {"range": _one_or_list([between(i) for i in intervals])}


def _assign(several: list[list[_Operation]]) -> dict[str, object] | None:
    """Choose one way to say each condition so that no operator is needed twice; None: impossible."""
    if not several:
        return {}
    *others, last = several
    for operator, operand in last:
        rest = [[way for way in ways if way[0] != operator] for ways in others]
        if (found := _assign(rest)) is not None:
            return {**found, operator: operand}
    return None


def _bare(condition: Condition) -> Any:
    """Return what is written without an operator, or None if an operator is needed."""
    field, values = condition.field, condition.values
    if condition.negate:
        return None
    if field.kind is Kind.UNIT:
        return _one_or_list(_units(values))
    if field.kind is Kind.CGROUP:
        return _cgroups(values)
    if field.kind in _TEXTS:
        texts = _all(values, Text)
        if any(t.kind not in _GLOBS or _is_root(t, field) for t in texts):
            return None
        return _one_or_list([_glob(t) for t in texts])
    if field.kind is Kind.ADDRESS:
        return _one_or_list([_address(a) for a in _all(values, Address)])
    if field.kind in (Kind.CAPABILITY, Kind.FLAGS):
        (mask,) = _all(values, CapabilityMask)
        return _one_or_list(_bits(mask, field)) if mask.how == "any" else None
    if any(isinstance(v, Mask) for v in values):
        return None
    return _one_or_list([_interval(v, field) for v in _all(values, Interval)])


def _operations(condition: Condition) -> list[_Operation]:
    """Return operator and operand, in each way that says the same, the best one first."""
    field, values = condition.field, condition.values
    if field.kind is Kind.UNIT:
        return _listed(_units(values), condition)
    if field.kind in _TEXTS:
        return _text_operations(condition, _all(values, Text))
    if field.kind is Kind.ADDRESS:
        addresses = _all(values, Address)
        single = [_address(a) for a in addresses if a.low == a.high]
        written = [_address(a) for a in addresses]
        return _in(written, single, condition, also="cidr")
    if field.kind in (Kind.CAPABILITY, Kind.FLAGS):
        (mask,) = _all(values, CapabilityMask)
        return [(mask.how, _one_or_list(_bits(mask, field)))]
    if all(isinstance(v, Mask) for v in values):
        return [("mask", _one_or_list([_mask(m, field) for m in _all(values, Mask)]))]
    intervals = _all(values, Interval)
    ways = _in(
        [_interval(v, field) for v in intervals],
        [_interval(v, field) for v in intervals if v.low == v.high],
        condition,
    )
    if not condition.negate:
        ways.append(("range", _one_or_list([_range(v, field) for v in intervals])))
    return ways


def _text_operations(condition: Condition, texts: Sequence[Text]) -> list[_Operation]:
    kinds = {text.kind for text in texts}
    for kind, words in _FRAGMENTS.items():
        if kinds == {kind}:
            return [(words[condition.negate], _one_or_list([t.value.decode() for t in texts]))]
    is_exact = kinds == {TextKind.EXACT}
    ways = _listed([t.value.decode() for t in texts], condition) if is_exact else []
    is_glob = not kinds - set(_GLOBS) and not any(_is_root(t, condition.field) for t in texts)
    if is_glob:
        word = "notGlob" if condition.negate else "glob"
        ways.append((word, _one_or_list([_glob(t) for t in texts])))
    if not ways:
        raise _unspeakable(condition)
    return ways


def _listed(items: Sequence[T], condition: Condition) -> list[_Operation]:
    many: _Operation = ("notIn" if condition.negate else "in", list(items))
    if len(items) > 1:
        return [many]
    return [("notEqual" if condition.negate else "equal", items[0]), many]


def _in(
    items: list[T], single: list[T], condition: Condition, *, also: str | None = None
) -> list[_Operation]:
    """Return the ways of values which may be ranges, *single* of them not; *also* takes any."""
    ways: list[_Operation] = [("notIn" if condition.negate else "in", items)]
    if len(items) == len(single) == 1:
        ways.append(("notEqual" if condition.negate else "equal", items[0]))
    if also and not condition.negate:
        ways.append((also, _one_or_list(items)))
    return ways


def _units(values: Sequence[Value]) -> list[str]:
    """Each unit is its cgroup in several forms, of which the first is ``/`` and its name."""
    return [text.value.decode().removeprefix("/") for text in _all(values, Text)[::_UNIT_FORMS]]


def _cgroups(values: Sequence[Value]) -> Any:
    """Each cgroup without an operator is itself and what is below; a glob for that stands alone."""
    items: list[str] = []
    rest = list(_all(values, Text))
    while rest:
        text = rest.pop(0)
        if text.kind not in _GLOBS:
            return None
        glob = _glob(text)
        below = Text(TextKind.GLOB, f"{glob}/**".encode())
        if not glob.endswith("/**") and (not rest or rest.pop(0) != below):
            return None
        items.append(glob)
    return _one_or_list(items)


def _glob(text: Text) -> str:
    written = text.value.decode()
    return quote(written) if text.kind is TextKind.EXACT else written


def _is_root(text: Text, field: FieldSpec) -> bool:
    """As a glob ``/`` would be everything below it."""
    is_path = field.kind in (Kind.PATH, Kind.CGROUP)
    return is_path and text.kind is TextKind.EXACT and text.value.endswith(b"/")


def _address(value: Address) -> str:
    def ip(number: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        if value.low in _V4 and value.high in _V4:
            return ipaddress.IPv4Address(number & 0xFFFFFFFF)
        return ipaddress.IPv6Address(number)

    low, high = ip(value.low), ip(value.high)
    if low == high:
        return str(low)
    # Both are of one version.
    networks = list(ipaddress.summarize_address_range(low, high))
    return str(networks[0]) if len(networks) == 1 else f"{low}-{high}"


def _interval(value: Interval, field: FieldSpec) -> str | int:
    if value.low != value.high:
        return _range(value, field)
    for name, number in field.names.items():
        if number == value.low:
            return name
    return _digits(value.low, field) if field.kind is Kind.MODE else value.low


def _range(value: Interval, field: FieldSpec) -> str:
    return f"{_digits(value.low, field)}-{_digits(value.high, field)}"


def _mask(value: Mask, field: FieldSpec) -> str:
    bits = _digits(value.mask, field)
    return bits if value.value is None else f"{bits}={_digits(value.value, field)}"


def _digits(number: int, field: FieldSpec) -> str:
    return f"{number:04o}" if field.kind is Kind.MODE else str(number)


def _bits(mask: CapabilityMask, field: FieldSpec) -> list[str]:
    if field.kind is Kind.CAPABILITY:
        return [name for name, bit in CAPABILITIES.items() if mask.mask >> bit & 1]
    return [name for name, bits in field.names.items() if mask.mask & bits]


def _one_or_list(items: Sequence[T]) -> T | Sequence[T]:
    return items[0] if len(items) == 1 else items


def _all(values: Sequence[Value], kind: type[T]) -> list[T]:
    found: list[T] = [value for value in values if isinstance(value, kind)]
    if len(found) < len(values):
        msg = f"values that cannot be written together: {values}"
        raise EnforcerBug(msg)
    return found


def needed_twice(condition: Condition) -> PolicyError:
    """Return what there is to say of *condition*, for which its field has no operator left."""
    return PolicyError(
        f"the conditions on {condition.field.name} need one operator twice, and the language takes it once: the "
        "policy can be used as it is, but to print it, write what they mean together as one condition",
        condition.span,
    )


def _unspeakable(condition: Condition) -> EnforcerBug:
    return EnforcerBug(f"the language has no words for {condition}")
