# SPDX-License-Identifier: MIT
"""The list of commands, and the parser of their arguments."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from enforcer import __version__
from enforcer.cli.exits import MEANINGS
from enforcer.cli.help_formatter import HelpFormatter
from enforcer.cli.usage import Parser, add_commands

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["COMMANDS", "parser"]

COMMANDS: Final = {
    "start": "activate policies and record what happens",
    "dry-run": "permit everything and report what policies would refuse",
    "record": "record what the system does, for later dry runs",
    "check": "read policies and report what is wrong with them; needs no root",
    "convert": "print policies of other engines as policies of enforcer; needs no root",
    "test": "run test cases against policies; needs no root",
    "doctor": "show what this kernel can prevent",
    "status": "show what the running daemon does",
    "dashboard": "watch what the running daemon decides",
    "events": "show records of the running daemon: the newest, and those to come",
    "explain": "explain a record: which rule decided, and what would allow it",
    "reload": "read the policy files again and activate them",
    "confirm": "keep what was activated with --confirm-within",
    "policy": "show and change the active policies, one by one",
    "stop": "end enforcement",
    "container-hook": "let container runtimes announce each container before its first program",
    "kube": "keep the policies of a Kubernetes cluster in files of this node; needs no root",
    "kube-webhook": "check policies before an API server of Kubernetes stores them; needs no root",
    "key": "make the key that is needed to end protected enforcement",
    "unlock": "unlock what a lost daemon left protected by a key, for the next start",
    "completion": "print the script by which a shell completes commands and options",
    "schema": "print the JSON Schema of what enforcer prints or reads",
    "version": "show the versions of enforcer and of what it works with",
    "help": "show the help of a command",
}
"""Every command with its purpose, in the order of the help."""

_DESCRIPTION: Final = """\
Enforce policies inside the Linux kernel. Before an operation happens, the kernel allows it, logs it,
denies it, or kills the process.
"""

_EPILOG: Final = """\
a first session, as root:
  enforcer doctor                         what can this kernel prevent?
  enforcer check my-policy.yaml           is the policy right?
  enforcer dry-run my-policy.yaml --for 60s
                                          what would it refuse? nothing is refused yet
  enforcer start my-policy.yaml           activate it; Ctrl-C ends it

exit codes:
{codes}

`enforcer help COMMAND` says more about a command.
"""


def parser(named: Collection[str]) -> argparse.ArgumentParser:
    """Make a parser of all commands. Of those *named* it has the arguments; only their modules are imported."""
    made = Parser(
        prog="enforcer",
        description=_DESCRIPTION,
        epilog=_EPILOG.format(codes=_codes()),
        formatter_class=HelpFormatter,
    )
    made.add_argument(
        "--version",
        action="version",
        version=f"enforcer {__version__}",
        help="show the version of enforcer, and exit",
    )
    add_commands(made, "enforcer.cli", COMMANDS, named)
    return made


def _codes() -> str:
    """List the exit codes of enforcer itself; from 128 on a signal is meant, as everywhere."""
    return "\n".join(f"  {code:d}  {means}" for code, means in MEANINGS.items() if code < 128)
