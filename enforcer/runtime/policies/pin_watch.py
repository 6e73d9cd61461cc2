# SPDX-License-Identifier: MIT
"""
Notice that somebody has removed what was pinned, and pin enforcement anew.

The programs stay attached as long as the daemon lives, and nothing would be enforced after it. So the same policies
get a session of their own, with new pins. Under ``--protect`` nobody else can remove them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from enforcer.runtime.policies.enforcement import Enforcement

__all__ = ["PinWatch"]

_LOOK: Final = 5.0  # seconds


@attrs.define(eq=False, repr=False)
class PinWatch:
    """Looks after the pins of *enforcement*."""

    enforcement: Enforcement
    _has_failed: bool = False

    def begin(self) -> None:
        """Look now and then, from now on."""
        if self.enforcement.store is not None:
            self.enforcement.reactor.every(_LOOK, self.look)

    def look(self) -> None:
        """
        Pin enforcement anew if it is not any more.

        Tried once: what hinders it may be there for good, and each try verifies programs. The next change tries it, too.
        """
        session = self.enforcement.sessions.current
        if session.is_kept:
            self._has_failed = False
            return
        # A change that waits is settled first: the new session has no fallback, so nothing would take it back.
        if self._has_failed or self.enforcement.pending is not None:
            return
        report = self.enforcement.report
        try:
            self.enforcement.renew()
        except (EnforcerError, OSError) as error:
            self._has_failed = True
            report(
                f"names in {session.pinned_at} were removed, and enforcement cannot be pinned anew, so it ends with "
                f"this daemon: {error}"
            )
        else:
            report(f"names in {session.pinned_at} were removed: enforcement is pinned anew")
