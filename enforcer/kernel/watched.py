# SPDX-License-Identifier: MIT
"""
Attachments besides the table of LSM hooks: entries and ends of system calls, points that rules name, and write access.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import attrs

from enforcer.kernel import entries, functions, points, write_access
from enforcer.kernel.image_map import Call, ImageHead, calls_of, points_of
from enforcer.kernel.links import LinkSet
from enforcer.kernel.placement import Placement
from enforcer.kernel.programs import CALL_ENDED
from enforcer.libbpf.handles import BpfObject

__all__ = ["Watched"]


@attrs.frozen
class Watched:
    """
    Whatever rules name that needs an attachment of its own.

    *asks_mounts*: some are on operations whose hooks get no mount.
    """

    calls: frozenset[Call]
    plan: points.Plan
    asks_mounts: bool = False

    @classmethod
    def nothing(cls) -> Self:
        """Return an empty set: rules on LSM hooks of the table need nothing else."""
        return cls(frozenset(), points.Plan())

    @classmethod
    def of(cls, heads: Iterable[ImageHead], at: Placement = Placement.HOOKS) -> Self:
        """
        Find what the images of *heads* have rules on, where programs of LSM hooks are put *at*.

        Raises:
            UnsupportedError: if there are more points than programs for them, or one is not known.
        """
        heads = tuple(heads)
        asks_mounts = any(head.ops & write_access.OPS for head in heads)
        return cls(calls_of(heads), points.plan(points_of(heads), at), asks_mounts)

    def beyond(self, head: ImageHead, at: Placement = Placement.HOOKS) -> Self:
        """
        Return what the image of *head* needs more, as programs of another object.

        Raises:
            UnsupportedError: as for :meth:`of`.
        """
        calls, wanted = calls_of([head]) - self.calls, points_of([head]) - self.plan.points
        asks_mounts = bool(head.ops & write_access.OPS) and not self.asks_mounts
        return type(self)(frozenset(calls), points.plan(wanted, at), asks_mounts)

    def joined(self, more: Self) -> Self:
        """Return this and *more* as one."""
        plan = points.Plan((*self.plan.programs, *more.plan.programs))
        return type(self)(self.calls | more.calls, plan, self.asks_mounts or more.asks_mounts)

    @property
    def entered(self) -> frozenset[Call]:
        """The calls that are looked at where they are entered."""
        return frozenset(call for call in self.calls if not call.is_at_end)

    @property
    def ended(self) -> frozenset[Call]:
        """The calls that are looked at when they end."""
        return frozenset(call for call in self.calls if call.is_at_end)

    def __bool__(self) -> bool:
        """Tell whether it is anything at all."""
        return bool(self.calls or self.plan.programs or self.asks_mounts)

    def configure(self, engine: BpfObject, at: Placement = Placement.HOOKS) -> None:
        """
        Say which programs of the opened object *engine* are loaded for it, and *at* what place.

        Raises:
            UnsupportedError: if the kernel has no such hook or function.
        """
        if self.entered:
            functions.prepare(engine.programs[entries.program()])
        if self.ended:
            functions.prepare(engine.programs[CALL_ENDED])
        if self.asks_mounts:
            functions.prepare(engine.programs[write_access.PROGRAM])
        points.prepare(engine, self.plan, at)

    def attach(self, engine: BpfObject, links: LinkSet) -> None:
        """
        Attach the loaded programs.

        Raises:
            KernelError: if the kernel refuses one; then none stays.
        """
        if self.entered:
            entries.attach(engine.programs[entries.program()], self.entered, links)
        if self.ended:
            entries.attach(engine.programs[CALL_ENDED], self.ended, links, at_end=True)
        if self.asks_mounts:
            write_access.attach(engine.programs[write_access.PROGRAM], links)
        points.attach(engine, self.plan, links)

    def named(self, found: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Add the programs here to *found*, which has those of each operation."""
        if "SYSCALL" in found:
            found["SYSCALL"] = (entries.program(),)
        if "ATTEMPT" in found:
            found["ATTEMPT"] = (CALL_ENDED,)
        if "POINT" in found:
            found["POINT"] = tuple(sorted(self.plan.names))
        return found
