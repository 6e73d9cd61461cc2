# SPDX-License-Identifier: MIT
"""Labels of recorded processes under one image, as the kernel side would have kept them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer.identity.cache import Cache
from enforcer.workbench.replay.lines import How

if TYPE_CHECKING:
    from enforcer.libbpf.replaying import Label, ReplayCore
    from enforcer.workbench.replay.heads import Credentials
    from enforcer.workbench.replay.lines import Line, Lines

__all__ = ["Labels"]

_KEPT: Final = 16384  # of each kind: a label takes a kilobyte, and can be made again


@attrs.define
class Labels:
    """
    Makes labels, and remembers those that were asked for lately.

    Attributes:
        lost: lines that were asked for and are not recorded: what came of them has a lineage that is
            not known, so that conditions on it fall to ``onError``.
    """

    core: ReplayCore
    lines: Lines
    lost: set[int] = attrs.field(factory=set)
    _begun: Cache[int, Label] = attrs.field(factory=lambda: Cache(_KEPT))
    _acting: Cache[tuple[int, Credentials], Label] = attrs.field(factory=lambda: Cache(_KEPT))

    def acting(self, line: int, who: Credentials) -> Label:
        """Return the label of the program *line* while it is *who*."""
        known = self._acting.get((line, who))
        if known is None:
            known = self._become(self._beginning(line), who)
            self._acting.put((line, who), known)
        return known

    def _become(self, label: Label, who: Credentials) -> Label:
        return self.core.become(label, who.identity(self.lines.cgroups.get(who.cgroup, b"")))

    def _beginning(self, number: int) -> Label:
        """Return the label that *number* began with."""
        pending: list[tuple[int, Line]] = []
        label = None
        last = number
        for at, line in self.lines.back(number):
            label = self._begun.get(at)
            if label is not None:
                break
            pending.append((at, line))
            last = line.origin
        if label is None:
            # Beyond the first process there is nothing; else the record of *last* was lost.
            if last:
                self.lost.add(last)
            label = self.core.first(is_known=not last)
        for at, line in reversed(pending):
            label = self._next(label, line)
            self._begun.put(at, label)
        return label

    def _next(self, before: Label, line: Line) -> Label:
        if not line.origin:
            return before  # of nothing
        was = self._become(before, line.who)
        if line.how is How.EXEC:
            return self.core.exec(was)
        return self.core.fork(was, same_parent=line.how is How.SIBLING)
