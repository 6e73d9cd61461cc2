# SPDX-License-Identifier: MIT
"""The arguments of a point of the kernel, and the path to an operand."""

from __future__ import annotations

import functools
from typing import Final, Protocol

import attrs

from enforcer.errors import EnforcerError
from enforcer.policy.model.points import OperandType, Point

__all__ = [
    "RECORD",
    "STRUCTURES",
    "NoTypes",
    "PointError",
    "Signature",
    "Types",
    "Way",
    "local_types",
]

RECORD: Final = "record"
_REGISTER: Final = 8
STRUCTURES: Final = {
    "file": OperandType.FILE,
    "path": OperandType.PATH,
    "dentry": OperandType.DENTRY,
    "linux_binprm": OperandType.BINPRM,
    "sockaddr": OperandType.SOCKADDR,
    "sock": OperandType.SOCK,
    "socket": OperandType.SOCKET,
    "sk_buff": OperandType.SKB,
}
"""Structures that are compared as something else than a number."""


class PointError(EnforcerError):
    """The kernel has no such point, argument or member; one sentence without a place."""


@attrs.frozen
class Signature:
    """What a function takes, and whether it returns nothing."""

    n_args: int
    is_void: bool


@attrs.frozen
class Way:
    """
    From an argument to an operand, and what the operand is by its own type.

    Attributes:
        arg: number of the argument; :data:`RECORD` or ``returns`` for these.
        steps: offsets; where another one follows, a pointer is followed.
        type: what it is compared as by default.
        width: bytes of the number, 8 for a pointer.
        signed: of a number.
        is_inline: it lies there itself, not a pointer to it.
        is_swapped: big endian.
        is_located: what lies there says where in the record the string is.
        shift, bits: of a bit field: how many bits of the number lie before it, and how many it has.
        word: what it is in C, for sentences.
    """

    arg: int | str
    steps: tuple[int, ...]
    type: OperandType
    width: int
    signed: bool = False
    is_inline: bool = False
    is_swapped: bool = False
    is_located: bool = False
    word: str = ""
    shift: int = 0
    bits: int = 0

    @property
    def is_pointer(self) -> bool:
        """Whether it may be taken for the address of something else."""
        whole = self.width == _REGISTER and not self.bits
        return whole and not self.is_inline and not self.is_located


class Types(Protocol):
    """The questions. Each raises PointError where the kernel has nothing of the kind."""

    def signature(self, point: Point) -> Signature | None:
        """Return the parameters of the function; None if they are not known."""

    def are_alike(self, one: Point, other: Point) -> bool:
        """Tell whether two functions certainly have the same parameters; raises nothing."""
        ...

    def way(
        self, point: Point, index: int | str, members: tuple[str, ...], *, whole: bool = False
    ) -> Way | None:
        """
        Find an operand; None if nothing is known.

        *whole*: the pointer itself, not what tells a structure behind it apart.
        """


class NoTypes:
    """A machine that says nothing of its kernel."""

    def signature(self, point: Point) -> Signature | None:  # noqa: ARG002 - the protocol's form
        """Know nothing."""
        return None

    def are_alike(self, one: Point, other: Point) -> bool:  # noqa: ARG002 - as above
        """Return false: nothing is known."""
        return False

    def way(
        self,
        point: Point,  # noqa: ARG002 - as above
        index: int | str,  # noqa: ARG002
        members: tuple[str, ...],  # noqa: ARG002
        *,
        whole: bool = False,  # noqa: ARG002
    ) -> Way | None:
        """Know nothing."""
        return None


@functools.cache
def local_types() -> Types:
    """Return the types of this machine's kernel; read once."""
    from enforcer.policy.kernel_types.signatures import read_types  # noqa: PLC0415 (only for rules on points)

    return read_types()
