# SPDX-License-Identifier: MIT
"""The modes of a policy, in their own module for commands that need nothing else of the model."""

from __future__ import annotations

import enum

__all__ = ["Mode"]


class Mode(enum.Enum):
    """Whether a policy's verdicts are carried out or only recorded."""

    ENFORCE = "enforce"
    AUDIT = "audit"
