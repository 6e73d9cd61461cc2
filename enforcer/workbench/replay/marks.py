# SPDX-License-Identifier: MIT
"""
Marks of a recording under one image.

The core decides. This module stores the marks, passes them on at a fork, and maps cgroups to containers, as
``marks.bpf.h`` does. No mark is set when the recording begins. An exec keeps marks: they belong to the
process, not to the program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer import _abi
from enforcer.libbpf import abi
from enforcer.workbench.replay.lines import How

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.workbench.replay.accesses import RecordedAccess
    from enforcer.workbench.replay.lines import Lines

__all__ = ["Marks"]

_NONE: Final[Mapping[int, int]] = {}
_MAX_MARKS: Final = _abi.ENF_MAX_MARKS


@attrs.define
class Marks:
    """
    Keeps marks: number to time.

    Mappings are never changed, so that a child can have that of its parent.
    """

    lines: Lines
    _tree: int
    _container: int
    _host: int
    _processes: dict[int, Mapping[int, int]] = attrs.field(factory=dict, init=False)
    _containers: dict[int, Mapping[int, int]] = attrs.field(factory=dict, init=False)
    _everybody: Mapping[int, int] = attrs.field(default=_NONE, init=False)
    _forks: list[tuple[int, int, int]] = attrs.field(init=False)

    @classmethod
    def of(cls, image: bytes, lines: Lines) -> Marks | None:
        """Begin with no marks; None: *image* has none to set."""
        head = abi.scalars("enf_image", image)
        if not head["n_marks"]:
            return None
        return cls(lines, head["tree_marks"], head["container_marks"], head["host_marks"])

    @_forks.default
    def _in_time(self) -> list[tuple[int, int, int]]:
        """Forks, the last first."""
        if not self._tree:
            return []
        return sorted(
            (
                (line.time_ns, number, line.origin)
                for number, line in self.lines.items()
                if line.how in {How.FORK, How.SIBLING}
            ),
            reverse=True,
        )

    def acting(self, access: RecordedAccess) -> dict[int, int]:
        """Return the marks that count for the process of *access*, of every scope."""
        self._fork_until(access.time_ns)
        own = self._processes.get(self.lines.process(access.line), _NONE)
        shared = self._containers.get(self._container_of(access), _NONE)
        # Of what a process had outside of its container and has in it, the later counts.
        later = {number: max(at, own.get(number, 0)) for number, at in shared.items()}
        return {**own, **later, **self._everybody}

    def set(self, which: int, access: RecordedAccess) -> None:
        """Set those of *which* for who does *access*."""
        now = access.time_ns
        if host := which & self._host:
            self._everybody = _marked(self._everybody, host, now)
        cgroup = self._container_of(access)
        container = which & self._container if cgroup else 0
        if container:
            before = self._containers.get(cgroup, _NONE)
            self._containers[cgroup] = _marked(before, container, now)
        if own := which & ~(host | container):
            process = self.lines.process(access.line)
            before = self._processes.get(process, _NONE)
            self._processes[process] = _marked(before, own, now)

    def _container_of(self, access: RecordedAccess) -> int:
        """Return the cgroup whose marks count for who does *access*; 0: it is in no container."""
        return self.lines.containers.get(access.who.cgroup, access.who.cgroup)

    def _fork_until(self, now: int) -> None:
        """Hand on the marks of trees to who was forked before *now*."""
        while self._forks and self._forks[-1][0] <= now:
            _, child, origin = self._forks.pop()
            has = self._processes.get(self.lines.process(origin))
            if not has:
                continue
            handed = {number: at for number, at in has.items() if self._tree >> number & 1}
            if handed:
                self._processes[child] = has if len(handed) == len(has) else handed


def _marked(before: Mapping[int, int], which: int, now: int) -> Mapping[int, int]:
    return {**before, **dict.fromkeys((at for at in range(_MAX_MARKS) if which >> at & 1), now)}
