# SPDX-License-Identifier: MIT
"""
Policies on a recording: compiled in audit mode, decided by the native build of the core, with counts by
row as the kernel keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer import _abi
from enforcer.compiler import verify
from enforcer.kernel.image_map import ImageHead, calls_of
from enforcer.kernel.maps import RowHits
from enforcer.libbpf.replaying import RecordedAccessError, ReplayCore
from enforcer.policy.language.syscall_table import call_name
from enforcer.policy.model.policy import Verb
from enforcer.runtime.policies.compilation import Sources, prepare
from enforcer.workbench.replay.labels import Labels
from enforcer.workbench.replay.marks import Marks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from enforcer.events.types import Origin
    from enforcer.libbpf.replaying import Spoken
    from enforcer.workbench.replay.accesses import RecordedAccess
    from enforcer.workbench.replay.coverage import Coverage
    from enforcer.workbench.replay.lines import Lines

__all__ = ["Candidate", "is_told"]

_RECORD: Final = _abi.ENF_RF_RECORD


@attrs.define
class Candidate:
    """
    One set of policies.

    Attributes:
        image: as the kernel would have it.
        origins: where each row is from.
        marks: what was done before; None: no rule marks.
        warnings: worth knowing of the policies.
        asks_containers: whether rules depend on which containers and pods there were.
        malformed: records that the core could not take.
        on_error: accesses that something unknown decided.
    """

    image: bytes = attrs.field(repr=False)
    origins: Sequence[Origin]
    labels: Labels
    marks: Marks | None = None
    warnings: tuple[str, ...] = ()
    asks_containers: bool = False
    malformed: int = 0
    on_error: int = 0
    _hits: list[int] = attrs.field(init=False)

    @classmethod
    def load(cls, paths: Sequence[Path], lines: Lines, coverage: Coverage) -> Candidate:
        """
        Read and compile the policies of *paths*, for the containers and pods of *coverage*.

        Raises:
            PolicyErrors, PolicyError, LimitError: what is wrong with them.
            UndecidableError: they ask for what a recording does not tell.
        """
        policies = Sources(tuple(paths), audit=True).load()
        prepared = prepare(policies, workloads=coverage.workloads, now_ns=0)
        coverage.require_marks(policies, prepared.image)
        made = cls.of(prepared.data, prepared.origins, lines, prepared.warnings)
        made.asks_containers = prepared.image.needs.containers
        return made

    @classmethod
    def of(
        cls,
        image: bytes,
        origins: Sequence[Origin],
        lines: Lines,
        warnings: tuple[str, ...] = (),
    ) -> Candidate:
        """
        Ask policies that are compiled, every one of them in audit mode and with marks born at 0.
        """
        verify(image)
        labels, marks = Labels(ReplayCore(image), lines), Marks.of(image, lines)
        return cls(image, origins, labels, marks, warnings)

    @_hits.default
    def _no_hits(self) -> list[int]:
        return [0] * len(self.origins)

    @property
    def hits(self) -> list[RowHits]:
        """How often each row decided."""
        return [RowHits(0, count) for count in self._hits]

    def decide(self, access: RecordedAccess) -> Spoken | None:
        """Say what the policies make of *access*; the stricter of two views counts, as in the kernel."""
        label = self.labels.acting(access.line, access.who)
        before = self.marks.acting(access) if self.marks is not None else None
        core, said, marked = self.labels.core, None, 0
        try:
            # The host's view is the last; another one replaces it if it is stricter.
            for view in reversed(access.views):
                found = core.decide(label, view, before)
                marked |= core.marked
                if found is not None and (said is None or found.action > said.action):
                    said = found
        except RecordedAccessError:
            self.malformed += 1
            return None
        if self.marks is not None and marked:
            self.marks.set(marked, access)
        if said is not None:
            self._hits[said.row] += 1
            self.on_error += said.on_error
        return said

    def unrecorded(self, coverage: Coverage) -> list[str]:
        """Name the operations and calls of rules that were not recorded."""
        head = ImageHead.of(self.image)
        entered = (call for call in calls_of([head]) if not call.is_at_end)
        calls = {call_name(call.number) for call in entered} - coverage.calls
        return [*coverage.missing(head.ops), *(f"syscall {name}" for name in sorted(calls))]


def is_told(said: Spoken) -> bool:
    """Whether the kernel side would make a record of it."""
    return said.action >= Verb.LOG or bool(said.row_flags & _RECORD)
