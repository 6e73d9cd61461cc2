# SPDX-License-Identifier: MIT
"""Show records of the running daemon as they come, until Ctrl-C or until the daemon ends."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_socket
from enforcer.cli.exits import Exit, discard
from enforcer.runtime.control.protocol import EVENTS, Client

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer events --follow
  enforcer events --follow --json | jq 'select(.action == "kill")'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--follow",
        "-f",
        action="store_true",
        required=True,
        help="print records as they come (older ones are in the logs of `start`)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object per line")
    add_socket(parser)


def run(args: argparse.Namespace) -> int:
    """Follow."""
    from enforcer.sinks.terminal import terminal_line, wants_colour

    colour = wants_colour(1, os.environ)
    with Client.connect(args.socket) as client:
        client.ask(EVENTS)
        try:
            for message in client.follow():
                line = json.dumps(message) if args.json else terminal_line(message, colour=colour)
                print(line, flush=True)
        except KeyboardInterrupt:
            pass  # how following is meant to end
        except BrokenPipeError:
            discard(1)  # so is `| head`
    return Exit.OK
