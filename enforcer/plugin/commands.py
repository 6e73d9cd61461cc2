# SPDX-License-Identifier: MIT
"""The commands of ``kubectl enforcer``, and the parser of their arguments: options as kubectl has them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, NoReturn

from enforcer import __version__
from enforcer.cli.exits import Exit, conclude
from enforcer.cli.help_formatter import HelpFormatter
from enforcer.cli.usage import Parser, add_commands, sentence
from enforcer.plugin.engines import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["COMMANDS", "GLOBAL", "PROGRAM", "parser"]

PROGRAM: Final = "kubectl enforcer"

COMMANDS: Final = {
    "status": "show nodes and policies, as the nodes report them",
    "explain": "explain a record of a node: which policy decided, and what would allow it",
    "dry-run": "check policies, and try them on recordings of nodes; nothing is changed",
    "events": "show records of the engines of all nodes, also as they come",
}
"""Every command with its purpose, in the order of the help."""

GLOBAL: Final = {
    "kubeconfig": "file that says how clusters are reached, as for kubectl",
    "context": "which of its contexts is used",
    "cluster": "which of its clusters is used",
    "user": "which of its users is used",
    "as": "act as this user, as for kubectl",
}
"""Options that kubectl gets as they are."""

_DESCRIPTION: Final = """\
See what the nodes of a cluster enforce, and why. kubectl is asked for everything, with your own rights. It needs
no right on any node.
"""

_EPILOG: Final = """\
examples:
  kubectl enforcer status                 does every node enforce every policy?
  kubectl enforcer events -f -n shop      what do policies decide on the pods of shop?
  kubectl enforcer explain "$LINE"        why?
  kubectl enforcer dry-run -f policy.yaml --recording node-1:/var/lib/enforcer/monday.journal
                                          what would this policy have refused?

`kubectl enforcer COMMAND --help` says more about a command.
"""


class _Parser(Parser):
    """As its base; the help is elsewhere."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where the help is; end with the code of wrong usage."""
        conclude(f"{sentence(message)} ({self.prog} --help)")
        raise SystemExit(Exit.USAGE)


def parser(named: Collection[str]) -> argparse.ArgumentParser:
    """Make a parser of all commands. Of those *named* it has the arguments; only their modules are imported."""
    made = _Parser(
        prog=PROGRAM,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
    )
    made.add_argument(
        "--version",
        action="version",
        version=f"enforcer {__version__}",
        help="show the version of enforcer, and exit",
    )
    _add_cluster(made, is_first=True)
    for command in add_commands(made, "enforcer.plugin", COMMANDS, named):
        _add_cluster(command, is_first=False)
    return made


def _add_cluster(parser: argparse.ArgumentParser, *, is_first: bool) -> None:
    """Add which cluster is meant; behind the command an option only counts if it is given."""
    group = parser.add_argument_group("cluster")

    def add(*names: str, default: str | None = None, **options: Any) -> None:
        group.add_argument(*names, default=default if is_first else argparse.SUPPRESS, **options)

    add(
        "--namespace",
        "-n",
        metavar="NAME",
        help="only of this namespace (default: of all that you may see)",
    )
    add(
        "--enforcer-namespace",
        metavar="NAME",
        default=NAMESPACE,
        help=f"where the pods of the engines are (default: {NAMESPACE})",
    )
    for name, text in GLOBAL.items():
        metavar = "FILE" if name == "kubeconfig" else "NAME"
        add(f"--{name}", dest=f"kubectl_{name}", metavar=metavar, help=text)
