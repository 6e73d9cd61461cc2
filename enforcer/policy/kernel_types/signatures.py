# SPDX-License-Identifier: MIT
"""
The arguments of a point of the kernel, and the path from one of them to a member.

The kernel's BTF describes functions and hooks; the ``format`` file describes a tracepoint. On a machine
that has neither, nothing is known, and callers report that.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Protocol

import attrs

from enforcer.policy.kernel_types.btf import Btf, Member, Type, TypeKind
from enforcer.policy.kernel_types.operand_path import (
    RECORD,
    STRUCTURES,
    NoTypes,
    PointError,
    Signature,
    Types,
    Way,
)
from enforcer.policy.kernel_types.tracepoints import fields_of, plain_field
from enforcer.policy.model.points import RETURNS, OperandType, Point, PointKind

__all__ = ["KernelTypes", "read_types"]

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


def read_types() -> Types:
    """Read the types of this machine's kernel."""
    btf = Btf.read()
    return NoTypes() if btf is None else KernelTypes(btf, _TRACING)


@attrs.frozen
class _Symbol:
    """A function that the kernel's own BTF does not describe; of a *module*, empty: of the kernel."""

    module: str = ""


def _symbol(name: str, symbols: Path) -> _Symbol | None:
    """Look for a function among the kernel's symbols; None: it has none of that name."""
    try:
        content = symbols.read_bytes()
    except OSError:
        return _Symbol()  # nothing is known: attaching will tell
    named = rb" [tTwW] " + re.escape(name.encode()) + rb"(?:\t\[(\w+)\])?$"
    found = re.search(named, content, re.MULTILINE)
    return None if found is None else _Symbol((found[1] or b"").decode("ascii"))


@attrs.frozen
class _Proto:
    """What a function takes and returns, as numbers of types of *btf*."""

    btf: Btf
    parameters: list[tuple[str, int]]
    returns: int


