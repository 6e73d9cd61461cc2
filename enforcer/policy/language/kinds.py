# SPDX-License-Identifier: MIT
"""
The types of the tables of :mod:`.vocabulary`: operations, dimensions, flags, kinds of values.

Numbers that the kernel side shares are those of ``bpf/include/enforcer_abi.h``, under its names.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from enforcer import _abi
from enforcer._abi import Dim, ObjectFlag, Op

__all__ = [
    "BITS",
    "OPERATORS",
    "Dim",
    "EventSpec",
    "FieldSpec",
    "Kind",
    "ObjectFlag",
    "Op",
    "OpSpec",
    "SubjectFlag",
]


class SubjectFlag(enum.IntFlag):
    """Facts about a process that rules and records know (of ``ENF_SF_*``)."""

    FILELESS = _abi.ENF_SF_FILELESS
    SCRIPT = _abi.ENF_SF_SCRIPT
    SETID = _abi.ENF_SF_SETID
    KTHREAD = _abi.ENF_SF_KTHREAD
    RUNTIME = _abi.ENF_SF_RUNTIME
    EXE_UNKNOWN = _abi.ENF_SF_EXE_UNKNOWN
    LINEAGE_UNKNOWN = _abi.ENF_SF_LINEAGE_UNKNOWN
    OFFHOST = _abi.ENF_SF_OFFHOST
    USERNS = _abi.ENF_SF_USERNS
    TRUSTED_CODE = _abi.ENF_SF_TRUSTED_CODE
    CODE_UNKNOWN = _abi.ENF_SF_CODE_UNKNOWN
    IMAGE = _abi.ENF_SF_IMAGE
    IMAGE_UNKNOWN = _abi.ENF_SF_IMAGE_UNKNOWN
    NO_IMAGE = _abi.ENF_SF_NO_IMAGE
    DRIFT_WRITTEN = _abi.ENF_SF_DRIFT_WRITTEN
    DRIFT_MEMORY = _abi.ENF_SF_DRIFT_MEMORY
    DRIFT_VOLUME = _abi.ENF_SF_DRIFT_VOLUME
    DRIFT_FOREIGN = _abi.ENF_SF_DRIFT_FOREIGN


class Kind(enum.Enum):
    """How the values of a field are written and which operators it has."""

    PATH = "path"
    STRING = "string"
    ADDRESS = "address"
    PORT = "port"
    NUMBER = "number"
    MODE = "mode"
    USER = "user"
    GROUP = "group"
    CAPABILITY = "capability"
    FLAGS = "flags"
    FLAG = "flag"
    UNIT = "unit"
    DRIFT = "drift"
    CGROUP = "cgroup"
    ARGS = "args"


BITS: Final = frozenset({Kind.CAPABILITY, Kind.FLAGS, Kind.DRIFT})
"""Kinds whose values are sets of bits."""

_COMMON = ("equal", "notEqual", "in", "notIn")
_TEXT = (
    *_COMMON,
    *("prefix", "suffix", "contains", "glob"),
    *("notPrefix", "notSuffix", "notContains", "notGlob"),
)
_NUMERIC = (*_COMMON, "range", "mask")

OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.PATH: _TEXT,
    Kind.STRING: _TEXT,
    Kind.ADDRESS: (*_COMMON, "cidr"),
    Kind.PORT: (*_COMMON, "range"),
    Kind.NUMBER: _NUMERIC,
    Kind.MODE: _NUMERIC,
    Kind.USER: (*_COMMON, "range"),
    Kind.GROUP: (*_COMMON, "range"),
    Kind.CAPABILITY: ("any", "all", "none"),
    Kind.FLAGS: ("any", "all", "none"),
    Kind.FLAG: ("equal",),
    Kind.DRIFT: ("equal",),
    Kind.UNIT: _COMMON,
    Kind.CGROUP: _TEXT,
    Kind.ARGS: _TEXT,
}
"""Operators by kind. Those that begin with ``not`` negate; every other holds if any of its values does."""


@attrs.frozen
class FieldSpec:
    """
    A word under ``match`` (object), or under ``process``, ``lineage`` and their like (subject).

    Exactly one of *dim* and *flag* is set. *names* maps symbolic values to numbers, or to bits.
    *counts_as* maps a number that an operand may have to others that it is as well: a condition
    accepts it if it accepts one of these.
    """

    name: str
    kind: Kind
    doc: str
    dim: Dim | None = None
    flag: int | None = None
    names: dict[str, int] = attrs.field(factory=dict, eq=False)
    counts_as: dict[int, tuple[int, ...]] = attrs.field(factory=dict, eq=False)

    def counted(self, number: int) -> tuple[int, ...]:
        """Return the numbers that an operand *number* counts as: itself first."""
        return (number, *self.counts_as.get(number, ()))


@attrs.frozen(cache_hash=True)
class OpSpec:
    """
    A word in the list of an event.

    Attributes:
        ops: kernel operations that this word stands for.
        fields: names in :data:`FIELDS` that may be matched.
        can_deny: the hook returns before the effect, so an error prevents it.
    """

    name: str
    ops: tuple[Op, ...]
    fields: frozenset[str]
    doc: str
    can_deny: bool = True


@attrs.frozen
class EventSpec:
    """An event key of a rule: the class of operations that ``default`` also speaks of."""

    name: str
    operations: dict[str, OpSpec]
    doc: str
    everything: tuple[Op, ...]
    """What ``default`` for this event covers (guards and strict descriptors excluded)."""
