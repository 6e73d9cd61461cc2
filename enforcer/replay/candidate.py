# SPDX-License-Identifier: MIT
"""
Policies that are asked about a recording: compiled in audit mode, decided by the native build of the
core, with counts by row as the kernel keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer.compiler import verify
from enforcer.errors import EnforcerError
from enforcer.kernel.image_map import ImageHead, calls_of
from enforcer.kernel.maps import RowHits
from enforcer.libbpf import abi
from enforcer.libbpf.replaying import RecordedAccessError, ReplayCore
from enforcer.policy.model import Verb
from enforcer.policy.syscall_table import call_name
from enforcer.policy.vocabulary import Op
from enforcer.replay.labels import Labels
from enforcer.runtime.prepare import Sources, prepare

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from enforcer.events.types import Origin
    from enforcer.libbpf.replaying import Spoken
    from enforcer.replay.accesses import RecordedAccess
    from enforcer.replay.lines import Lines

__all__ = ["Candidate", "UndecidableError", "is_told"]

_RECORD: Final = 2  # ENF_RF_RECORD


class UndecidableError(EnforcerError):
    """Policies ask for what a recording does not tell."""


@attrs.define
class Candidate:
    """
    One set of policies.

    Attributes:
        image: as the kernel would have it.
        origins: where each row is from.
        warnings: worth knowing of the policies.
        asks_containers: whether rules depend on which containers and pods there were.
        malformed: records that the core could not take.
        on_error: accesses that something unknown decided.
    """

    image: bytes = attrs.field(repr=False)
    origins: Sequence[Origin]
    labels: Labels
    warnings: tuple[str, ...] = ()
    asks_containers: bool = False
    malformed: int = 0
    on_error: int = 0
    _hits: list[int] = attrs.field(init=False)

    @classmethod
    def load(cls, paths: Sequence[Path], lines: Lines) -> Candidate:
        """
        Read and compile the policies of *paths*.

        Raises:
            PolicyErrors, PolicyError, LimitError: what is wrong with them.
            UndecidableError: they ask for what a recording does not tell.
        """
        prepared = prepare(Sources(tuple(paths), audit=True).load())
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
        Ask policies that are compiled, every one of them in audit mode.

        Raises:
            UndecidableError: they ask for what a recording does not tell.
        """
        verify(image)
        if abi.scalars("enf_image", image)["within_ops"]:
            raise UndecidableError(
                "rules ask what happened before (within), and a replay keeps no marks: leave these rules out, "
                "or see what they do with a dry run on a live system"
            )
        return cls(image, origins, Labels(ReplayCore(image), lines), warnings)

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
        said: Spoken | None = None
        try:
            # The host's view is the last; another one replaces it if it is stricter.
            for view in reversed(access.views):
                found = self.labels.core.decide(label, view)
                if found is not None and (said is None or found.action > said.action):
                    said = found
        except RecordedAccessError:
            self.malformed += 1
            return None
        if said is not None:
            self._hits[said.row] += 1
            self.on_error += said.on_error
        return said

    def unrecorded(self, operations: Collection[str], calls: Collection[str]) -> list[str]:
        """Name the operations and calls that rules are about and of which nothing was recorded."""
        head = ImageHead.of(self.image)
        named = sorted({call_name(call.number) for call in calls_of([head])} - set(calls))
        missing = [
            op.name
            if op is not Op.POINT
            else "POINT (lsm, kprobe, tracepoint: no recording has them)"
            for op in Op
            if head.ops >> op & 1 and op.name not in operations and op is not Op.SYSCALL
        ]
        return [*missing, *(f"syscall {name}" for name in named)]


def is_told(said: Spoken) -> bool:
    """Whether the kernel side would make a record of it."""
    return said.action >= Verb.LOG or bool(said.row_flags & _RECORD)
