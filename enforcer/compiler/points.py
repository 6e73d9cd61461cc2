# SPDX-License-Identifier: MIT
"""
Points of the kernel that rules name: a place for each operand that a rule compares there, and the path
to it in this kernel.

Places belong to a point, not to a policy: rules of several policies share operands, which are read once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from enforcer import _abi
from enforcer.compiler import layout, limits
from enforcer.errors import PolicyError
from enforcer.policy.kernel_types.operand_path import RECORD, PointError, Signature, Types, Way
from enforcer.policy.language.vocabulary import Dim
from enforcer.policy.model.points import RETURNS, Operand, OperandType, Point, PointKind
from enforcer.policy.model.policy import Condition, PolicySet, Rule
from enforcer.span import Span

__all__ = ["Placed", "Placement", "pack", "place"]

_MAX_NUMBERS: Final = Dim.N5 - Dim.N0 + 1
_MOST: Final = {OperandType.NUMBER: _MAX_NUMBERS, OperandType.TEXT: _abi.ENF_POINT_TEXTS}
_REGISTERS: Final = 6


@attrs.define
class Placed:
    """A point with the operands that rules compare there, each in its place among its like."""

    point: Point
    span: Span
    operands: dict[Operand, int] = attrs.field(factory=dict)
    spans: dict[Operand, Span | None] = attrs.field(factory=dict)

    @property
    def labels(self) -> tuple[tuple[str, int, str], ...]:
        """Numbers and strings: name, place and how it is read, for records."""
        return tuple(
            (str(operand), slot, _reading(operand))
            for operand, slot in self.operands.items()
            if operand.type in _MOST
        )

    def put(self, operand: Operand, span: Span | None) -> int:
        """
        Return the place of *operand*.

        Raises:
            PolicyError: there are too many of its like.
        """
        if operand not in self.operands:
            same = [other for other in self.operands if _like(other) == _like(operand)]
            most = _MOST.get(operand.type, 1)
            if len(same) >= most:
                what = _LIKE.get(_like(operand), "paths")
                raise PolicyError(
                    f"the rules on {self.point} compare more than {most} different {what}: that "
                    "is the limit at one point",
                    span,
                )
            self.operands[operand] = len(same)
            self.spans[operand] = span
        return self.operands[operand]


def _reading(operand: Operand) -> str:
    if operand.type is OperandType.TEXT:
        return "text"
    return "signed" if operand.signed else "unsigned"


_LIKE: Final = {
    OperandType.NUMBER: "numbers",
    OperandType.TEXT: "strings",
    OperandType.BYTES: "pieces of memory",
    OperandType.SOCK: "sockets",
}


def _like(operand: Operand) -> OperandType:
    if operand.type.is_path:
        return OperandType.PATH
    return OperandType.SOCK if operand.type.is_socket else operand.type


@attrs.frozen
class Placement:
    """Policies whose conditions at points have their places, and the points by number."""

    policies: PolicySet
    points: tuple[Placed, ...]


def place(policies: PolicySet) -> Placement:
    """
    Give every operand at a point its place.

    Raises:
        PolicyError: rules on one point compare more than is read there.
        LimitError: there are too many points.
    """
    points: dict[int, Placed] = {}
    out = tuple(
        attrs.evolve(policy, rules=tuple(_placed(rule, points) for rule in policy.rules))
        if any(rule.point for rule in policy.rules)
        else policy
        for policy in policies.policies
    )
    if not points:
        return Placement(policies, ())
    return Placement(PolicySet(out), tuple(points[number] for number in sorted(points)))


def _placed(rule: Rule, points: dict[int, Placed]) -> Rule:
    if rule.point is None:
        return rule
    number = rule.point.number
    placed = points.setdefault(number, Placed(rule.point, rule.span))
    if placed.point != rule.point:
        raise PolicyError(
            f"{rule.point} and {placed.point} have the same number here: use only one", rule.span
        )
    limits.check("ENF_MAX_POINTS", len(points), "points of the kernel", rule.span)
    limits.check("ENF_POINT_NAME", len(rule.point.name) + 1, "bytes of a name", rule.span)
    return attrs.evolve(rule, conditions=tuple(_indexed(c, placed) for c in rule.conditions))


def _indexed(condition: Condition, placed: Placed) -> Condition:
    if condition.operand is None:
        return condition
    index = placed.put(condition.operand, condition.span)
    if condition.operand.type in _MOST:
        return attrs.evolve(condition, index=index)
    return condition


# ---- The way there ------------------------------------------------------------------------------


def pack(points: tuple[Placed, ...], types: Types) -> Iterator[tuple[int | bytes, ...]]:
    """
    Yield the values of each ``struct enf_point``.

    Raises:
        PolicyError: this kernel has no such point or operand, or it cannot be compared as it is.
    """
    for placed in points:
        try:
            signature = types.signature(placed.point)
        except PointError as error:
            raise PolicyError(str(error), placed.span) from None
        yield _packed(placed, signature, types)


def _packed(placed: Placed, signature: Signature | None, types: Types) -> tuple[int | bytes, ...]:
    flags = _abi.ENF_PF_VOID if signature is not None and signature.is_void else 0
    # A function that BTF does not describe can be stopped at all the same; a tracepoint or a hook that
    # nothing is known of cannot.
    is_known = signature is not None or placed.point.kind is PointKind.KPROBE
    n_args = signature.n_args if signature is not None else 0
    limits.check("ENF_POINT_ARGS", n_args, f"arguments of {placed.point.name}", placed.span)
    limits.check("ENF_POINT_OPERANDS", len(placed.operands), "operands at a point", placed.span)
    flat: list[int] = []
    # Strings in the order of their places: the kernel side lays them one behind the other.
    for operand, slot in sorted(placed.operands.items(), key=lambda item: item[1]):
        span = placed.spans[operand]
        try:
            way = types.way(placed.point, operand.index, operand.members, whole=_is_whole(operand))
            if way is None and is_known and _is_plain(operand):
                way = Way(operand.index, (), operand.type, 8)
            if way is None:
                is_known = False
                flat += [0] * len(layout.OPERAND.fields)
                continue
            _check(way, operand, placed.point)
        except PointError as error:
            raise PolicyError(str(error), span) from None
        flat += _operand(way, operand, slot)
    flat += [0] * (layout.POINT_OPERANDS * len(layout.OPERAND.fields) - len(flat))
    if not is_known:
        flags |= _abi.ENF_PF_UNBOUND
    head = (placed.point.number, placed.point.kind, n_args, len(placed.operands), flags)
    return (*head, placed.point.name.encode(), *flat)


def _is_whole(operand: Operand) -> bool:
    """Tell whether a pointer is compared itself."""
    return operand.type is OperandType.NUMBER and operand.bits == 64


def _is_plain(operand: Operand) -> bool:
    return isinstance(operand.index, int) and operand.index >= 0 and not operand.members


def _check(way: Way, operand: Operand, point: Point) -> None:
    """Refuse what is not what the rule takes it for."""
    if isinstance(way.arg, int) and point.kind is PointKind.KPROBE and way.arg >= _REGISTERS:
        raise PointError(
            f"argument {way.arg} of {point.name} is on the stack: only the first six can be read"
        )
    wanted, found = operand.type, way.type
    if wanted is OperandType.NUMBER:
        fits = found is wanted or way.is_pointer
    elif wanted is OperandType.FD:
        fits = found is OperandType.NUMBER
    elif wanted in {OperandType.TEXT, OperandType.BYTES}:
        fits = found in {OperandType.TEXT, OperandType.BYTES} or _may_be_address(way)
    elif wanted is OperandType.SKB_SOURCE:
        fits = found is OperandType.SKB or _may_be_address(way)
    elif way.is_inline:
        fits = wanted is found
    else:
        fits = wanted is found or _may_be_address(way)
    if not fits:
        raise PointError(
            f"{operand} of {point} is {way.word or found.name.lower()}, which cannot be compared as "
            f"{wanted.name.lower()}"
        )


def _may_be_address(way: Way) -> bool:
    """Tell whether it is a number or a pointer to something that nothing is known of."""
    return way.type in {OperandType.NUMBER, OperandType.TEXT} and way.is_pointer


def _operand(way: Way, operand: Operand, slot: int) -> list[int]:
    flags = 0
    width = way.width
    if operand.type is OperandType.NUMBER:
        # Not more than there is, and not more than the rule speaks of.
        width = min(way.width, operand.bits // 8)
        flags |= _abi.ENF_OPERAND_SIGNED if operand.signed else 0
    flags |= _abi.ENF_OPERAND_INLINE if way.is_inline else 0
    flags |= _abi.ENF_OPERAND_SWAPPED if way.is_swapped else 0
    flags |= _abi.ENF_OPERAND_DATA_LOC if way.is_located else 0
    arg = {RECORD: _abi.ENF_ARG_RECORD, "returns": _abi.ENF_ARG_RETURN}.get(str(way.arg))
    if arg is None:
        arg = int(way.arg) if way.arg != RETURNS else _abi.ENF_ARG_RETURN
    size = operand.size if operand.size is not None else _abi.ENF_ARG_NONE
    if way.bits:
        width, size = way.width, min(way.bits, operand.bits)
        flags |= _abi.ENF_OPERAND_BITS
    steps = [*way.steps, *[0] * (layout.POINT_STEPS - len(way.steps))]
    return [arg, operand.type, slot, len(way.steps), width, flags, size, way.shift, *steps]
