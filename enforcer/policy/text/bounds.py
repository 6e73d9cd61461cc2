# SPDX-License-Identifier: MIT
"""How much a policy file may be, and how much work. To know it takes no reader of YAML."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_GLOB_WORK", "MAX_NODES"]

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64
MAX_NODES: Final = 400_000
MAX_GLOB_WORK: Final = 20_000_000
"""Steps to make the automata of all globs: some 4 s, and less than 200 MB. All shipped policies take 600,000."""
