# SPDX-License-Identifier: MIT
"""What the environment of a process says of colours: variables that many programs heed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FORCING", "are_forced", "are_unwanted"]

FORCING: Final = ("FORCE_COLOR", "CLICOLOR_FORCE")


def are_unwanted(environment: Mapping[str, str]) -> bool:
    """Tell whether there are to be no colours (https://no-color.org)."""
    return bool(environment.get("NO_COLOR"))


def are_forced(environment: Mapping[str, str]) -> bool:
    """Tell whether they are wanted even where the output is no terminal (https://force-color.org)."""
    return any(environment.get(name, "0") not in {"", "0"} for name in FORCING)
