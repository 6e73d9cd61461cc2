# SPDX-License-Identifier: MIT
"""
Show the versions of enforcer and of what it works with. `enforcer --version` shows the first.

libbpf is the library that this process has loaded. The ABI is a number for all that enforcer and its
programs in the kernel exchange: it differs if anything of that differs. The kernel is the one that runs.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from enforcer import __version__
from enforcer.cli.exits import Exit
from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["EXAMPLES", "add_arguments", "lines", "run"]

EXAMPLES = """\
examples:
  enforcer version
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take none."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print them."""
    del args
    print(*lines(), sep="\n")
    return Exit.OK


def lines() -> Iterator[str]:
    """Yield a line for each part; a part that cannot be loaded says why, since that is what is looked for."""
    yield f"enforcer {__version__}"
    try:
        from enforcer.libbpf.abi import ABI_HASH
        from enforcer.libbpf.calls import libbpf_version
    except EnforcerError as error:
        yield f"libbpf: {error}"
    else:
        yield "libbpf {}.{}".format(*libbpf_version())
        yield f"ABI {ABI_HASH >> 32:08x}"
    yield f"kernel {platform.release()}"
