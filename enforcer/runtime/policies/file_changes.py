# SPDX-License-Identifier: MIT
"""
Activate what changes in the policy files, and try again what failed because of the machine.

A change that is wrong waits for the next change: the same files would be as wrong again. One that failed for want
of memory, or because the kernel refused once, might not be changed for months.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import (
    ControlError,
    EnforcerBug,
    EnforcerError,
    PolicyError,
    PolicyErrors,
)
from enforcer.runtime.policies.unattended import attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from enforcer.runtime.control.answers import ChangeAnswer
    from enforcer.runtime.policies.watch import PolicyWatch

__all__ = ["FileChanges"]

_OF_POLICIES: Final = (PolicyError, PolicyErrors, ControlError, EnforcerBug)
"""What the same files, and what was changed at run time, cause again. Anything else is about the machine."""

_FIRST: Final = 5.0
_LONGEST: Final = 320.0
"""Seconds between two tries, doubled each time: compiling takes a processor for seconds, and may be what fails."""


@attrs.define(eq=False, repr=False)
class FileChanges:
    """
    Looks at the policy files now and then.

    Attributes:
        watch: tells of changes.
        reload: activates what the files say.
        is_settled: whether a change can be made now.
        clock: seconds that only grow.
        tell: is called instead of *reload*, if somebody else decides.
        acts_for_good: whether what *reload* activates needs nobody's confirmation.
        problem: why what the files say is not active, if no file is to blame; it is tried again.
        wrong: why it is not active, whatever is to blame; empty if it is, as far as is known.
    """

    watch: PolicyWatch
    reload: Callable[[], ChangeAnswer]
    is_settled: Callable[[], bool]
    report: Callable[[str], None]
    clock: Callable[[], float]
    tell: Callable[[], None] | None = None
    acts_for_good: bool = True
    problem: str = attrs.field(default="", init=False)
    wrong: str = attrs.field(default="", init=False)
    _is_due: bool = attrs.field(default=False, init=False)
    _again_at: float | None = attrs.field(default=None, init=False)
    _pause: float = attrs.field(default=_FIRST, init=False)

    def look(self) -> None:
        """Look once, and do what is due."""
        self._is_due |= self.watch.look()
        self._is_due |= self._again_at is not None and self.clock() >= self._again_at
        if not self._is_due or not self.is_settled():
            return
        self._is_due = False
        if self.tell is not None:
            self.tell()
            return
        error = attempt(self.reload, self.report)
        if error is None or isinstance(error, _OF_POLICIES):
            self.activated()
        else:
            self._try_later(error)
        self.failed(error)

    def failed(self, error: EnforcerError | None) -> None:
        """Know why what the files say could not be activated; None: it could."""
        first, *others = getattr(error, "errors", (error,))
        more = f" (and {len(others)} more)" if others else ""
        self.wrong = "" if first is None else f"{first}{more}"

    def asked(self, change: Callable[[], ChangeAnswer]) -> ChangeAnswer:
        """
        Do *change*, which somebody asks for and which activates what the files say.

        Raises:
            EnforcerError: it cannot be done.
        """
        self.watch.renew()
        try:
            answer = change()
        except EnforcerError as error:
            self.failed(error)
            raise
        self.activated()
        return answer

    def forget(self) -> None:
        """Treat what the files say as known, whether it is active or not."""
        self.watch.renew()
        self.activated()

    def activated(self) -> None:
        """Know that what the files say needs no other try."""
        self.problem, self.wrong, self._pause = "", "", _FIRST
        self._is_due, self._again_at = False, None

    def _try_later(self, error: EnforcerError) -> None:
        self.problem = str(error)
        self.report(f"it is tried again in {self._pause:.0f} s")
        self._again_at = self.clock() + self._pause
        self._pause = min(2 * self._pause, _LONGEST)
