# SPDX-License-Identifier: MIT
"""
The JSON blocks of a journal, for type checkers only.

A journal may be damaged or of somebody else's making: :mod:`enforcer.workbench.replay.documents` checks that a block has its form.
"""

from __future__ import annotations

from typing import TypedDict

__all__ = [
    "EndDocument",
    "FoundProcess",
    "JournalHead",
    "LossesDocument",
    "PeopleDocument",
    "WorkloadDocument",
    "WorkloadsDocument",
]


class JournalHead(TypedDict, total=False):
    """What a recording is of; *began* and *wall* are in nanoseconds."""

    format: int
    abi: str
    began: int
    wall: int
    boot: str
    host: str
    kernel: str
    machine: str | None
    operations: list[str]
    calls: list[str]


class FoundProcess(TypedDict):
    """A process that was there at the start."""

    pid: int
    ticks: int
    parent: int
    name: str
    exe: str | None
    cmdline: list[str] | None


class PeopleDocument(TypedDict, total=False):
    """Users by number, or some processes."""

    users: dict[str, str]
    processes: list[FoundProcess]


class WorkloadDocument(TypedDict):
    """A container or pod."""

    cgroup: str
    facts: dict[str, list[str] | None]


class WorkloadsDocument(TypedDict):
    """Containers and pods that there were."""

    workloads: list[WorkloadDocument]


class LossesDocument(TypedDict, total=False):
    """What found no room since the last of these, by *until*."""

    until: int
    accesses: int
    lines: int


class EndDocument(TypedDict, total=False):
    """How a recording ended."""

    reason: str
    seconds: float
