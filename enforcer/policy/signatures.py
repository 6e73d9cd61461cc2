# SPDX-License-Identifier: MIT
"""
What is found at a point of the kernel: its arguments, and the way from one of them to a member.

Functions and hooks are described by the kernel's BTF, tracepoints by their ``format`` file. Where a
machine has neither, nothing is known, and whoever asks says so.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Final, Protocol

import attrs

from enforcer.policy.btf import Btf, Type, TypeKind
from enforcer.policy.points import RETURNS, OperandType, Point, PointKind
from enforcer.policy.tracepoints import fields_of, plain_field
from enforcer.policy.ways import (
    RECORD,
    STRUCTURES,
    NoTypes,
    PointError,
    Signature,
    Types,
    Way,
)

__all__ = ["KernelTypes", "local_types"]

_TRACING: Final = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
_MAX_STEPS: Final = 6
_REGISTER: Final = 8
_TELLING: Final = {
    "cred": ("euid", "val"),
    "task_struct": ("tgid",),
    "user_namespace": ("ns", "inum"),
}
"""Of structures that are compared as a number: which of their members that is."""

_BIG_ENDIAN: Final = frozenset(("__be16", "__be32", "__be64"))


@functools.cache
def local_types() -> Types:
    """Return what this machine says of its kernel; read once."""
    btf = Btf.read()
    return NoTypes() if btf is None else KernelTypes(btf, _TRACING)


def _is_symbol(name: str, symbols: Path) -> bool:
    """Tell whether the kernel has a function that BTF does not describe, as far as it says."""
    try:
        content = symbols.read_bytes()
    except OSError:
        return True  # nothing is known: attaching will tell
    return re.search(rb" [tTwW] " + re.escape(name.encode()) + rb"\s", content) is not None


@attrs.define
class KernelTypes:
    """One kernel."""

    btf: Btf
    tracing: tuple[Path, ...]
    symbols: Path = Path("/proc/kallsyms")

    def signature(self, point: Point) -> Signature | None:
        """Return what the function of *point* takes."""
        if point.kind is PointKind.TRACEPOINT:
            return None if fields_of(self.tracing, point) is None else Signature(0, is_void=True)
        proto = self._proto(point)
        if proto is None:
            return None
        return Signature(
            len(self._parameters(point, proto)),
            is_void=self.btf.plain(proto.size).kind is TypeKind.VOID,
        )

    def are_alike(self, one: Point, other: Point) -> bool:
        """Compare the types of the arguments."""
        try:
            mine, others = self._proto(one), self._proto(other)
        except PointError:
            return False
        if mine is None or others is None:
            return False
        first, second = (self._parameters(p, proto) for p, proto in ((one, mine), (other, others)))
        return [number for _, number in first] == [number for _, number in second]

    def way(
        self, point: Point, index: int | str, members: tuple[str, ...], *, whole: bool = False
    ) -> Way | None:
        """Find the operand that *members* lead to from the argument *index*."""
        if point.kind is PointKind.TRACEPOINT:
            return self._of_field(point, index, members)
        proto = self._proto(point)
        if proto is None:
            return None
        if index == RETURNS:
            arg: int | str = "returns"
            number = proto.size
            if self.btf.plain(number).kind is TypeKind.VOID:
                raise PointError(f"{point.name} returns nothing")
        else:
            arg, number = self._argument(point, proto, index)
        return _Walk(self.btf, arg, f"{index} of {point.name}").to(number, members, whole=whole)

    # ---- Functions ---------------------------------------------------------------------------

    def _proto(self, point: Point) -> Type | None:
        """Return the type of the function; None if BTF does not describe it."""
        if point.kind is PointKind.RAW:
            found = self.btf.find(TypeKind.TYPEDEF, f"btf_trace_{point.name}")
            if found is None:
                raise PointError(f"this kernel has no raw tracepoint {point.name}")
            return self.btf.plain(self.btf.plain(found.number).size)
        name = f"bpf_lsm_{point.name}" if point.kind is PointKind.LSM else point.name
        found = self.btf.find(TypeKind.FUNC, name)
        if found is not None:
            return self.btf.plain(found.size)
        if point.kind is PointKind.LSM:
            raise PointError(f"this kernel has no LSM hook {point.name}")
        if not _is_symbol(point.name, self.symbols):
            raise PointError(f"this kernel has no function {point.name}")
        return None

    def _parameters(self, point: Point, proto: Type) -> list[tuple[str, int]]:
        found = self.btf.parameters(proto)
        return found[1:] if point.kind is PointKind.RAW else found

    def _argument(self, point: Point, proto: Type, index: int | str) -> tuple[int, int]:
        found = self._parameters(point, proto)
        if isinstance(index, str):
            names = [name for name, _ in found]
            if index not in names:
                known = ", ".join(names) or "none"
                raise PointError(f"{point.name} has no argument {index} (it has {known})")
            index = names.index(index)
        if index >= len(found):
            raise PointError(f"{point.name} has no argument {index}: it has {len(found)}")
        for name, number in found[:index]:
            plain = self.btf.plain(number)
            if plain.kind in {TypeKind.STRUCT, TypeKind.UNION} and plain.size > _REGISTER:
                raise PointError(
                    f"argument {index} of {point.name} comes behind {name}, which is passed in parts"
                )
        return index, found[index][1]

    # ---- Tracepoints -------------------------------------------------------------------------

    def _of_field(self, point: Point, index: int | str, members: tuple[str, ...]) -> Way | None:
        fields = fields_of(self.tracing, point)
        if fields is None:
            return None
        if isinstance(index, str):
            named = [field for field in fields if field.name == index]
        else:
            named = fields[index : index + 1]
        if not named:
            known = ", ".join(field.name for field in fields)
            raise PointError(f"tracepoint {point.name} has no field {index} (it has {known})")
        (field,) = named
        if members:
            name = re.search(r"struct (\w+) \*$", field.declared)
            found = self.btf.find(TypeKind.STRUCT, name[1]) if name else None
            if found is None:
                raise PointError(f"field {field.name} of {point.name} has no members")
            walk = _Walk(self.btf, RECORD, f"{field.name} of {point.name}")
            return walk.to(found.number, members, start=(field.offset, 0))
        return plain_field(field)


@attrs.define
class _Walk:
    """From one argument over members."""

    btf: Btf
    arg: int | str
    what: str

    def to(
        self,
        number: int,
        members: tuple[str, ...],
        *,
        start: tuple[int, ...] = (),
        whole: bool = False,
    ) -> Way:
        steps = list(start)
        for name in members:
            number, steps = self._into(number, steps, name)
        plain = self.btf.plain(number)
        behind = self.btf.plain(plain.size) if plain.kind is TypeKind.PTR else None
        if behind is not None and behind.name in _TELLING and not whole:
            for name in _TELLING[behind.name]:
                number, steps = self._into(number, steps, name)
        while True:  # kuid_t and its like: a number in a structure
            plain = self.btf.plain(number)
            if plain.kind is not TypeKind.STRUCT or plain.size > _REGISTER or plain.count != 1:
                break
            (only,) = self.btf.members(plain)
            number = only.type
        if len(steps) > _MAX_STEPS:
            raise PointError(f"the way from {self.what} has more than {_MAX_STEPS} pointers")
        return self._end(number, tuple(steps))

    def _into(self, number: int, steps: list[int], name: str) -> tuple[int, list[int]]:
        plain = self.btf.plain(number)
        if plain.kind is TypeKind.PTR:
            steps = [*steps, 0]
            plain = self.btf.plain(plain.size)
        if plain.kind is TypeKind.ARRAY and name.isdigit():
            element, count = self.btf.element(plain)
            if int(name) >= count:
                raise PointError(
                    f"{name} is behind the end of an array on the way from {self.what}"
                )
            at = int(name) * self._size(element)
            return element, [*steps[:-1], steps[-1] + at]
        if plain.kind not in {TypeKind.STRUCT, TypeKind.UNION} or not steps:
            raise PointError(
                f"{name} is no member on the way from {self.what}: there is no structure"
            )
        for member in self.btf.members(plain):
            if member.name != name:
                continue
            if member.bits or member.offset % 8:
                raise PointError(f"{name} on the way from {self.what} is a bit field")
            return member.type, [*steps[:-1], steps[-1] + member.offset // 8]
        raise PointError(f"struct {plain.name} has no member {name}")

    def _size(self, number: int) -> int:
        plain = self.btf.plain(number)
        if plain.kind is TypeKind.PTR:
            return _REGISTER
        if plain.kind is TypeKind.ARRAY:
            element, count = self.btf.element(plain)
            return count * self._size(element)
        return plain.size

    def _end(self, number: int, steps: tuple[int, ...]) -> Way:
        plain = self.btf.plain(number)
        names = tuple(self.btf.names(number))

        def way(kind: OperandType, width: int, word: str, **more: bool) -> Way:
            return Way(self.arg, steps, kind, width, word=word, **more)

        match plain.kind:
            case TypeKind.INT:
                return way(
                    OperandType.NUMBER,
                    plain.size,
                    names[0] if names else plain.name,
                    signed=self.btf.encoding(plain)[0],
                    is_swapped=not _BIG_ENDIAN.isdisjoint(names),
                )
            case TypeKind.ENUM | TypeKind.ENUM64:
                return way(OperandType.NUMBER, plain.size, f"enum {plain.name}")
            case TypeKind.PTR:
                return self._pointer(self.btf.plain(plain.size), way)
            case TypeKind.ARRAY if steps:
                element, count = self.btf.element(plain)
                is_text = self._is_char(self.btf.plain(element))
                kind = OperandType.TEXT if is_text else OperandType.BYTES
                size = count * self._size(element)
                return way(kind, min(size, 255), "an array", is_inline=True)
            case TypeKind.STRUCT if plain.name in STRUCTURES and steps:
                return way(STRUCTURES[plain.name], 0, f"struct {plain.name}", is_inline=True)
        raise PointError(
            f"{self.what} is a {plain.kind.name.lower()} {plain.name}: name a member of it"
        )

    def _pointer(self, behind: Type, way: _Make) -> Way:
        if self._is_char(behind):
            return way(OperandType.TEXT, _REGISTER, "char *")
        kind = STRUCTURES.get(behind.name, OperandType.NUMBER)
        if behind.kind is not TypeKind.STRUCT:
            kind = OperandType.NUMBER
        return way(kind, _REGISTER, f"{behind.name or behind.kind.name.lower()} *")

    @staticmethod
    def _is_char(plain: Type) -> bool:
        return plain.kind is TypeKind.INT and plain.name in {"char", "signed char", "unsigned char"}


class _Make(Protocol):
    def __call__(self, kind: OperandType, width: int, word: str, **more: bool) -> Way: ...
