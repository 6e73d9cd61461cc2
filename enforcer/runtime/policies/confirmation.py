# SPDX-License-Identifier: MIT
"""
The time in which a change must be confirmed, and what follows when it is over.

The kernel goes back to the policies before by its own clock. The daemon only follows it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import EnforcerBug, KernelError

if TYPE_CHECKING:
    from enforcer.runtime.policies.active import ActiveSet, Pending
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["ConfirmationWatch"]

_GRACE: Final = 0.05  # seconds after the kernel's clock, when the daemon looks what counts now
_AGAIN: Final = 1.0


@attrs.define(eq=False, repr=False)
class ConfirmationWatch:
    """Follows the kernel when a change of *enforcement* was not confirmed in time."""

    enforcement: Enforcement

    def begin(self, pending: Pending) -> None:
        """Look when the time of *pending* is over."""
        self.enforcement.pending = pending
        left = max(0.0, pending.left)
        self.enforcement.reactor.after(left + _GRACE, lambda: self._expire(pending))

    def _expire(self, pending: Pending) -> None:
        owner = self.enforcement
        if owner.pending is not pending:
            return
        if owner.sessions.current.generation == owner.now.generation:  # not yet, by its clock
            owner.reactor.after(_GRACE, lambda: self._expire(pending))
            return
        before = pending.before
        if before is None:
            owner.report(f"not confirmed within {pending.seconds:g} s: nothing is active any more")
            owner.pending = None
            owner.on_end()
            return
        try:
            self._go_back(before, is_return=True)
        except KernelError as error:
            # The fallback counts all the same; only the next change must wait.
            owner.report(f"cannot go back to the previous policies, trying again: {error}")
            owner.reactor.after(_AGAIN, lambda: self._expire(pending))
            return
        owner.report(
            f"not confirmed within {pending.seconds:g} s: the previous policies are active again "
            f"(generation {before.generation}): {owner.posture().sentence}; correct the policy files "
            "before the next reload"
        )
        owner.on_change()

    def take_back(self, pending: Pending) -> None:
        """
        Go back to the policies before *pending*, which there are, and not only when its time is over.

        Raises:
            KernelError: the kernel refuses; the change goes on to wait.
        """
        before = pending.before
        if before is None:
            raise EnforcerBug("there are no policies to go back to")
        self._go_back(before, is_return=False)
        self.enforcement.report(
            "the policy files have changed, so the change that waited for confirmation is taken back"
        )
        self.enforcement.on_change()

    def _go_back(self, before: ActiveSet, *, is_return: bool) -> None:
        owner = self.enforcement
        owner.sessions.current.fall_back()
        # What the files say now was not confirmed: only another change of them is activated.
        owner.now = attrs.evolve(before, since=time.monotonic(), is_return=is_return)
        owner.pending = None
        if owner.files is not None:
            owner.files.forget()
