# SPDX-License-Identifier: MIT
"""Records about lost records: what was lost since the last look becomes a record itself."""

from __future__ import annotations

import attrs

from enforcer.events.types import Lost

__all__ = ["LostMeter"]


@attrs.define
class LostMeter:
    """Tells what was lost since it was last asked, so that the loss itself becomes a record."""

    decisions: int = 0
    activity: int = 0
    malformed: int = 0

    def advance(
        self, time_ns: int, *, decisions: int, activity: int, malformed: int, reason: str | None
    ) -> Lost | None:
        """Compare totals with those of the last call; None if nothing was lost between."""
        lost = Lost(
            time_ns=time_ns,
            decisions=decisions - self.decisions,
            activity=activity - self.activity,
            malformed=malformed - self.malformed,
            reason=reason if malformed > self.malformed else None,
        )
        self.decisions, self.activity, self.malformed = decisions, activity, malformed
        return lost if lost.decisions or lost.activity or lost.malformed else None
