# SPDX-License-Identifier: MIT
"""The limits of the image, by their names in ``bpf/include/enforcer_abi.h``, and how one is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from enforcer import _abi
from enforcer.errors import LimitError

if TYPE_CHECKING:
    from enforcer.span import Span

__all__ = ["LIMITS", "check"]

LIMITS: Final[dict[str, int]] = {
    name: number for name, number in vars(_abi).items() if name.startswith("ENF_")
}


def check(name: str, number: int, what: str, span: Span | None = None) -> None:
    """
    Refuse *number* if it exceeds the limit *name*.

    Args:
        name: a key of :data:`LIMITS`.
        number: how many there are.
        what: what is counted, as behind "too many": "distinct marks".
        span: the place that went over.

    Raises:
        LimitError: *number* is above the limit.
    """
    limit = LIMITS[name]
    if number > limit:
        error = LimitError(f"too many {what}: {number}, the limit is {limit}", span)
        error.limit = name
        raise error
