# SPDX-License-Identifier: MIT
"""Show the help of a command, as `enforcer COMMAND --help` does. Without a command, list all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.cli.commands import COMMANDS, parser
from enforcer.cli.exits import Exit

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer help start
  enforcer help policy add
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "command", metavar="COMMAND", nargs="?", choices=tuple(COMMANDS), help="a command"
    )
    parser.add_argument(
        "action", metavar="ACTION", nargs="?", help="an action of the command: policy add"
    )


def run(args: argparse.Namespace) -> int:
    """Let the command's own parser say it, which ends the process."""
    words = [word for word in (args.command, args.action) if word]
    parser(words).parse_args([*words, "--help"])
    return Exit.OK
