# SPDX-License-Identifier: MIT
"""The fields of requests: which values the commands of the control socket take, and how that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.policy.model.policy import Mode
from enforcer.policy.text.loader import MAX_BYTES
from enforcer.runtime.control.protocol import CONFIRM_LEAST, CONFIRM_MOST, RECENT_MOST, WAIT_MOST
from enforcer.runtime.control.record_filter import FILTER_MEANING, is_filter

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BEGAN",
    "CONTAINER_ID",
    "FILTER",
    "ID",
    "LAST",
    "MODE",
    "NAME",
    "PID",
    "TEXTS",
    "WAIT",
    "WITHIN",
    "Field",
]

_NAME_LIMIT: Final = 256
_FILE_LIMIT: Final = 4096
_PID_LIMIT: Final = 1 << 22  # PID_MAX_LIMIT of the kernel, on 64 bits


@attrs.frozen
class Field:
    """What a request may or must say: *accepts* judges the value, *meaning* says what is accepted."""

    accepts: Callable[[Any], bool]
    meaning: str
    is_optional: bool = False


def _text(limit: int, meaning: str) -> Field:
    return Field(lambda value: isinstance(value, str) and 0 < len(value) <= limit, meaning)


def _number(least: int, most: int, meaning: str) -> Field:
    return Field(lambda value: type(value) is int and least <= value <= most, meaning)


def _seconds(least: float, most: float, meaning: str, *, is_optional: bool = False) -> Field:
    def accepts(value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and least <= value <= most

    return Field(accepts, meaning, is_optional)


def _are_texts(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(0 < len(file) <= _FILE_LIMIT for file in value)
        and all(isinstance(text, str) and 0 < len(text) <= MAX_BYTES for text in value.values())
    )


NAME: Final = _text(_NAME_LIMIT, "the name of a policy")
TEXTS: Final = Field(
    _are_texts,
    f"texts of policy files by file name, up to {MAX_BYTES} bytes each",
)
FILTER: Final = Field(is_filter, FILTER_MEANING, is_optional=True)
LAST: Final = _number(1, RECENT_MOST, f"a number from 1 to {RECENT_MOST}")
ID: Final = _text(_NAME_LIMIT, "the id of a record")
_MODES: Final = tuple(mode.value for mode in Mode)
MODE: Final = Field(lambda value: isinstance(value, str) and value in _MODES, " or ".join(_MODES))
WITHIN: Final = _seconds(
    CONFIRM_LEAST,
    CONFIRM_MOST,
    f"{CONFIRM_LEAST:g} to {CONFIRM_MOST:g} seconds",
    is_optional=True,
)

# ---- Containers -------------------------------------------------------------------------------

CONTAINER_ID: Final = _text(_NAME_LIMIT, "the id of a container")
PID: Final = _number(1, _PID_LIMIT, "the number of a process")
BEGAN: Final = _seconds(0.0, float(1 << 53), "seconds of the monotonic clock")
WAIT: Final = _seconds(0.0, WAIT_MOST, f"0 to {WAIT_MOST:g} seconds")
