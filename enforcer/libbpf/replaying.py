# SPDX-License-Identifier: MIT
"""
The decision core on a recording: labels that follow the recorded history, and verdicts on recorded
operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer import _abi
from enforcer.errors import EnforcerBug, EnforcerError
from enforcer.libbpf import abi
from enforcer.libbpf._ffi import ffi, lib
from enforcer.libbpf.decision import identify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.libbpf._ffi import CData
    from enforcer.libbpf.decision import Identity

__all__ = ["Label", "RecordedAccessError", "ReplayCore", "Spoken"]

_NONE: Final = _abi.ENF_NONE
_ON_ERROR: Final = _abi.ENF_VF_ON_ERROR
_LINEAGE_UNKNOWN: Final = _abi.ENF_SF_LINEAGE_UNKNOWN
_WITHIN: Final = _abi.ENF_RF_WITHIN
_ROW_MARKS: Final = _abi.ENF_ROW_MARKS
_NO_MARKS: Final = bytes(abi.place("enf_marks", "at")[1])
_EINVAL: Final = 22


class RecordedAccessError(EnforcerError):
    """A record of an access contradicts itself."""


@attrs.frozen(eq=False)
class Label:
    """What the kernel side would keep of one task, under one image."""

    task: CData


@attrs.frozen
class Spoken:
    """
    What policies in audit mode say of one access.

    *mark_at* says when the marks were set that the row asks about, 0: never.
    """

    row: int
    action: int
    row_flags: int
    op: int
    on_error: bool
    mark_at: tuple[int, ...] = ()


@attrs.define(eq=False)
class ReplayCore:
    """
    Decides by *image*, which must have passed the independent check of the compiler.

    Attributes:
        marked: what the last decision marks, a bit for each number.
    """

    image: bytes
    marked: int = 0
    _verdict: CData = attrs.field(factory=lambda: ffi.new("struct enf_verdict *"), init=False)
    _marks: CData = attrs.field(factory=lambda: ffi.new("struct enf_marks *"), init=False)
    _asked: CData = attrs.field(
        factory=lambda: ffi.new("unsigned long long[]", _ROW_MARKS), init=False
    )

    def first(self, *, is_known: bool) -> Label:
        """Make the label of a task that came of nothing; *is_known*: there was nothing."""
        task = ffi.new("struct enf_task *")
        task.flags = 0 if is_known else _LINEAGE_UNKNOWN
        return Label(task)

    def become(self, label: Label, who: Identity) -> Label:
        """
        Give a copy of *label* the identity *who*, and find out which conditions hold for it.

        An empty cgroup path is one that is not known.
        """
        task = ffi.new("struct enf_task *")
        task[0] = label.task[0]
        kept = task.flags & _LINEAGE_UNKNOWN
        identify(task, who)
        task.flags |= kept
        cgroup = ffi.from_buffer("char[]", who.cgroup)
        self._check(
            lib.enf_native_evaluate(self.image, len(self.image), task, cgroup, len(who.cgroup))
        )
        return Label(task)

    def fork(self, label: Label, *, same_parent: bool = False) -> Label:
        """Make the label of a child of *label*, which has become what it was."""
        child = ffi.new("struct enf_task *")
        self._check(
            lib.enf_native_fork(self.image, len(self.image), child, label.task, same_parent)
        )
        return Label(child)

    def exec(self, label: Label) -> Label:
        """Make the label that *label*, which has become what it was, has after an exec."""
        task = ffi.new("struct enf_task *")
        task[0] = label.task[0]
        self._check(lib.enf_native_exec(self.image, len(self.image), task, 0, 1))
        return Label(task)

    def decide(
        self, label: Label, record: bytes, marks: Mapping[int, int] | None = None
    ) -> Spoken | None:
        """
        Decide the access of *record* for *label*, which has become who acted and has *marks*.

        Raises:
            RecordedAccessError: it does not fit together.
        """
        verdict, asked = self._verdict, self._asked
        code = lib.enf_native_replay(
            self.image,
            len(self.image),
            label.task,
            record,
            len(record),
            self._marked(marks),
            asked,
            verdict,
        )
        if code == -_EINVAL:
            raise RecordedAccessError(f"{len(record)} bytes are not a record of an operation")
        self._check(code)
        self.marked = int(verdict.marks)
        if verdict.audit_row == _NONE:
            return None
        row_flags = int(verdict.audit_row_flags)
        return Spoken(
            row=int(verdict.audit_row),
            action=int(verdict.audit_action),
            row_flags=row_flags,
            op=int(verdict.audit_op),
            on_error=bool(verdict.audit_flags & _ON_ERROR),
            mark_at=tuple(asked) if row_flags & _WITHIN else (),
        )

    def _marked(self, marks: Mapping[int, int] | None) -> CData:
        if not marks:
            return ffi.NULL
        times = self._marks.at
        ffi.memmove(times, _NO_MARKS, len(_NO_MARKS))
        for number, at in marks.items():
            times[number] = at
        return self._marks

    @staticmethod
    def _check(code: int) -> None:
        if code:
            raise EnforcerBug(f"the decision core returned {code} for a checked image")
