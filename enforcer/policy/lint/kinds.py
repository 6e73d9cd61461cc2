# SPDX-License-Identifier: MIT
"""
The kinds of what can be found in policies: a word for each, which tools may count on, and a sentence.

Errors have the kind of their class, and remarks that of the check that makes them.
"""

from __future__ import annotations

from typing import Final

from enforcer.errors import FileError, LimitError, PolicyError, TextError, TrustError
from enforcer.policy.lint.checks import carried_over
from enforcer.policy.lint.linter import CHECKS

__all__ = ["CARRIED_OVER", "INVALID_SETTING", "KINDS", "LATE_DENIAL", "NO_WAY_BACK"]

CARRIED_OVER: Final = carried_over.__name__.replace("_", "-")
"""What a policy written for others means otherwise here."""

LATE_DENIAL: Final = "late-denial"
"""What the compiler warns of."""

INVALID_SETTING: Final = "invalid-setting"
"""What is wrong in a configuration."""

NO_WAY_BACK: Final = "no-way-back"
"""What a configuration leaves without a way back."""

KINDS: Final[dict[str, str]] = {
    PolicyError.kind: "Something in a policy, or in a case, is wrong.",
    TextError.kind: "A file is not UTF-8, not YAML, or YAML that policies do without.",
    LimitError.kind: "A policy exceeds a limit.",
    FileError.kind: "A file or directory cannot be opened.",
    TrustError.kind: "A file could have been written by somebody other than root.",
    INVALID_SETTING: "Something in the configuration is wrong.",
    NO_WAY_BACK: "A reload of the service cannot be taken back.",
    LATE_DENIAL: "A deny by what is known too late to prevent the operation.",
    **{
        name: (function.__doc__ or name).strip().partition("\n")[0]
        for name, function in sorted(CHECKS.items())
    },
}
"""Every kind, and what it is about."""
