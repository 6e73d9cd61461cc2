# SPDX-License-Identifier: MIT
"""
Read the policy files again and activate them, all at once, without a gap.

Prints what was added, removed and changed. If anything is wrong, the previous policies stay active.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_confirm_within, add_socket
from enforcer.cli.changes import ask, show_change
from enforcer.cli.colours import add_color
from enforcer.cli.exits import Exit
from enforcer.cli.formats import add_output
from enforcer.cli.passphrase import add_key_fd
from enforcer.runtime.control.protocol import RELOAD

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer reload
  enforcer reload --confirm-within 60s && enforcer confirm
                                          if you cannot confirm, the previous policies come back
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_confirm_within(parser)
    add_color(add_output(parser))
    add_socket(parser)
    add_key_fd(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the daemon."""
    answer = ask(args.socket, RELOAD, args.key_fd, confirmWithin=args.confirm_within)
    show_change(args.form, answer)
    return Exit.OK
