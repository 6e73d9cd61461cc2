# SPDX-License-Identifier: MIT
"""The list of commands, and ``main``."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING

from enforcer import __version__
from enforcer.cli.exits import guarded

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_COMMANDS = {
    "start": "activate policies and record what happens",
    "dry-run": "permit everything and report what policies would refuse",
    "record": "record what the system does, for later dry runs",
    "check": "read policies and report what is wrong with them; needs no root",
    "convert": "print policies of other engines as policies of enforcer; needs no root",
    "test": "run test cases against policies; needs no root",
    "doctor": "show what this kernel can prevent",
    "status": "show what the running daemon does",
    "dashboard": "watch what the running daemon decides",
    "events": "show records of the running daemon live",
    "explain": "explain a record: which rule decided, and what would allow it",
    "reload": "read the policy files again and activate them",
    "confirm": "keep what was activated with --confirm-within",
    "policy": "show and change the active policies, one by one",
    "stop": "end enforcement",
    "key": "make the key that is needed to end protected enforcement",
    "unlock": "unlock what a lost daemon left protected by a key, for the next start",
}

_DESCRIPTION = """\
Enforce policies inside the Linux kernel. Before an operation happens, the kernel allows it, logs it,
denies it, or kills the process.
"""

_EPILOG = """\
a first session, as root:
  enforcer doctor                         what can this kernel prevent?
  enforcer check my-policy.yaml           is the policy right?
  enforcer dry-run my-policy.yaml --for 60s
                                          what would it refuse? nothing is refused yet
  enforcer start my-policy.yaml           activate it; Ctrl-C ends it

exit codes:
  0  all went well
  1  a policy is invalid
  2  wrong usage, not root, already or not running, a file cannot be opened
  3  this kernel cannot enforce
  4  internal error
  5  a policy test found another verdict than expected

`enforcer COMMAND --help` says more about each command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``enforcer`` with *arguments*, by default those of the process; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    args = _parser(next((word for word in words if word in _COMMANDS), None)).parse_args(words)
    return int(args.run(args))


def _parser(named: str | None) -> argparse.ArgumentParser:
    """All commands by name, and *named* with what it takes: the others' modules are not imported."""
    parser = argparse.ArgumentParser(
        prog="enforcer",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"enforcer {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in _COMMANDS.items():
        if name != named:
            commands.add_parser(name, help=summary)
            continue
        module = importlib.import_module(f"enforcer.cli.{name.replace('-', '_')}")
        command = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__.strip() if module.__doc__ else summary,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
