# SPDX-License-Identifier: MIT
"""
The decision core in this process: the source that the kernel runs, on any input, without root.

Numbers are those of the ABI header; callers know what they mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug
from enforcer.libbpf import abi
from enforcer.libbpf._ffi import ffi, lib

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from enforcer.libbpf._ffi import CData

__all__ = ["Access", "Core", "Identity", "Subject", "Verdict", "identify"]

_NONE: Final = _abi.ENF_NONE
_EXE_UNKNOWN: Final = _abi.ENF_SF_EXE_UNKNOWN
_ON_ERROR: Final = _abi.ENF_VF_ON_ERROR
_MAX_ARGS: Final = _abi.ENF_MAX_ARGS
_ARGV_MAX: Final = _abi.ENF_ARGV_MAX
_MAX_ARG_INDEX: Final = _abi.ENF_MAX_ARG_INDEX
_PATH, _NAME, _FSTYPE = (abi.DIMS[name] for name in ("PATH", "NAME", "FSTYPE"))
_ADDR, _ARG_ANY, _ARG0 = (abi.DIMS[name] for name in ("ADDR", "ARG_ANY", "ARG0"))
_TEXTS: Final = {_PATH: "path", _NAME: "name", _FSTYPE: "fstype"}


@attrs.frozen(kw_only=True)
class Identity:
    """
    One process at one moment; the names are those of ``struct enf_task``.

    *exe* None: its executable has no name, or is not known, as *flags* say.
    """

    exe: bytes | None
    cgroup: bytes = b"/"
    uid: int = 0
    euid: int = 0
    gid: int = 0
    egid: int = 0
    caps: int = 0
    flags: int = 0


@attrs.frozen(kw_only=True)
class Access:
    """
    One access: up to four operations, and its operands.

    Attributes:
        operands: by dimension; what the operation does not have is left out.
        unknown: dimensions that it has and that could not be read.
        args: arguments of a new program; None: there are none here.
        marks: when marks were set, by number, CLOCK_BOOTTIME in nanoseconds.
        now: the time of the access, likewise.
    """

    ops: tuple[int, ...]
    operands: Mapping[int, bytes | int] = attrs.field(factory=dict)
    unknown: frozenset[int] = frozenset()
    args: tuple[bytes, ...] | None = None
    flags: int = 0
    marks: Mapping[int, int] = attrs.field(factory=dict)
    now: int = 0


@attrs.frozen(kw_only=True)
class Verdict:
    """
    What was decided; *row* None: nothing.

    Attributes:
        on_error: an operand was unknown, and the row's ``onError`` decided.
        op: the operation that the row was found for.
        audit_row, audit_action: what the policies in audit mode say.
        marks: what is marked by it, as a mask of numbers.
    """

    row: int | None
    action: int
    error: int
    signal: int
    on_error: bool
    op: int
    audit_row: int | None
    audit_action: int
    audit_on_error: bool
    marks: int


@attrs.frozen(eq=False)
class Subject:
    """A process that has lived through its history, under one image."""

    given: CData


@attrs.define(eq=False)
class Core:
    """Decides by *image*, which must have passed the independent check of the compiler."""

    image: bytes

    def subject(
        self, now: Identity, parent: Identity | None = None, ancestors: Sequence[Identity] = ()
    ) -> Subject:
        """
        Make a process as the programs would: every ancestor execs into the next, the parent forks.

        Args:
            now: who acts.
            parent: its parent; None: nothing that a rule could ask for.
            ancestors: what its parent came from, the oldest first.
        """
        task = ffi.new("struct enf_task *")
        given = ffi.new("struct enf_test_input *")
        for ancestor in ancestors:
            self._become(given, task, ancestor)
            self._check(lib.enf_native_exec(self.image, len(self.image), task, 0, 1))
        if parent is not None:
            self._become(given, task, parent)
            child = ffi.new("struct enf_task *")
            self._check(lib.enf_native_fork(self.image, len(self.image), child, task, 0))
            task[0] = child[0]
        self._become(given, task, now)
        return Subject(given)

    def decide(self, subject: Subject, access: Access) -> Verdict:
        """Decide one access of *subject*."""
        given = subject.given
        _fill(given, access)
        given.reval = 0
        self._check(lib.enf_native_decide(self.image, len(self.image), given))
        found = given.verdict
        return Verdict(
            row=None if found.row == _NONE else int(found.row),
            action=int(found.action),
            error=int(found.error),
            signal=int(found.signal),
            on_error=bool(found.flags & _ON_ERROR),
            op=int(found.op),
            audit_row=None if found.audit_row == _NONE else int(found.audit_row),
            audit_action=int(found.audit_action),
            audit_on_error=bool(found.audit_flags & _ON_ERROR),
            marks=int(found.marks),
        )

    def _become(self, given: CData, task: CData, who: Identity) -> None:
        """Give *task* the identity *who*, and find out which conditions hold for it."""
        identify(task, who)
        given.cgroup_len = _put(given.cgroup, who.cgroup)
        given.task = task[0]
        given.reval = 1
        given.object.n_ops = 0
        self._check(lib.enf_native_decide(self.image, len(self.image), given))
        task[0] = given.task

    @staticmethod
    def _check(code: int) -> None:
        if code:
            raise EnforcerBug(f"the decision core returned {code} for a checked image")


def identify(task: CData, who: Identity) -> None:
    """Write a process into a label."""
    task.flags = who.flags
    task.exe_len = 0
    if who.exe is not None:
        if len(who.exe) > ffi.sizeof(task.exe):
            task.flags |= _EXE_UNKNOWN  # as the kernel side has it
        else:
            task.exe_len = _put(task.exe, who.exe)
    task.uid, task.euid, task.gid, task.egid = who.uid, who.euid, who.gid, who.egid
    task.caps = who.caps


def _fill(given: CData, access: Access) -> None:
    given.object = ffi.new("struct enf_object *")[0]
    target = given.object
    target.n_ops = len(access.ops)
    for i, op in enumerate(access.ops):
        target.op[i] = op
    target.flags = access.flags
    given.now = access.now
    given.marks = ffi.new("struct enf_marks *")[0]
    for number, at in access.marks.items():
        given.marks.at[number] = at
    for dim, value in access.operands.items():
        target.present |= 1 << dim
        if dim in _TEXTS and isinstance(value, bytes):
            room = getattr(given, _TEXTS[dim])
            setattr(target, f"{_TEXTS[dim]}_len", _put(room, value))
        elif dim == _ADDR and isinstance(value, int):
            target.addr_hi, target.addr_lo = value >> 64, value & (1 << 64) - 1
        else:
            target.num[dim - _ADDR] = value
    for dim in access.unknown:
        target.present |= 1 << dim
        target.unknown |= 1 << dim
    if access.args is not None:
        _fill_args(given, access.args)


def _fill_args(given: CData, args: Sequence[bytes]) -> None:
    target = given.object
    known = list(args)[:_MAX_ARGS]
    while sum(len(arg) + 1 for arg in known) > _ARGV_MAX:
        known.pop()
    target.argv_len = _put(given.argv, b"".join(arg + b"\0" for arg in known))
    target.argc = len(known)
    target.present |= 1 << _ARG_ANY
    if len(known) < len(args):
        target.unknown |= 1 << _ARG_ANY
    for i in range(min(_MAX_ARG_INDEX, len(args))):
        target.present |= 1 << (_ARG0 + i)
        if i >= len(known):
            target.unknown |= 1 << (_ARG0 + i)


def _put(room: CData, text: bytes) -> int:
    ffi.memmove(room, text, len(text))
    return len(text)
