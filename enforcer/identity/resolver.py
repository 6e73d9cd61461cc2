# SPDX-License-Identifier: MIT
"""Everything that is known about who caused an event, from one call."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from enforcer.identity.cgroup import Cgroups
from enforcer.identity.container import Container, container_of
from enforcer.identity.process import UNKNOWN, Processes, ProcessFacts

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Identity", "Resolver"]


@attrs.frozen
class Identity:
    """A process, its parent and where both live; what is None or empty could not be learned."""

    process: ProcessFacts = UNKNOWN
    parent: ProcessFacts = UNKNOWN
    cgroup: str | None = None
    container: Container | None = None


@attrs.define
class Resolver:
    """Asks /proc and the cgroup hierarchy, and remembers."""

    processes: Processes = attrs.field(factory=Processes)
    cgroups: Cgroups = attrs.field(factory=Cgroups)
    clock: Callable[[], float] = time.monotonic

    def identify(
        self,
        *,
        pid: int,
        start_ns: int,
        exec_ns: int,
        parent_pid: int,
        parent_start_ns: int,
        cgroup_id: int,
    ) -> Identity:
        """Learn what can be learned now."""
        process = self.processes.facts(pid, start_ns, exec_ns)
        # When a parent last execed is not recorded: what is known about it is kept for a second.
        parent = self.processes.facts(parent_pid, parent_start_ns, int(self.clock()))
        cgroup = self.cgroups.path(cgroup_id, process.cgroup)
        return Identity(process, parent, cgroup, container_of(cgroup) if cgroup else None)
