# SPDX-License-Identifier: MIT
"""
The limits of the image, by their names in ``bpf/include/enforcer_abi.h``, and how one is refused.

A unit test reads the header and holds every number equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enforcer.errors import LimitError

if TYPE_CHECKING:
    from enforcer.span import Span

__all__ = ["LIMITS", "check"]

LIMITS: Final[dict[str, int]] = {
    "ENF_IMAGE_MAGIC": 0x31494645,
    "ENF_IMAGE_VERSION": 5,
    "ENF_IMAGE_MAX": 0x2000000,
    "ENF_MAX_POLICIES": 512,
    "ENF_MAX_ROWS": 65536,
    "ENF_MAX_ATOMS": 32768,
    "ENF_MAX_LABELS": 512,
    "ENF_MAX_SUBJECTS": 1024,
    "ENF_MAX_TERMS": 64,
    "ENF_MAX_TOUCHED": 512,
    "ENF_MAX_PROBES": 8,
    "ENF_MAX_DFAS": 64,
    "ENF_PATH_MAX": 4096,
    "ENF_NAME_MAX": 255,
    "ENF_EXE_MAX": 256,
    "ENF_FSTYPE_MAX": 31,
    "ENF_ARGV_MAX": 16384,
    "ENF_MAX_ARG_INDEX": 16,
    "ENF_SYS_NAME": 32,
    "ENF_MAX_MARKS": 64,
    "ENF_ROW_MARKS": 4,
    "ENF_MAX_LIMITS": 255,
    "ENF_MAX_POINTS": 256,
    "ENF_POINT_ARGS": 12,
    "ENF_POINT_OPERANDS": 12,
    "ENF_POINT_STEPS": 6,
    "ENF_POINT_NAME": 80,
    "ENF_POINT_TEXTS": 4,
}


def check(name: str, number: int, what: str, span: Span | None = None) -> None:
    """
    Refuse *number* if it exceeds the limit *name*.

    Args:
        name: a key of :data:`LIMITS`.
        number: how many there are.
        what: what is counted, as the subject of a sentence ("the policies need … rule rows").
        span: the place that went over.

    Raises:
        LimitError: *number* is above the limit.
    """
    limit = LIMITS[name]
    if number > limit:
        raise LimitError(f"{what}: {number}, the limit is {limit} ({name})", span)
