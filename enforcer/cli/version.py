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
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from enforcer.cli.document_types import VersionDocument

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer version
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print them."""
    found = _found()
    if args.form == JSON:
        print_document(found)
    else:
        print(*_lines(found), sep="\n")
    return Exit.OK


def _found() -> VersionDocument:
    """Ask each part; one that cannot be loaded says why, since that is what is looked for."""
    libbpf = abi = problem = None
    try:
        from enforcer.libbpf.abi import ABI_HASH
        from enforcer.libbpf.calls import libbpf_version
    except EnforcerError as error:
        problem = str(error)
    else:
        libbpf = "{}.{}".format(*libbpf_version())
        abi = f"{ABI_HASH >> 32:08x}"
    return {
        "version": 1,
        "enforcer": __version__,
        "libbpf": libbpf,
        "abi": abi,
        "kernel": platform.release(),
        "problem": problem,
    }


def _lines(found: VersionDocument) -> Iterator[str]:
    """Yield a line for each part."""
    yield f"enforcer {found['enforcer']}"
    if found["problem"] is not None:
        yield f"libbpf: {found['problem']}"
    else:
        yield f"libbpf {found['libbpf']}"
        yield f"ABI {found['abi']}"
    yield f"kernel {found['kernel']}"
