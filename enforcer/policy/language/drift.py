# SPDX-License-Identifier: MIT
"""The words for what an image did not bring: why it did not, and what the choices about volumes mean."""

from __future__ import annotations

from typing import Final

from enforcer import _abi

__all__ = ["DRIFT", "EVERY", "KINDS", "VOLUMES", "VOLUMES_KEY", "exclusive", "mask_of"]

DRIFT: Final = "drift"
"""The field, of objects and of processes."""

VOLUMES_KEY: Final = "volumes"
"""The key beside it that says whether files of volumes count."""

KINDS: Final = {
    "written": _abi.ENF_DRIFT_WRITTEN,
    "memory": _abi.ENF_DRIFT_MEMORY,
    "volume": _abi.ENF_DRIFT_VOLUME,
    "foreign": _abi.ENF_DRIFT_FOREIGN,
}
"""Why a file is none that the image brought, as bits."""

EVERY: Final = _abi.ENF_DRIFT_ANY

VOLUMES: Final = {"drift": EVERY, "trusted": EVERY & ~_abi.ENF_DRIFT_VOLUME}
"""What counts as drift, by what is said of volumes; the first where nothing is said."""


def mask_of(volumes: str | None) -> int:
    """Return what counts as drift where *volumes* is written, or nothing."""
    return VOLUMES[volumes] if volumes is not None else EVERY


def exclusive(mask: int) -> str | None:
    """Return what is said of volumes where *mask* counts as drift; raises KeyError for other masks."""
    words = {bits: word for word, bits in VOLUMES.items()}
    return None if mask == EVERY else words[mask]
