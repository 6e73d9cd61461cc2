# SPDX-License-Identifier: MIT
"""``main``: from the words of a command line to an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from enforcer.cli.colours import heed
from enforcer.cli.commands import COMMANDS, parser
from enforcer.cli.exits import guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``enforcer`` with *arguments*, by default those of the process; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    named = next((word for word in words if word in COMMANDS), None)
    args = parser({named} if named else ()).parse_args(words)
    heed(getattr(args, "color", "auto"))
    return int(args.run(args))
