# SPDX-License-Identifier: MIT
"""
The acting processes of a recording: what :class:`enforcer.identity.resolver.Resolver` reads of living
processes, read from the journal.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.identity.actor import Actor
from enforcer.identity.container import container_of
from enforcer.identity.lineage import Ancestry
from enforcer.identity.naming import process_id, ticks_of
from enforcer.identity.process import ProcessFacts
from enforcer.identity.resolver import Identity
from enforcer.identity.workload_files import Bundle, PodFacts
from enforcer.policy.model.workloads import CONTAINER, POD
from enforcer.safe_text import readable
from enforcer.workbench.replay.lines import How

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.policy.language.kinds import FieldSpec
    from enforcer.policy.model.workloads import Facts, Workload
    from enforcer.workbench.replay.document_types import FoundProcess, PeopleDocument
    from enforcer.workbench.replay.lines import Line, Lines

__all__ = ["People"]

_SHOWN: Final = 32  # ancestors


@attrs.define
class People:
    """
    Knows processes of a recording.

    Attributes:
        line, exe: the program that the next question is about.
    """

    lines: Lines
    line: int = 0
    exe: bytes | None = None
    _users: dict[int, str] = attrs.field(factory=dict)
    _found: dict[int, FoundProcess] = attrs.field(factory=dict)
    _workloads: dict[str, Facts] = attrs.field(factory=dict)
    _arguments: dict[int, tuple[bytes, ...]] = attrs.field(factory=dict)

    def learn(self, documents: Iterable[PeopleDocument]) -> None:
        """Learn the processes that existed at the start."""
        for document in documents:
            for each in document.get("processes", ()):
                self._found[each["pid"]] = each
            for uid, name in document.get("users", {}).items():
                self._users[int(uid)] = name

    def learn_workloads(self, workloads: Iterable[Workload]) -> None:
        """Take in which containers there were."""
        for each in workloads:
            self._workloads[os.fsdecode(each.cgroup)] = each.facts

    def hear(self, line: int, tid: int, args: tuple[bytes, ...]) -> None:
        """Learn that the thread *tid* of *line* runs a program with *args*."""
        begun = self.lines.program_of(line, tid)
        if begun is not None:
            self._arguments[begun] = args

    def identify(
        self,
        *,
        parent_pid: int,
        parent_start_ns: int,
        cgroup_id: int,
        uid: int,
        **_others: int,
    ) -> Identity:
        """Tell what the recording knows of the program :attr:`line`, which says more than its number."""
        raw = self.lines.cgroups.get(cgroup_id)
        cgroup = readable(raw) if raw is not None else None
        container = container_of(os.fsdecode(raw)) if raw is not None else None
        facts = self._workloads.get(container.cgroup, {}) if container is not None else {}
        above = [self._above(line) for line in self._ancestry()][:_SHOWN]
        if above:
            parent = process_id(parent_pid, ticks_of(parent_start_ns))
            above[0] = attrs.evolve(above[0], pid=parent_pid, id=parent)
        return Identity(
            process=ProcessFacts(exe=self.exe, cmdline=self._cmdline(self.line)),
            ancestry=Ancestry(tuple(above)),
            cgroup=cgroup,
            container=container,
            runtime=_one(facts, CONTAINER["runtime"]),
            bundle=Bundle(_one(facts, CONTAINER["name"]), _one(facts, CONTAINER["image"])),
            pod=PodFacts(_one(facts, POD["name"]), _one(facts, POD["namespace"])),
            user=self._users.get(uid),
        )

    def _ancestry(self) -> Iterable[Line]:
        """Yield the forks above :attr:`line`, the nearest first: each knows who forked."""
        for _, line in self.lines.back(self.line):
            if line.how is not How.EXEC and line.origin:
                yield line

    def _above(self, line: Line) -> Actor:
        """Describe who forked *line*."""
        exe = readable(line.who.exe) if line.who.exe else None
        pid = line.pid
        words = self._cmdline(line.origin)
        if line.how is How.FOUND:
            known = self._found.get(line.pid)
            pid = known["parent"] if known is not None else 0
        return Actor(
            pid=pid,
            name=PurePosixPath(exe).name if exe else "",
            exe=exe,
            cmdline=tuple(map(readable, words)) if words is not None else None,
        )

    def _cmdline(self, number: int) -> tuple[bytes, ...] | None:
        """Return the arguments of the program *number*: a fork has those of who forked."""
        for at, line in self.lines.back(number):
            if at in self._arguments:
                return self._arguments[at]
            if line.how is How.EXEC:
                return None
            if line.how is How.FOUND:
                return self._of_found(line)
        return None

    def _of_found(self, line: Line) -> tuple[bytes, ...] | None:
        known = self._found.get(line.pid)
        words = known.get("cmdline") if known is not None else None
        if known is None or not words:
            return None
        if abs(known["ticks"] - ticks_of(line.start_ns)) > 1:
            return None  # another process had the number by then
        return tuple(word.encode() for word in words)


def _one(facts: Facts, field: FieldSpec) -> str | None:
    """Return the value of *field* as a reader sees it; None: not known, or there is none."""
    values = facts.get(field.name)
    return readable(values[0]) if values else None
