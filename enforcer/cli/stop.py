# SPDX-License-Identifier: MIT
"""End enforcement: ask the daemon to detach its hooks, and wait until it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_socket
from enforcer.cli.exits import Exit, UsageError
from enforcer.runtime.protocol import Client

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer stop
"""

_PATIENCE = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_socket(parser)


def run(args: argparse.Namespace) -> int:
    """Ask, and wait for the end."""
    with Client.connect(args.socket) as client:
        pid = client.ask("stop")["pid"]
        if not client.wait_closed(_PATIENCE):
            raise UsageError(
                f"the daemon (pid {pid}) was asked to stop and has not after {_PATIENCE:.0f} s: "
                f"enforcement may still be in force; kill -KILL {pid} ends it"
            )
    print("enforcer: stopped, nothing is enforced any more")
    return Exit.OK
