# SPDX-License-Identifier: MIT
"""
What a recording covers: operations, system calls, and containers and pods.

A rule on operations that were not recorded stays silent, and the report says so. A rule that asks for a
mark set by such operations would decide wrongly, so policies with such rules are refused.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import EnforcerError
from enforcer.identity.container import container_of
from enforcer.libbpf import abi
from enforcer.policy.language.operations import OPERATION_TABLE
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.workloads import Workload
from enforcer.workbench.replay.documents import read_workloads
from enforcer.workbench.replay.journal import BlockKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.compiler import CompiledImage
    from enforcer.policy.model.policy import PolicySet, Rule
    from enforcer.policy.model.workloads import Facts
    from enforcer.workbench.replay.document_types import WorkloadsDocument
    from enforcer.workbench.replay.journal import Journal
    from enforcer.workbench.replay.lines import Lines

__all__ = ["Coverage", "UndecidableError", "describe", "name_of"]

_WORDS: Final = {
    Op.POINT: "lsm, kprobe, tracepoint (no recording has them)",
    Op.ATTEMPT: "attempts (no recording has what the kernel itself refused)",
}


class UndecidableError(EnforcerError):
    """Policies ask for what a recording does not tell."""


@attrs.frozen
class Coverage:
    """
    What can be asked of a recording.

    Attributes:
        workloads: containers and pods, with what was known of each in the end.
        strangers: cgroups of containers of which nothing is known.
        changed: cgroups of containers and pods of which different things were true.
    """

    operations: frozenset[str]
    calls: frozenset[str] = frozenset()
    workloads: tuple[Workload, ...] = ()
    strangers: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, journal: Journal, lines: Lines) -> Coverage:
        """Learn it from *journal*, whose processes are *lines*."""
        known: dict[bytes, Facts] = {}
        changed = set[bytes]()
        for workload in _told(journal.documents(BlockKind.WORKLOADS, read_workloads)):
            before = known.get(workload.cgroup)
            if before is None:
                known[workload.cgroup] = workload.facts
            elif before != workload.facts:
                known[workload.cgroup], is_other = _both(before, workload.facts)
                changed.update({workload.cgroup} if is_other else ())
        found = (container_of(os.fsdecode(path)) for path in lines.cgroups.values())
        containers = {each.cgroup for each in found if each is not None}
        return cls(
            frozenset(journal.head.get("operations", ())),
            frozenset(journal.head.get("calls", ())),
            tuple(Workload(cgroup, facts) for cgroup, facts in sorted(known.items())),
            frozenset(containers - {os.fsdecode(path) for path in known}),
            frozenset(map(os.fsdecode, changed)),
        )

    def require_marks(self, policies: PolicySet, image: CompiledImage) -> None:
        """
        Check that everything was recorded that sets the marks of *policies*, compiled to *image*.

        Raises:
            UndecidableError: it is not.
        """
        if not abi.scalars("enf_image", image.image)["within_ops"]:
            return
        rules = {policy.name: policy.rules for policy in policies.policies}
        setters = [
            (f"{row.policy}/{row.mark}", row, missing)
            for row, ops in zip(image.rows, _ops_of_rows(image.image), strict=True)
            if row.mark is not None and row.rule_index >= 0
            for missing in [self.missing(ops, rules[row.policy][row.rule_index])]
            if missing
        ]
        for asking in image.rows:
            for mark, setter, missing in setters:
                if mark in asking.asked:
                    raise UndecidableError(
                        f"rule {asking.rule!r} at {asking.span} asks about the mark {mark}, which rule "
                        f"{setter.rule!r} at {setter.span} sets at operations that were not recorded "
                        f"({', '.join(missing)}): leave it out, or record them"
                    )

    def missing(self, ops: int, rule: Rule | None = None) -> list[str]:
        """Name what was not recorded of *ops*, bits by number, and of the calls of *rule*."""
        names = [
            *(
                name_of(op)
                for op in Op
                if ops >> op & 1 and op.name not in self.operations and op is not Op.SYSCALL
            ),
            *(call.name for call in (rule.calls if rule else ()) if call.name not in self.calls),
        ]
        return list(dict.fromkeys(names))


def name_of(op: Op) -> str:
    """Name *op* as policies ask about it."""
    return _WORDS.get(op) or ", ".join(OPERATION_TABLE[op].words)


def _ops_of_rows(image: bytes) -> Iterator[int]:
    head = abi.scalars("enf_image", image)
    (at, size), step = abi.place("enf_row", "ops"), abi.sizeof("enf_row")
    for row in range(head["n_rows"]):
        begin = head["off_rows"] + row * step + at
        yield int.from_bytes(image[begin : begin + size], "little")


# ---- Containers and pods --------------------------------------------------------------------------


def describe(workloads: Iterable[Workload]) -> WorkloadsDocument:
    """Describe *workloads* for a journal."""
    return {
        "workloads": [
            {
                "cgroup": os.fsdecode(each.cgroup),
                "facts": {
                    name: None if values is None else [os.fsdecode(value) for value in values]
                    for name, values in each.facts.items()
                },
            }
            for each in workloads
        ]
    }


def _told(documents: Iterable[WorkloadsDocument]) -> Iterator[Workload]:
    for document in documents:
        for each in document["workloads"]:
            facts = {
                name: None if values is None else tuple(map(os.fsencode, values))
                for name, values in each["facts"].items()
            }
            yield Workload(os.fsencode(each["cgroup"]), facts)


def _both(first: Facts, second: Facts) -> tuple[Facts, bool]:
    """
    Say what is known of what *first* and then *second* was told; and whether they differ.

    What became known counts from the beginning; of what changed nothing is known.
    """
    both: dict[str, tuple[bytes, ...] | None] = {}
    is_other = False
    for name in {**first, **second}:
        before, after = first.get(name), second.get(name)
        if (
            name not in first
            or name not in second
            or (before != after and None not in {before, after})
        ):
            both[name], is_other = None, True
        else:
            both[name] = after if before is None else before
    return both, is_other
