# SPDX-License-Identifier: MIT
"""What a record says about an access: its operands, and the acting process."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

import attrs

from enforcer._abi import ENF_DRIFT_ANY, ENF_SF_DRIFT_AT
from enforcer.errors import EnforcerError
from enforcer.events.document import VERSION
from enforcer.events.folded import Folded
from enforcer.events.operations import OPERATIONS
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    Dim,
    FieldSpec,
    Kind,
    ObjectFlag,
    Op,
    SubjectFlag,
)
from enforcer.policy.model.points import OperandType
from enforcer.policy.model.workloads import WORKLOAD_FIELDS
from enforcer.workbench.explain.logic import Gap
from enforcer.workbench.explain.point import Passing, operands_at, passing_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from enforcer.policy.model.policy import Condition

__all__ = [
    "POINT",
    "PROTECTION",
    "SYSCALL",
    "Facts",
    "ProcessFacts",
    "RecordError",
    "facts_of",
    "untold_in",
]

PROTECTION = "protection"
"""The event of what is refused without any policy."""

SYSCALL = "syscall"
"""The event of system calls that are decided at their entry."""

POINT = "point"
"""The event of points of the kernel that rules name."""

_WIDE = 1 << 64
_BYTE = re.compile(r"\\x[89a-f][0-9a-f]")
_NOT_COMPARED = frozenset({"target", "asked"})
"""Texts of an object that no condition is about."""

_NEEDED = (
    "policy",
    "rule",
    "place",
    "message",
    "time",
    "action",
    "enforced",
    "guard",
    "default",
    "onError",
    "event",
    "operation",
)
_V4 = 0xFFFF << 32
_OBJECT_FLAGS = {(flag.name or "").lower(): flag for flag in ObjectFlag}
_SUBJECT_FLAGS = {(flag.name or "").lower(): flag for flag in SubjectFlag}

_NAMED = frozenset((OperandType.NUMBER, OperandType.TEXT))
"""Operands at points of which records have a list by name."""

Operand = bytes | int | Gap


class RecordError(EnforcerError):
    """What was given is not a record that could be explained."""


@attrs.frozen
class ProcessFacts:
    """
    One process at one moment; *exe* None: it has no executable.

    What a record has of a parent or an ancestor is its executable and little else. *workload* has the
    fields of the container and the pod that it is in, by their names.
    """

    exe: bytes | Gap | None = Gap.UNRECORDED
    cgroup: Operand = Gap.UNRECORDED
    uid: Operand = Gap.UNRECORDED
    euid: Operand = Gap.UNRECORDED
    gid: Operand = Gap.UNRECORDED
    egid: Operand = Gap.UNRECORDED
    caps: Operand = Gap.UNRECORDED
    flags: int | Gap = Gap.UNRECORDED
    workload: Mapping[str, tuple[bytes, ...] | Gap] | Gap = Gap.UNRECORDED

    def of_workload(self, name: str) -> tuple[bytes, ...] | Gap | None:
        """Return what field *name* of its container or pod is; None: there is no such thing."""
        is_runtime = not isinstance(self.flags, Gap) and self.flags & SubjectFlag.RUNTIME
        if is_runtime and self.workload is not Gap.UNKNOWN:  # where its cgroup is known
            return None
        if isinstance(self.workload, Gap):
            return self.workload
        return self.workload.get(name)

    def operand(self, dim: Dim) -> Operand | None:
        """Return what a condition on *dim* looks at; None: there is no such thing."""
        found: dict[Dim, Operand | None] = {
            Dim.EXE: self.exe,
            Dim.CGROUP: self.cgroup,
            Dim.UID: self.uid,
            Dim.EUID: self.euid,
            Dim.GID: self.gid,
            Dim.EGID: self.egid,
            Dim.CAPS: self.caps,
            Dim.EXE_DRIFT: self._drift,
        }
        return found[dim]

    @property
    def _drift(self) -> Operand | None:
        """What its executable is to the image of its container; None: there is none."""
        if isinstance(self.flags, Gap):
            return self.flags
        if self.flags & SubjectFlag.IMAGE_UNKNOWN:
            return Gap.UNKNOWN
        is_known = self.flags & SubjectFlag.IMAGE
        return self.flags >> ENF_SF_DRIFT_AT & ENF_DRIFT_ANY if is_known else None


@attrs.frozen
class Facts:
    """
    One access.

    Attributes:
        ops: the operation; several if the record does not tell which of its kind.
        operands: values by dimension; what the operation does not have is left out.
        args: arguments that could be read; *argc*: how many there are, None if it has none.
        inode: device and inode of the object, as the kernel numbers them.
        passing: of a point of the kernel.
        attempt: of what the kernel itself refused, all that the call would have been, and the error.
        marks: how many nanoseconds ago a mark was set, by POLICY/NAME; None: never.
        lineage: what is left to know of parents and ancestors beside those that are listed.

    Of a system call *args* has its arguments by their places; one that is not a text is empty.
    """

    ops: frozenset[Op]
    operands: Mapping[int, Operand] = attrs.field(factory=dict)
    args: tuple[bytes, ...] = ()
    argc: int | None = None
    flags: int = 0
    inode: tuple[int, int] | None = None
    process: ProcessFacts = ProcessFacts()
    parents: tuple[ProcessFacts, ...] = ()
    ancestors: tuple[ProcessFacts, ...] = ()
    lineage: Gap | None = Gap.UNRECORDED
    passing: Passing | None = None
    attempt: tuple[frozenset[Op], int] | None = None
    marks: Mapping[str, int | None] = attrs.field(factory=dict)

    def operand(self, condition: Condition) -> Operand | None:
        """Return what *condition* looks at, if it is not a text argument; None: there is no such thing."""
        dim = condition.field.dim
        if dim is None:
            return None
        wanted = condition.operand
        if wanted is not None and self.passing is not None and wanted.type in _NAMED:
            return self.passing.operand(wanted)
        return self.operands.get(dim + condition.index if condition.index is not None else dim)


def facts_of(document: Mapping[str, Any]) -> Facts:
    """
    Read a record, as JSON has it.

    Raises:
        RecordError: it is not a record of a verdict, or not one of this version.
    """
    if document.get("kind") != "match" or document.get("version") != VERSION:
        raise RecordError(
            'this is not a record of a verdict: give one JSON object with "kind": "match" and '
            f'"version": {VERSION}, as enforcer events --follow --json prints them'
        )
    missing = [key for key in _NEEDED if not isinstance(document.get(key), str | bool)]
    if missing:
        raise RecordError(f"the record is damaged: it has no {missing[0]}: give the whole record")
    try:
        return _facts(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(f"the record is damaged: {error!r}: give the whole record") from error


def untold_in(document: Mapping[str, Any]) -> str | None:
    r"""
    Return a text of a record that may stand for two names; None: there is none that conditions are about.

    A byte that is not UTF-8 is written ``\xff`` there, and so are the four characters that look like it.
    """
    thing, process = document["object"], document["process"]
    shown = [
        *(value for key, value in thing.items() if key not in _NOT_COMPARED),
        *(process["exe"], process["cgroup"], document["parent"]["exe"]),
        *(actor["exe"] for actor in document.get("ancestors", ())),
    ]
    return next((text for text in _texts(shown) if _BYTE.search(text)), None)


def _texts(values: list[object]) -> Iterator[str]:
    """Yield the texts in *values*, however deep: somebody else may have made them."""
    rest = values[::-1]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | dict):
            rest.extend(value.values() if isinstance(value, dict) else value)


def _facts(document: Mapping[str, Any]) -> Facts:
    thing = document["object"]
    args = tuple(word.encode() for word in thing.get("args", ()))
    argc = thing.get("argc")
    if document["event"] == SYSCALL:
        given = thing["arguments"]
        args = tuple(each.encode() if isinstance(each, str) else b"" for each in given)
        argc = len(given)
    flags = 0
    for name in thing["flags"]:
        flags |= _OBJECT_FLAGS.get(name, 0)
    if "folded" in thing:
        flags |= Folded.read(thing["folded"]).object_flags
    parent = ProcessFacts(exe=_exe(document["parent"]["exe"]))
    above = [ProcessFacts(exe=_exe(actor["exe"])) for actor in document.get("ancestors", ())]
    return Facts(
        ops=_ops(document, has_args=argc is not None),
        operands=_operands(document),
        args=args,
        argc=argc,
        passing=passing_of(thing) if document["event"] == POINT else None,
        attempt=_attempt(document),
        flags=int(flags),
        inode=_inode(thing),
        process=attrs.evolve(_process(document["process"]), workload=_workload(document)),
        parents=(parent,),
        ancestors=tuple(above) or (parent,),
        marks={each["mark"]: each["ago"] for each in document.get("marks", ())},
    )


def _attempt(document: Mapping[str, Any]) -> tuple[frozenset[Op], int] | None:
    tried = document.get("attempt")
    if tried is None:
        return None
    named = {name.full: op for op, name in reversed(OPERATIONS.items()) if isinstance(op, Op)}
    return frozenset(named[word] for word in tried["operations"]), int(tried["errno"])


def _ops(document: Mapping[str, Any], *, has_args: bool) -> frozenset[Op]:
    if "attempt" in document:
        return frozenset({Op.ATTEMPT})
    wanted = document["event"], document["operation"]
    found = {
        op
        for op, name in OPERATIONS.items()
        if isinstance(op, Op) and (name.event, name.word) == wanted
    }
    if Op.EXEC_ARGV in found:
        return frozenset({Op.EXEC_ARGV} if has_args else found - {Op.EXEC_ARGV})
    return frozenset(found)


def _process(found: Mapping[str, Any]) -> ProcessFacts:
    cgroup = found["cgroup"]
    names = found.get("flags")
    flags: int | Gap = Gap.UNRECORDED
    if names is not None:
        flags = 0
        for name in names:
            flags |= int(_SUBJECT_FLAGS.get(name, 0))
        if "exeFolded" in found:
            flags |= Folded.read(found["exeFolded"]).process_flags
    return ProcessFacts(
        exe=_exe(found["exe"]),
        cgroup=cgroup.encode() if cgroup is not None else Gap.UNRECORDED,
        uid=int(found["uid"]),
        euid=int(found["euid"]),
        gid=int(found["gid"]),
        egid=int(found["egid"]),
        caps=int(found["capabilities"], 16),
        flags=flags,
    )


def _workload(document: Mapping[str, Any]) -> dict[str, tuple[bytes, ...] | Gap]:
    """Outside of containers there is nothing; of what is not known then, the record does not say."""
    found: dict[str, tuple[bytes, ...] | Gap] = {}
    container, pod = document["container"], document["pod"]
    for group, key, given in (("container", "id", container), ("pod", "uid", pod)):
        if given[key] is None:
            continue
        for field in WORKLOAD_FIELDS[group].values():
            value = given.get(field.name.partition(".")[2])
            found[field.name] = (value.encode(),) if isinstance(value, str) else Gap.UNRECORDED
    return found


def _exe(text: str | None) -> bytes | Gap:
    return text.encode() if text is not None else Gap.UNRECORDED


def _inode(thing: Mapping[str, Any]) -> tuple[int, int] | None:
    if "inode" not in thing or "device" not in thing:
        return None
    major, _, minor = thing["device"].partition(":")
    return int(major) << 20 | int(minor), int(thing["inode"])


# ---- Operands of the object ---------------------------------------------------------------------


def _operands(document: Mapping[str, Any]) -> dict[int, Operand]:
    thing = document["object"]
    found: dict[int, Operand] = {Dim[name.upper()]: Gap.UNKNOWN for name in thing["unknown"]}
    if document["event"] == SYSCALL:
        found[Dim.CODE] = int(thing["number"])
        for at, value in enumerate(thing["arguments"]):
            if isinstance(value, int):
                found[Dim.N0 + at] = value % _WIDE
        return found
    if document["event"] == POINT:
        return operands_at(thing) | found
    for field in _fields(document["event"], document["operation"]):
        if field.dim is None or field.kind is Kind.ARGS or field.dim in found:
            continue
        value = thing.get(_key(field, document["event"]))
        if value is not None:
            found[field.dim] = _value(field, value)
    return found


def _fields(event: str, word: str) -> list[FieldSpec]:
    """Return what can be matched of an operation; of one that no rule names, of any of its event."""
    spec = EVENTS.get(event)
    if spec is None:
        return []
    named = spec.operations.get(word)
    known = [named] if named is not None else list(spec.operations.values())
    names = {name for operation in known for name in operation.fields}
    return [field for field in FIELDS.values() if field.name in names]


def _key(field: FieldSpec, event: str) -> str:
    """Return under which key of a record's object the value of *field* stands."""
    if field.dim is Dim.PATH:
        return "path"
    if field.name == "abstract":
        return "name" if event == "network" else ""
    if field.name == "xattr":
        return "name" if event == "file" else ""
    return field.name


def _value(field: FieldSpec, value: Any) -> bytes | int:
    match field.kind:
        case Kind.PATH | Kind.STRING | Kind.UNIT | Kind.CGROUP:
            return str(value).encode()
        case Kind.ADDRESS:
            address = ipaddress.ip_address(value)
            return int(address) | (_V4 if address.version == 4 else 0)
        case Kind.MODE:
            return int(value, 8)
        case Kind.FLAGS | Kind.DRIFT:
            return sum({field.names[word] for word in value})
        case Kind.CAPABILITY:
            return sum({1 << CAPABILITIES[word] for word in value})
    return field.names[value] if value in field.names else int(value)
