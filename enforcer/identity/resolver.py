# SPDX-License-Identifier: MIT
"""Everything that is known about the process that caused an event, from one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import attrs

from enforcer.identity import weight
from enforcer.identity.cgroup import Cgroups
from enforcer.identity.container import Container, container_of
from enforcer.identity.lineage import Ancestry, Lineage
from enforcer.identity.process import FOLDER_FRESH, UNKNOWN, Processes, ProcessFacts
from enforcer.identity.users import Groups, Users
from enforcer.identity.workload_files import Bundle, PodFacts
from enforcer.identity.workloads import Workloads

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FRESH", "Identity", "Resolver"]

FRESH: Final = FOLDER_FRESH
"""Seconds for which everything that was learned may be believed: the shortest of the parts."""


@attrs.frozen
class Identity:
    """
    A process, those above it and where it lives; what is None or empty could not be learned.

    *runtime* and *bundle* are of the container, *pod* is where that is. *user* and *group* are the names of its real ones on the host, *cwd* where it is.
    """

    process: ProcessFacts = UNKNOWN
    ancestry: Ancestry = attrs.field(factory=Ancestry)
    cgroup: str | None = None
    container: Container | None = None
    runtime: str | None = None
    bundle: Bundle | None = None
    pod: PodFacts = attrs.field(factory=PodFacts)
    user: str | None = None
    group: str | None = None
    cwd: bytes | None = None

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes."""
        own = weight.OBJECT + weight.of_text(self.cgroup) + len(self.cwd or b"")
        return own + self.process.weight + self.ancestry.weight


@attrs.define(eq=False, repr=False)
class Resolver:
    """Asks /proc, the cgroup hierarchy and the lists of users and groups, and remembers."""

    processes: Processes = attrs.field(factory=Processes)
    cgroups: Cgroups = attrs.field(factory=Cgroups)
    users: Users = attrs.field(factory=Users)
    groups: Groups = attrs.field(factory=Groups)
    workloads: Workloads = attrs.field(factory=Workloads)
    lineage: Lineage = attrs.field()

    @lineage.default
    def _of_the_same(self) -> Lineage:
        return Lineage(self.processes)

    @classmethod
    def asking(cls, open_by_id: Callable[[int, int], int], workloads: Workloads) -> Self:
        """Return one that asks the kernel for cgroups, as :class:`Cgroups` has it, and that knows these *workloads*."""
        return cls(cgroups=Cgroups(open_by_id=open_by_id), workloads=workloads)

    def identify(
        self,
        *,
        pid: int,
        start_ns: int,
        exec_ns: int,
        parent_pid: int,
        parent_start_ns: int,
        cgroup_id: int,
        uid: int,
        gid: int,
    ) -> Identity:
        """Learn what can be learned now."""
        process = self.processes.facts(pid, start_ns, exec_ns)
        cgroup = self.cgroups.path(cgroup_id, process.cgroup)
        container = container_of(cgroup) if cgroup else None
        runtime: str | None = None
        bundle: Bundle | None = None
        pod = PodFacts()
        if container is not None:
            runtime, bundle, pod = self.workloads.of(container)
        return Identity(
            process=process,
            ancestry=self.lineage.above(parent_pid, parent_start_ns),
            cgroup=cgroup,
            container=container,
            runtime=runtime,
            bundle=bundle,
            pod=pod,
            user=self.users.name(uid),
            group=self.groups.name(gid),
            cwd=self.processes.working_directory(pid, start_ns),
        )
