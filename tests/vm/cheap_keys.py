# SPDX-License-Identifier: MIT
"""A passphrase becomes a key for little: the true cost, of 64 MiB, is emulated for seconds, and tested on the host."""

from __future__ import annotations

from enforcer.runtime.protection import key

__all__ = ["make_keys_cheap"]


def make_keys_cheap() -> None:
    """From now on, in this process and those forked from it. All that tests start in a machine do so."""
    key._COST = 1 << 8  # type: ignore[misc]
