# SPDX-License-Identifier: MIT
"""
Whether output is coloured: ``--color``, or what the environment says of all programs.

The option becomes a variable of the environment. So everything heeds it that heeds these variables: records, tables,
and the processes that a command starts.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from enforcer.colours import FORCING

if TYPE_CHECKING:
    from enforcer.cli.arguments import Arguments

__all__ = ["add_color", "heed"]


def add_color(parser: Arguments) -> None:
    """Add the choice of colours."""
    parser.add_argument(
        "--color",
        metavar="WHEN",
        choices=("auto", "always", "never"),
        default="auto",
        help="colour what is printed: always, never, or auto, on a terminal (default: auto)",
    )


def heed(choice: str) -> None:
    """Do as *choice* says, from now on in this process."""
    if choice == "auto":
        return
    for name in ("NO_COLOR", *FORCING):
        os.environ.pop(name, None)
    os.environ["FORCE_COLOR" if choice == "always" else "NO_COLOR"] = "1"
