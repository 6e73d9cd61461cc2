# SPDX-License-Identifier: MIT
"""How much a policy file may be. Whoever writes such files needs no reader of YAML to know it."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES"]

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 64
MAX_NODES: Final = 400_000
