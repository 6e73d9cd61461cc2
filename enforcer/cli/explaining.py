# SPDX-License-Identifier: MIT
"""
Explanations for a dashboard, made beside its loop: keys and frames do not wait for them.

To explain a record, all policies are read and judged, which takes seconds where there are thousands of
rules. One explanation is made at a time. Of those that are asked for meanwhile only the last is made.
"""

from __future__ import annotations

import os
import selectors
import threading
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.events.document_types import MatchDocument
    from enforcer.runtime.control.answers import SourcesDocument
    from enforcer.runtime.reactor import Reactor

    Line = tuple[str, str]

__all__ = ["Explainer"]


@attrs.frozen
class _Job:
    """One record to explain; *done* is called in the loop."""

    record: MatchDocument
    sources: SourcesDocument
    done: Callable[[list[Line]], None]


@attrs.define(eq=False, repr=False)
class Explainer:
    """
    Explains records in a thread of its own.

    Attributes:
        make: makes the lines; raises nothing.
    """

    reactor: Reactor
    make: Callable[[MatchDocument, SourcesDocument], list[Line]] = attrs.field(
        factory=lambda: _explanation
    )
    _is_busy: bool = attrs.field(default=False, init=False)
    _next: _Job | None = attrs.field(default=None, init=False)

    def explain(
        self, record: MatchDocument, sources: SourcesDocument, done: Callable[[list[Line]], None]
    ) -> None:
        """Explain *record* by the policies of *sources*; *done* gets the lines, unless it is overtaken."""
        job = _Job(record, sources, done)
        if self._is_busy:
            self._next = job
        else:
            self._begin(job)

    def _begin(self, job: _Job) -> None:
        reading, telling = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        found: list[Line] = []

        def work() -> None:
            try:
                found.extend(self.make(job.record, job.sources))
            finally:
                os.close(telling)  # which wakes the loop

        def over(_: int) -> None:
            self.reactor.forget(reading)
            os.close(reading)
            self._is_busy = False
            job.done(found)
            following, self._next = self._next, None
            if following is not None:
                self._begin(following)

        self._is_busy = True
        self.reactor.watch(reading, selectors.EVENT_READ, over)
        # A daemon thread: who leaves the dashboard does not wait for it either.
        threading.Thread(target=work, daemon=True).start()


def _explanation(record: MatchDocument, sources: SourcesDocument) -> list[Line]:
    """Explain *record*; an error is a line, too."""
    from enforcer.cli.explain import mounted_of
    from enforcer.errors import EnforcerError
    from enforcer.runtime.policies.followed_links import beside
    from enforcer.runtime.policies.inquiry import read_back
    from enforcer.workbench.explain.explanation import explain
    from enforcer.workbench.explain.rendering import lines

    try:
        policies = read_back(sources)
        host = beside(record["container"]["root"], policies, mounted_of(record))
        return list(lines(explain(record, policies, host)))
    except EnforcerError as error:
        return [(f"no explanation: {line}", "bad") for line in str(error).splitlines()]
    except Exception as error:  # noqa: BLE001 (a mistake of ours costs this explanation, not the dashboard)
        return [(f"no explanation: {type(error).__name__}: {error}: this is a bug", "bad")]
