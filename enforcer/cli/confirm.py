# SPDX-License-Identifier: MIT
"""
Keep what was activated with a time to confirm. Without this the previous policies come back.

Where enforcement is protected without a key, the service manager passes the confirmation on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_socket
from enforcer.cli.by_manager import confirm_by_manager
from enforcer.cli.changes import ask, print_answer, stays
from enforcer.cli.exits import Exit
from enforcer.cli.formats import JSON, add_output
from enforcer.cli.passphrase import add_key_fd
from enforcer.runtime.control.protocol import CONFIRM

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer confirm
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_output(parser)
    add_socket(parser)
    add_key_fd(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the daemon."""
    answer = confirm_by_manager(args.socket) or ask(args.socket, CONFIRM, args.key_fd)
    if args.form == JSON:
        print_answer(answer)
    elif answer.get("unchanged"):
        print(f"enforcer: nothing awaits confirmation: {stays(answer)}")
    else:
        print(f"enforcer: confirmed, {stays(answer)}")
    return Exit.OK
