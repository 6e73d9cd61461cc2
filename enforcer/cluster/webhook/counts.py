# SPDX-License-Identifier: MIT
"""What the webhook counts, for Prometheus, and the few of it that it tells."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.cluster.webhook.verdict import Outcome
from enforcer.sinks.prometheus import CONTENT_TYPE, Family, Sample, exposition

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CONTENT_TYPE", "Counts"]

_LINES: Final = 30
_PERIOD: Final = 60.0  # seconds in which that many lines are told


@attrs.define(eq=False, repr=False)
class Counts:
    """
    Counts of one server.

    Attributes:
        report: gets sentences. Whoever reaches the port can cause them, so those of a minute have a limit.
        outcomes: questions, by how they ended.
        errors: requests that got another answer than one to a question, by the status of HTTP.
        dropped: connections that were ended for others, or not let in.
        handshakes: connections that did not come as far as a request.
    """

    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    outcomes: Counter[str] = attrs.field(factory=Counter)
    errors: Counter[int] = attrs.field(factory=Counter)
    dropped: int = 0
    handshakes: int = 0
    _begun: float = attrs.field(default=float("-inf"), init=False)
    _told: int = attrs.field(default=0, init=False)

    def tell(self, sentence: str) -> None:
        """Tell *sentence*, unless too many were told in this minute; how many were not comes with the next."""
        now = self.clock()
        if now - self._begun >= _PERIOD:
            left_out = self._told - _LINES
            self._begun, self._told = now, 0
            if left_out > 0:
                self.report(f"{left_out} more lines were left out")
        self._told += 1
        if self._told <= _LINES:
            self.report(sentence)

    def text(self, certificate_end: float | None) -> bytes:
        """Return the counts, and when the certificate ends (seconds since 1970), as Prometheus reads them."""
        ends = () if certificate_end is None else (Sample(certificate_end),)
        return exposition(
            (
                Family(
                    "enforcer_webhook_reviews_total",
                    "counter",
                    "Objects that API servers asked about, by what was answered.",
                    tuple(Sample(self.outcomes[o.value], {"outcome": o.value}) for o in Outcome),
                ),
                Family(
                    "enforcer_webhook_errors_total",
                    "counter",
                    "Requests that were answered by an error, by the status of HTTP.",
                    tuple(Sample(n, {"status": str(s)}) for s, n in sorted(self.errors.items())),
                ),
                Family(
                    "enforcer_webhook_dropped_connections_total",
                    "counter",
                    "Connections that were ended for others, or not let in.",
                    (Sample(self.dropped),),
                ),
                Family(
                    "enforcer_webhook_failed_handshakes_total",
                    "counter",
                    "Connections on which no request could come.",
                    (Sample(self.handshakes),),
                ),
                Family(
                    "enforcer_webhook_certificate_end_timestamp_seconds",
                    "gauge",
                    "When the certificate ends: API servers then store policies unchecked.",
                    ends,
                ),
            )
        )
