# SPDX-License-Identifier: MIT
"""Recordings without a kernel: what the programs would write of actors and accesses of the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import header
from fakes import raw_event
from reference.semantics import UNKNOWN, Access, Actor, Identity, Unknown

from enforcer.libbpf import abi
from enforcer.policy.language.vocabulary import Dim, Op, SubjectFlag
from enforcer.workbench.replay.journal import FORMAT, BlockKind, Writer
from enforcer.workbench.replay.lines import How

__all__ = ["Tape", "access_event", "head"]

KINDS = header.enumeration("enf_event_kind", "ENF_EVENT_")
NO_OP = header.constant("ENF_NO_OP")
_NUMBERS = {
    Dim.PORT: "port",
    Dim.FAMILY: "family",
    Dim.TYPE: "type",
    Dim.PROTOCOL: "protocol",
    Dim.MODE: "mode",
    Dim.CODE: "code",
    Dim.BITS: "bits",
    Dim.TO_UID: "to_uid",
    Dim.TO_GID: "to_gid",
    Dim.DRIFT: "drift",
}


def head(**values: Any) -> dict[str, Any]:
    """Describe a recording of everything."""
    return {
        "format": FORMAT,
        "abi": f"{abi.ABI_HASH:016x}",
        "began": 0,
        "wall": 0,
        "host": "here",
        "machine": "0",
        "operations": [op.name for op in Op],
        "calls": [],
        **values,
    }


@attrs.define
class Tape:
    """What was recorded so far."""

    lines: list[bytes] = attrs.field(factory=list)
    accesses: list[bytes] = attrs.field(factory=list)
    cgroups: dict[bytes, int] = attrs.field(factory=dict)
    n_lines: int = 0
    now: int = 1000

    def who(self, identity: Identity) -> dict[str, Any]:
        """Fields of an event that say who acts."""
        flags = identity.flags
        exe = identity.exe
        if exe is UNKNOWN:
            flags |= SubjectFlag.EXE_UNKNOWN
            exe = None
        return {
            "uid": identity.uid,
            "euid": identity.euid,
            "gid": identity.gid,
            "egid": identity.egid,
            "caps": identity.caps,
            "subj_flags": flags,
            "exe": exe or b"",
            "cgroup": 0 if identity.cgroup is UNKNOWN else self.cgroup(identity.cgroup),
        }

    def cgroup(self, path: bytes, container: int | None = None) -> int:
        """Tell the path of a cgroup once, and return its number; *container*: whose it is, default its own."""
        if path not in self.cgroups:
            number = self.cgroups[path] = len(self.cgroups) + 1
            whose = container if container is not None else number
            self.lines.append(raw_event(kind=KINDS["CGROUP"], cgroup=number, ino=whose, path=path))
        return self.cgroups[path]

    def begin(
        self, how: How, origin: int, who: Identity, number: int | None = None, **values: Any
    ) -> int:
        """A program begins; returns its line."""
        if number is None:
            self.n_lines += 1
            number = self.n_lines
        fields = {"kind": KINDS["LINE"], "op": how, "line": number, "ino": origin}
        self.lines.append(raw_event(**fields, **self.who(who), **values))
        return number

    def actor(self, actor: Actor) -> int:
        """A process lives through its history; returns the line of its program."""
        line = self.begin(How.FOUND, 0, Identity())
        if actor.lineage_unknown:
            self.lines.pop()
        for ancestor in actor.ancestors:
            line = self.begin(How.EXEC, line, ancestor)
        if actor.parent is not None:
            line = self.begin(How.FORK, line, actor.parent)
        return line

    def access(self, line: int, who: Identity, access: Access, **values: Any) -> None:
        """A process does something."""
        self.now += 10
        self.accesses.append(
            access_event(access, **{"time_ns": self.now, "line": line, **self.who(who), **values})
        )

    def write(self, path: Path, *, end: bool = True, **values: Any) -> Path:
        """Make a journal of it."""
        writer = Writer.create(path)
        writer.document(BlockKind.HEAD, head(**values))
        writer.records(BlockKind.LINES, self.lines, 0, self.now)
        writer.records(BlockKind.ACCESSES, self.accesses, 0, self.now)
        if end:
            writer.document(BlockKind.END, {"seconds": 1.0, "reason": "it was stopped"})
        writer.close()
        return path


def access_event(access: Access, **values: Any) -> bytes:
    """The record of an access."""
    fields: dict[str, Any] = {"flags": 0, "action": 1, "row": 0xFFFFFFFF}
    present = unknown = 0
    for dim, value in access.operands.items():
        present |= 1 << dim
        if isinstance(value, Unknown):
            unknown |= 1 << dim
        elif dim == Dim.PATH:
            fields["path"] = value
        elif dim == Dim.NAME:
            fields["name"] = value
        elif dim == Dim.FSTYPE:
            fields["fstype"] = value
        elif dim == Dim.ADDR:
            fields["addr_hi"], fields["addr_lo"] = value >> 64, value & (1 << 64) - 1
        elif dim == Dim.INODE:
            fields["dev"], fields["ino"] = value >> 64, value & (1 << 64) - 1
        else:
            fields[_NUMBERS[dim]] = value
    if access.argc is not None:
        present |= 1 << Dim.ARG_ANY
        unknown |= (len(access.args) < access.argc) << Dim.ARG_ANY
        for at in range(min(16, access.argc)):
            present |= 1 << (Dim.ARG0 + at)
            unknown |= (at >= len(access.args)) << (Dim.ARG0 + at)
        fields["name"] = b"".join(arg + b"\0" for arg in access.args)
        fields["argc"] = len(access.args)
    ops = [*access.ops, *[NO_OP] * (4 - len(access.ops))]
    fields |= {f"ops[{at}]": op for at, op in enumerate(ops)}
    return raw_event(
        kind=KINDS["ACCESS"],
        op=access.ops[0],
        obj_flags=access.flags,
        present=present,
        unknown=unknown,
        **fields | values,
    )