@attrs.define
class KernelTypes:
    """One kernel."""

    btf: Btf
    tracing: tuple[Path, ...]
    symbols: Path = Path("/proc/kallsyms")
    described: Path = Path("/sys/kernel/btf")

    def signature(self, point: Point) -> Signature | None:
        """Return what the function of *point* takes."""
        if point.kind is PointKind.TRACEPOINT:
            return None if fields_of(self.tracing, point) is None else Signature(0, is_void=True)
        found = self._proto(point)
        if found is None:
            return None
        return Signature(
            len(found.parameters), is_void=found.btf.plain(found.returns).kind is TypeKind.VOID
        )

    def are_alike(self, one: Point, other: Point) -> bool:
        """Compare the types of the arguments."""
        try:
            mine, others = self._proto(one), self._proto(other)
        except PointError:
            return False
        if mine is None or others is None or mine.btf is not others.btf:
            return False
        return [number for _, number in mine.parameters] == [
            number for _, number in others.parameters
        ]

    def way(
        self, point: Point, index: int | str, members: tuple[str, ...], *, whole: bool = False
    ) -> Way | None:
        """Find the operand that *members* lead to from the argument *index*."""
        if point.kind is PointKind.TRACEPOINT:
            return self._of_field(point, index, members)
        found = self._proto(point)
        if found is None:
            return None
        if index == RETURNS:
            arg: int | str = "returns"
            number = found.returns
            if found.btf.plain(number).kind is TypeKind.VOID:
                raise PointError(f"{point.name} returns nothing")
        else:
            arg, number = self._argument(point, found, index)
        return _Walk(found.btf, arg, f"{index} of {point.name}").to(number, members, whole=whole)

    # ---- Functions ---------------------------------------------------------------------------

    def _proto(self, point: Point) -> _Proto | None:
        """Return what BTF says of the function; None if it does not describe it."""
        if point.kind is PointKind.RAW:
            named = self.btf.find(TypeKind.TYPEDEF, f"btf_trace_{point.name}")
            if named is None:
                raise PointError(f"this kernel has no raw tracepoint {point.name}")
            proto = self.btf.plain(self.btf.plain(named.number).size)
            return _Proto(self.btf, self.btf.parameters(proto)[1:], proto.size)
        name = f"bpf_lsm_{point.name}" if point.kind is PointKind.LSM else point.name
        found = self._described(self.btf, name)
        if found is not None:
            return found
        if point.kind is PointKind.LSM:
            raise PointError(f"this kernel has no LSM hook {point.name}")
        symbol = _symbol(point.name, self.symbols)
        if symbol is None:
            raise PointError(
                f"this kernel has no function {point.name} (those of a module are there once it is loaded)"
            )
        if not symbol.module:
            return None
        # Not kept: another version of the module may be loaded next time.
        module = Btf.read(self.described / symbol.module, self.btf)
        return self._described(module, name) if module is not None else None

    @staticmethod
    def _described(btf: Btf, name: str) -> _Proto | None:
        found = btf.find(TypeKind.FUNC, name)
        if found is None:
            return None
        proto = btf.plain(found.size)
        return _Proto(btf, btf.parameters(proto), proto.size)

    def _argument(self, point: Point, proto: _Proto, index: int | str) -> tuple[int, int]:
        found = proto.parameters
        if isinstance(index, str):
            names = [name for name, _ in found]
            if index not in names:
                known = ", ".join(names) or "none"
                raise PointError(f"{point.name} has no argument {index} (it has {known})")
            index = names.index(index)
        if index >= len(found):
            raise PointError(f"{point.name} has no argument {index}: it has {len(found)}")
        for name, number in found[:index]:
            plain = proto.btf.plain(number)
            if plain.kind in {TypeKind.STRUCT, TypeKind.UNION} and plain.size > _REGISTER:
                raise PointError(
                    f"argument {index} of {point.name} comes after {name}, which is passed in parts"
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
    field: Member | None = None
    """The bit field that was come to: nothing is behind it."""

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
            if self.field is not None:
                raise PointError(
                    f"{name} is not a member on the path from {self.what}: there are bits"
                )
            number, steps = self._into(number, steps, name)
        if self.field is not None:
            return self._bits(self.field, tuple(steps))
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
            raise PointError(f"the path from {self.what} has more than {_MAX_STEPS} pointers")
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
                    f"{name} is beyond the end of an array on the path from {self.what}"
                )
            at = int(name) * self._size(element)
            return element, [*steps[:-1], steps[-1] + at]
        if plain.kind not in {TypeKind.STRUCT, TypeKind.UNION} or not steps:
            raise PointError(
                f"{name} is not a member on the path from {self.what}: that is not a structure"
            )
        for member in self.btf.members(plain):
            if member.name != name:
                continue
            if member.bits:
                self.field = member
                return member.type, steps
            return member.type, [*steps[:-1], steps[-1] + member.offset // 8]
        raise PointError(f"struct {plain.name} has no member {name}")

    def _bits(self, field: Member, steps: tuple[int, ...]) -> Way:
        """Return the way to the number that has the bits of *field* in it, and which of it they are."""
        plain = self.btf.plain(field.type)
        whole = plain.size * 8
        at = field.offset // whole * whole
        if (
            field.offset - at + field.bits > whole
        ):  # packed: over the edge of what it is declared as
            at = field.offset // 8 * 8
            whole = next((w for w in (8, 16, 32, 64) if field.offset - at + field.bits <= w), 0)
        if not whole or len(steps) > _MAX_STEPS:
            raise PointError(
                f"{field.name} on the path from {self.what} cannot be read in one piece"
            )
        signed = plain.kind is TypeKind.INT and self.btf.encoding(plain)[0]
        return Way(
            self.arg,
            (*steps[:-1], steps[-1] + at // 8),
            OperandType.NUMBER,
            whole // 8,
            signed=signed,
            shift=field.offset - at,
            bits=field.bits,
            word="a bit field",
        )

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
