# SPDX-License-Identifier: MIT
"""
How operations are called in records: event, word, system call.

The names are those of the table of operations. What protection refuses is no operation: its names stand here.
"""

from __future__ import annotations

import attrs

from enforcer.events.types import GuardAct
from enforcer.policy.language.operations import OPERATION_TABLE, Operation, full_name
from enforcer.policy.language.vocabulary import Op

__all__ = ["OPERATIONS", "OperationName"]


@attrs.frozen
class OperationName:
    """
    The names of one operation.

    *syscall* is the call that usually leads there: the hook is reached by several (``open``,
    ``openat`` and ``openat2`` alike), and the record names the common one.
    """

    event: str
    word: str
    syscall: str

    @property
    def full(self) -> str:
        """The operation as policies speak of it: ``exec``, ``file.write``."""
        return full_name(self.event, self.word)


def _names(row: Operation) -> OperationName:
    return OperationName(row.event, row.word, row.syscall)


OPERATIONS: dict[Op | GuardAct, OperationName] = {
    # What the kernel has refused is called by the operations that it would have been.
    **{op: _names(row) for op, row in OPERATION_TABLE.items() if op is not Op.ATTEMPT},
    GuardAct.LINK: OperationName("protection", "link", "bpf"),
    GuardAct.MAP: OperationName("protection", "map", "bpf"),
    GuardAct.PROGRAM: OperationName("protection", "program", "bpf"),
    GuardAct.LOAD: OperationName("protection", "load", "bpf"),
    GuardAct.SIGNAL: OperationName("protection", "signal", "kill"),
    GuardAct.PTRACE: OperationName("protection", "ptrace", "ptrace"),
    GuardAct.PIN: OperationName("protection", "pin", "unlinkat"),
    GuardAct.MOUNT: OperationName("protection", "mount", "mount"),
    GuardAct.CGROUP: OperationName("protection", "cgroup", "write"),
    GuardAct.SYSTEM: OperationName("protection", "system", "write"),
    GuardAct.LIMIT: OperationName("protection", "limit", "prlimit64"),
    GuardAct.KEY: OperationName("protection", "key", "bpf"),
    GuardAct.FILE: OperationName("protection", "file", "openat"),
    GuardAct.PROBE: OperationName("protection", "probe", "perf_event_open"),
}
