# SPDX-License-Identifier: MIT
"""
Print a script by which a shell completes commands, options and files of enforcer.

The script is made when enforcer is built, and says what this version takes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from enforcer.cli.exits import Exit, UsageError

if TYPE_CHECKING:
    import argparse

__all__ = ["EXAMPLES", "SHELLS", "add_arguments", "run"]

EXAMPLES = """\
examples:
  source <(enforcer completion bash)      for this shell
  enforcer completion bash >/etc/bash_completion.d/enforcer
  enforcer completion zsh >/usr/local/share/zsh/site-functions/_enforcer
  enforcer completion fish >/etc/fish/completions/enforcer.fish
"""

SHELLS: Final = ("bash", "zsh", "fish")
"""Those that there is a script for."""

_SCRIPTS: Final = Path(__file__).with_name("completions")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")


def run(args: argparse.Namespace) -> int:
    """Print it."""
    path = _SCRIPTS / f"enforcer.{args.shell}"
    try:
        script = path.read_text("utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path} was not built: run 'make build'") from None
    sys.stdout.write(script)
    return Exit.OK
