# SPDX-License-Identifier: MIT
"""
Keep the kernel side informed of what runtimes have mounted for containers.

It is told before a container is known, so that whatever policies say of it holds by these names from then on.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from enforcer import _abi
from enforcer.compiler.container_roots import is_usual
from enforcer.errors import KernelError
from enforcer.kernel.mounted import Mounted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from enforcer.kernel.session import Session
    from enforcer.policy.model.workloads import Workload

__all__ = ["ContainerMounts", "mounted_for", "told_at_once"]


def mounted_for(workload: Workload) -> Mounted:
    """
    Return what the kernel side is told of *workload*.

    Of a root in the usual places patterns have the host's names, so it needs no further one.
    """
    names = tuple(each for each in workload.mounted if each[1] or not is_usual(each[0]))
    return Mounted(workload.number, names)


def told_at_once(workloads: Iterable[Workload]) -> list[Mounted]:
    """Return what a session can be told of *workloads* when it begins: as much as there is room for."""
    found, left = [], _abi.ENF_MOUNTED_MAX
    for each in workloads:
        told = mounted_for(each).with_room
        left -= len(told.names)
        if left < 0:
            break
        found.append(told)
    return found


@attrs.define(eq=False, repr=False)
class ContainerMounts:
    """
    What the kernel side was told.

    Attributes:
        session: what the kernel has now.
        report: gets a sentence about each container of which not everything could be told.
        incomplete: these containers.
    """

    session: Callable[[], Session]
    report: Callable[[str], None]
    incomplete: set[bytes] = attrs.field(factory=set, init=False)
    _told: dict[bytes, Mounted] = attrs.field(factory=dict, init=False)
    _of: Session | None = attrs.field(default=None, init=False)
    _last: tuple[Workload, ...] | None = attrs.field(default=None, init=False)

    def follow(self, found: tuple[Workload, ...]) -> None:
        """Tell what is mounted for *found*, and take away the rest; of the same tuple as last time there is no news."""
        if found is self._last and self._of is self.session():
            return
        self._last = found
        self.forget(found)
        self.tell(found)

    def tell(self, found: Iterable[Workload]) -> None:
        """
        Tell what is mounted for *found*.

        Fails open: what is not told of has the host's name, and that by which it is reached.
        """
        if (session := self.session()) is not self._of:
            self._told, self._of = {}, session
        for each in found:
            wanted, before = mounted_for(each), self._told.get(each.cgroup)
            if wanted == before or not (wanted.names or before):
                continue
            told, why = wanted.with_room, ""
            self._told[each.cgroup] = wanted
            try:
                if before is not None and before.cgroup != wanted.cgroup:
                    session.mounted.remove(before.with_room)
                    before = None
                session.mounted.put(told, len(before.with_room.names) if before else 0)
            except KernelError as error:
                why = str(error)
            if told != wanted:
                why = "there are too many, or their names are too long"
            self._note(each, why)

    def forget(self, found: Iterable[Workload]) -> None:
        """Take away what is not among *found*."""
        there = {each.cgroup for each in found}
        gone = self._told.keys() - there
        for cgroup in gone:
            if self._of is self.session():  # else its map is gone
                try:
                    self._of.mounted.remove(self._told[cgroup].with_room)
                except KernelError:
                    continue  # it counts for nobody; with the next change again
            del self._told[cgroup]
        if gone:  # there may be room now
            for cgroup in self.incomplete & self._told.keys():
                del self._told[cgroup]
        self.incomplete &= there

    def _note(self, workload: Workload, why: str) -> None:
        if not why:
            self.incomplete.discard(workload.cgroup)
        elif workload.cgroup not in self.incomplete:
            self.incomplete.add(workload.cgroup)
            self.report(
                f"not all mounts of the container {ascii(os.fsdecode(workload.cgroup))[1:-1]} are known to the "
                f"kernel ({why}): what it mounts elsewhere has other names there"
            )
