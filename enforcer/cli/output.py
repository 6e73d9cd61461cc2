# SPDX-License-Identifier: MIT
"""How commands print: a rich console, plain if the output is not a terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from enforcer.colours import are_unwanted

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console"]

_PLAIN_WIDTH = 160


def console() -> Console:
    """Make a console on standard output; into pipes it writes wide lines, so that none is folded."""
    from rich.console import Console

    class Plain(Console):
        """As what is printed otherwise: that its reader has gone is for ``guarded`` to see."""

        def on_broken_pipe(self) -> None:
            """Do not end this process here, nor with the code of another mistake."""
            raise BrokenPipeError

    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Plain(
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
        color_system=None if are_unwanted(os.environ) else "auto",
    )
