# SPDX-License-Identifier: MIT
"""What the webhook says of an object."""

from __future__ import annotations

import enum

import attrs

__all__ = ["Outcome", "Verdict"]


class Outcome(enum.Enum):
    """How a question ended, as it is counted."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNCHECKED = "unchecked"
    """Nothing in it is about what a policy decides: it is allowed without a check."""

    UNDECIDED = "undecided"
    """It could not be read or decided, and is allowed: the agents decide anyway."""


@attrs.frozen
class Verdict:
    """
    An answer.

    Attributes:
        message: why it is refused, with the path of each field; empty if it is allowed.
        warnings: sentences for whoever applied the object.
        field: the path of the first field that is wrong.
    """

    outcome: Outcome
    message: str = ""
    warnings: tuple[str, ...] = ()
    field: str = ""

    @property
    def is_allowed(self) -> bool:
        """Whether the object may be stored."""
        return self.outcome is not Outcome.REFUSED

    @classmethod
    def undecided(cls, why: str) -> Verdict:
        """
        Return what is said where nothing can be said.

        It falls towards allowing: the webhook spares people a wait, and enforces nothing. A policy that it kept away
        by mistake would be missing on every node, while one that it lets through is refused there with its reason.
        """
        return cls(
            Outcome.UNDECIDED, warnings=(f"enforcer: not checked: {why}; nodes will decide",)
        )
