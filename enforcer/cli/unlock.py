# SPDX-License-Identifier: MIT
"""
Unlock what a lost daemon left protected by a key, so that the next start can take it over.

This is for a service, which cannot ask for a passphrase. Enforcement stays active, but it is not
protected from this command until that start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer import places
from enforcer.cli.arguments import file_path, require_root
from enforcer.cli.exits import Exit
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cli.passphrase import Passphrase, add_key_fd, let_go

if TYPE_CHECKING:
    import argparse

    from enforcer.cli.document_types import UnlockDocument

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer unlock && systemctl start enforcer
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--pins",
        metavar="PATH",
        type=file_path,
        default=places.PINS,
        help=f"where enforcement is pinned (default: {places.PINS})",
    )
    add_output(parser)
    add_key_fd(parser)


def run(args: argparse.Namespace) -> int:
    """Show the key to the kernel."""
    require_root("unlock")
    unlocked = let_go(args.pins, Passphrase(args.key_fd))
    if args.form == JSON:
        document: UnlockDocument = {"version": 1, "unlocked": unlocked}
        print_document(document)
    elif unlocked:
        print("enforcer: unlocked, enforcement stays active: start the daemon now")
    else:
        print("enforcer: nothing is locked")
    return Exit.OK
