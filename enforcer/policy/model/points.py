# SPDX-License-Identifier: MIT
"""
Points of the kernel that rules name, and the operands there: values, nothing read and nothing asked.
"""

from __future__ import annotations

import enum
import zlib

import attrs

from enforcer import _abi
from enforcer._abi import PointKind

__all__ = [
    "AT",
    "RETURNS",
    "Operand",
    "OperandType",
    "Point",
    "PointKind",
]

RETURNS = -2
"""The index of what a function returns."""


AT = {
    PointKind.LSM: "lsm",
    PointKind.KPROBE: "kprobe",
    PointKind.KRETPROBE: "kretprobe",
    PointKind.TRACEPOINT: "tracepoint",
    PointKind.RAW: "raw_tracepoint",
}
"""The word for each kind, in records and sentences."""


class OperandType(enum.IntEnum):
    """``enum enf_operand_type``: what an operand is compared as."""

    NUMBER = _abi.ENF_OPERAND_NUMBER
    TEXT = _abi.ENF_OPERAND_TEXT
    BYTES = _abi.ENF_OPERAND_BYTES
    FILE = _abi.ENF_OPERAND_FILE
    PATH = _abi.ENF_OPERAND_PATH
    DENTRY = _abi.ENF_OPERAND_DENTRY
    BINPRM = _abi.ENF_OPERAND_BINPRM
    FD = _abi.ENF_OPERAND_FD
    SOCKADDR = _abi.ENF_OPERAND_SOCKADDR
    SOCK = _abi.ENF_OPERAND_SOCK
    SOCKET = _abi.ENF_OPERAND_SOCKET
    SKB = _abi.ENF_OPERAND_SKB
    SKB_SOURCE = _abi.ENF_OPERAND_SKB_SOURCE

    @property
    def is_path(self) -> bool:
        """Whether it has a path, which is compared."""
        return OperandType.FILE <= self <= OperandType.FD

    @property
    def is_socket(self) -> bool:
        """Whether it has an address, a port and a family."""
        return self >= OperandType.SOCKADDR

    @property
    def is_packet(self) -> bool:
        """Whether it is one end of a packet."""
        return self >= OperandType.SKB


@attrs.frozen
class Point:
    """
    Where a rule is decided.

    *name* is the hook's, the function's, or the tracepoint's, with its category unless it is raw.
    """

    kind: PointKind
    name: str

    def __str__(self) -> str:
        return f"{AT[self.kind]} {self.name}"

    @property
    def number(self) -> int:
        """What the kernel side knows it by; the same in every image."""
        return zlib.crc32(f"{AT[self.kind]}:{self.name}".encode()) or 1


@attrs.frozen
class Operand:
    """
    One operand of a point.

    Attributes:
        index: of the argument or field, its name, or :data:`RETURNS`.
        type: what it is compared as.
        members: names that lead from the argument to it.
        bits, signed: of a number.
        size: of bytes: the argument that says how many.
    """

    index: int | str
    type: OperandType
    members: tuple[str, ...] = ()
    bits: int = 64
    signed: bool = False
    size: int | None = None

    def __str__(self) -> str:
        first = "returns" if self.index == RETURNS else f"arg{self.index}"
        if isinstance(self.index, str):
            first = self.index
        return ".".join((first, *self.members))
