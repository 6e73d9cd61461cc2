# SPDX-License-Identifier: MIT
"""
The line that all dashboards get once a second.

Its cost is bounded. Reading the counts of policies takes longer with more rules, so they are read less
often the longer that takes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

from enforcer.errors import KernelError
from enforcer.runtime.control.protocol import encode
from enforcer.runtime.control.report import health

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.runtime.control.overview import Overview
    from enforcer.runtime.control.watch_answers import (
        Beat,
        BeatHealth,
        BeatPolicies,
        HealthKeys,
    )
    from enforcer.runtime.ports import KernelSession, PolicyControl
    from enforcer.runtime.records.pipeline import Pipeline

__all__ = ["Beats"]

_SHARE = 50  # of its time, the loop spends at most one part in so many on the counts of policies
_POLICIES = 128  # shown; a set of more is told by its number


@attrs.define(eq=False, repr=False)
class Beats:
    """Makes the lines."""

    session: KernelSession
    pipeline: Pipeline
    policies: PolicyControl | None
    overview: Overview
    uptime: Callable[[], float]
    clock: Callable[[], float] = time.monotonic
    _described: BeatPolicies = attrs.field(init=False)
    _due: float = attrs.field(default=0.0, init=False)
    _generation: int = attrs.field(default=-1, init=False)

    @_described.default
    def _nothing(self) -> BeatPolicies:
        return {}

    def line(self) -> bytes:
        """Make the next one."""
        beat: Beat = {"kind": "beat", "version": 1, **self.overview.beat(), **self._health()}
        return encode(beat)

    def _health(self) -> HealthKeys:
        try:
            running = health(self.session, self.pipeline, self.uptime())
            found: BeatHealth = {
                **running,
                **self._describe(running["generation"]),
            }
        except (KernelError, OSError) as error:
            # What cannot be read is told in its place; the records are still worth showing.
            return {"problem": str(error)}
        return {"health": found}

    def _describe(self, generation: int) -> BeatPolicies:
        began = self.clock()
        if self.policies is None:
            return self._described
        if began >= self._due or generation != self._generation:
            said = self.policies.describe()
            policies = said["policies"]
            self._described = {
                **said,
                "policyCount": len(policies),
                "policies": policies[:_POLICIES],
                "refusedCount": len(said.get("refusedFiles", ())),
                "refusedFiles": [],
            }
            self._generation = generation
            now = self.clock()
            self._due = now + (now - began) * _SHARE
        # What is enforced may change with the same generation, and costs little.
        return {**self._described, "posture": self.policies.posture().as_dict()}
