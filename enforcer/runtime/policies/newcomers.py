# SPDX-License-Identifier: MIT
"""
Containers that have begun since the active image was made, of which the kernel has an entry each.

An image for each container that begins would be made in a process of its own, and void all labels and all that is
remembered of the whole machine. An entry says the same of this container: see ``bpf/include/met.bpf.h``. It is not
enough where something else depends on the container. Then the caller makes an image, which is always right.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

import attrs

from enforcer.errors import EnforcerError, KernelError
from enforcer.identity.cgroup import children
from enforcer.runtime.policies.compile_process import met_links
from enforcer.runtime.policies.followed_links import Followed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from enforcer.compiler import LinkAsks
    from enforcer.kernel.session import Session
    from enforcer.policy.model.workloads import Workload
    from enforcer.runtime.policies.active import ActiveSet
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["Newcomers"]


@attrs.frozen(eq=False)
class _Entry:
    workload: Workload
    generation: int
    session: Session


@attrs.define(eq=False, repr=False)
class Newcomers:
    """
    Those that have an entry.

    Attributes:
        active: what is active now.
        session: what the kernel has now.
        cgroups: where the tree of cgroups is.
        look_up: looks up links in a container.
        keep: takes note of what was found, beside the links that the image was made with.
    """

    active: Callable[[], ActiveSet]
    session: Callable[[], Session]
    cgroups: Path
    look_up: Callable[[LinkAsks, Workload], Followed]
    keep: Callable[[Followed], None]
    _entries: dict[bytes, _Entry] = attrs.field(factory=dict, init=False)
    _young: list[int] = attrs.field(factory=list, init=False)

    @classmethod
    def of(cls, enforcement: Enforcement) -> Self:
        """Return those of *enforcement*."""

        def keep(followed: Followed) -> None:
            enforcement.now = attrs.evolve(enforcement.now, followed=followed)

        return cls(
            active=lambda: enforcement.now,
            session=lambda: enforcement.sessions.current,
            cgroups=enforcement.workloads.places.cgroups,
            look_up=lambda asks, each: met_links(asks, each, enforcement.on_idle),
            keep=keep,
        )

    @property
    def workloads(self) -> tuple[Workload, ...]:
        """Those that the active image says nothing of."""
        generation = self.active().generation
        return tuple(e.workload for e in self._entries.values() if e.generation == generation)

    def enter(self, begun: Collection[Workload], pid: int | None = None) -> bool:
        """
        Let the kernel know what has *begun*; tell whether it does.

        Falls to False where that is not enough, or in doubt: then they are what they were, and an image is due.

        Args:
            begun: containers and pods of which the kernel says nothing, or by an entry something else.
            pid: of a runtime that has not run anything of the container's, if it is known; as the host numbers it.
        """
        now, session = self.active(), self.session()
        known = {each.cgroup for each in now.workloads or ()}
        if now.asked is None or any(each.cgroup in known for each in begun):
            return False  # the image says something else of it, which would stay
        atoms = {each.cgroup: now.asked.of(each.facts) for each in begun}
        if not all(map(session.met.has_room, atoms.values())):
            return False
        try:
            followed = [self._looked_up(now.followed, each) for each in begun]
            if not all(map(now.followed.is_plain, begun, followed)):
                return False
            for each in begun:
                session.met.put(each.number, now.generation, atoms[each.cgroup])
                self._entries[each.cgroup] = _Entry(each, now.generation, session)
            if pid is None or not self._is_runtimes_alone(begun, pid):
                self._refresh(begun)
        except (EnforcerError, OSError):
            return False  # what was added says what the next image says, until that counts
        for found in followed if any(each.asked for each in followed) else ():
            self.keep(self.active().followed.joined(found))
        return True

    def _refresh(self, begun: Collection[Workload]) -> None:
        """Let processes that are there already be known by the entries; what is below one is refreshed with it."""
        above = tuple(each.cgroup + b"/" for each in begun)
        for each in begun:
            if not each.cgroup.startswith(above):
                self.session().met.refresh(each.number)
                self._young.append(each.number)

    def leave(self, found: Iterable[Workload]) -> None:
        """Take away the entries of what is gone, also if another has its name, and of former images; *found*: what there is."""
        self._refresh_again()
        self._leave({each.cgroup: each.number for each in found}, [*self._entries.items()])

    def leave_to(self, begun: Iterable[Workload]) -> None:
        """Take away the entries of those whose names are those of *begun* now."""
        there = {each.cgroup: each.number for each in begun}
        self._leave(there, [each for each in self._entries.items() if each[0] in there])

    def _leave(self, there: Mapping[bytes, int], entries: Sequence[tuple[bytes, _Entry]]) -> None:
        now, session = self.active(), self.session()
        gone = {cgroup for cgroup, entry in entries if there.get(cgroup) != entry.workload.number}
        if not gone.isdisjoint(now.followed.asked):
            self.keep(now.followed.without(gone))  # else there would be more with each that begins
        for cgroup, entry in entries:
            if entry.generation == now.generation and cgroup not in gone:
                continue
            if entry.session is session:  # else its map is gone
                try:
                    session.met.remove(entry.workload.number)
                except KernelError:
                    continue  # it counts for nobody; at the next look again
            del self._entries[cgroup]

    def _refresh_again(self) -> None:
        """A child that was not there yet may have had the copy of a label from before."""
        young, self._young = self._young, []
        for number in young:
            try:
                self.session().met.refresh(number)
            except KernelError:
                self._young.append(number)  # at the next look again

    def _is_runtimes_alone(self, begun: Collection[Workload], pid: int) -> bool:
        """Tell whether *pid* is all that is there, and its label, as a runtime's, says nothing of the container."""
        top = min(begun, key=lambda each: len(each.cgroup))
        members: set[int] = set()
        pending = [f"{self.cgroups}{os.fsdecode(top.cgroup)}"]
        while pending:
            folder = pending.pop()
            with open(f"{folder}/cgroup.procs", "rb", buffering=0) as file:  # noqa: PTH123 - as in children
                members |= set(map(int, file.read().split()))
            pending += (f"{folder}/{name}" for name, _ in children(folder))
        return members == {pid} and self.session().met.is_runtime(pid)

    def _looked_up(self, before: Followed, workload: Workload) -> Followed:
        """Return the links in *workload* that are asked for."""
        asks = before.asks
        return self.look_up(asks, workload) if asks.meant(workload) else Followed()
