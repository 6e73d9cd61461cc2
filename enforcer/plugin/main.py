# SPDX-License-Identifier: MIT
"""``main``: what kubectl runs as ``kubectl-enforcer``, from the words of a command line to an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from enforcer.cli.colours import heed
from enforcer.cli.exits import UsageError, guarded
from enforcer.cluster.agent.resource import is_namespace
from enforcer.plugin.commands import COMMANDS, GLOBAL, parser
from enforcer.plugin.kubectl import Kubectl

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``kubectl enforcer`` with *arguments*, by default those of the process; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: _run(words))


def _run(words: Sequence[str]) -> int:
    named = {word for word in words if word in COMMANDS}
    args = parser(named).parse_args(words)
    heed(getattr(args, "color", "auto"))
    for name in (args.namespace, args.enforcer_namespace):
        # A part of a path of the API: nothing else may get there.
        if name is not None and not is_namespace(name):
            raise UsageError(f"{name!r} is not the name of a namespace")
    given = {name: getattr(args, f"kubectl_{name}") for name in GLOBAL}
    args.kubectl = Kubectl(tuple(f"--{key}={value}" for key, value in given.items() if value))
    return int(args.run(args))
