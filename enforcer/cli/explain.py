# SPDX-License-Identifier: MIT
"""
Explain a record: why it was decided so, and what would allow it.

Shows which policy, rule, file and line decided, which conditions matched, which rules came close, and
the smallest change that would allow the operation. Given an id, it asks the daemon for the record and
the policies. Given both as files, it needs neither root nor a daemon.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, cast

from enforcer.cli.arguments import add_socket, file_path
from enforcer.cli.colours import add_color
from enforcer.cli.exits import Exit, UsageError
from enforcer.cli.formats import JSON, add_output, print_document

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from enforcer.events.document_types import MatchDocument
    from enforcer.policy.model.policy import PolicySet

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer explain 3f9c0a1b-5d21a8f3c4e-1267-3
  tail -n 1 /var/log/enforcer.json | enforcer explain -
  enforcer explain - policies/ < record.json      by these policies instead of the daemon's
"""

_MOST = 1 << 20  # bytes of a record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "record",
        metavar="EVENT-ID|-",
        help="id of a record, or - to read one as JSON from standard input",
    )
    parser.add_argument(
        "policies",
        metavar="POLICY",
        nargs="*",
        type=file_path,
        help="policy file or folder (default: the daemon's active policies)",
    )
    add_color(add_output(parser))
    add_socket(parser)


def run(args: argparse.Namespace) -> int:
    """Explain."""
    from enforcer.explain.access import RecordError
    from enforcer.explain.explanation import explain
    from enforcer.explain.rendering import as_dict, lines
    from enforcer.sinks.terminal import terminal_line

    document = _document(args)
    policies = _policies(args)
    try:
        explanation = explain(document, policies)
        head = terminal_line(cast("MatchDocument", document))  # or it fails, as below
    except RecordError as error:
        raise UsageError(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Whatever the record lacks for its own line; explanations need less than that.
        raise UsageError(f"the record is damaged: {error!r}: give the whole record") from error
    if args.form == JSON:
        print_document(as_dict(explanation))
        return Exit.OK
    from rich.text import Text

    from enforcer.cli.folding import folded, width_of
    from enforcer.cli.output import console
    from enforcer.ui.rows import STYLES

    out, width = console(), width_of(sys.stdout)
    for text, style in ((head, "title"), *lines(explanation)):
        # What is to be copied into a policy stays as it is.
        parts = [text] if text.startswith(_SNIPPET) else folded(text, width, deeper=_DEEPER)
        for part in parts:
            out.print(Text(part, STYLES[style]), soft_wrap=True)
    return Exit.OK


_SNIPPET = " " * 6
_DEEPER = " " * 5  # as far as what stands behind a mark
_GIVE = "give one record, a line of a JSON log"


def _document(args: argparse.Namespace) -> Mapping[str, Any]:
    if args.record != "-":
        from enforcer.runtime.control.protocol import RECORD, Client

        with Client.connect(args.socket) as client:
            return client.ask(RECORD, id=args.record)["record"]
    text = sys.stdin.buffer.read(_MOST + 1)
    if len(text) > _MOST:
        raise UsageError(f"standard input has more than {_MOST} bytes: give one record")
    if not text.strip():
        raise UsageError(f"standard input is empty: {_GIVE}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error) and text.lstrip().startswith(b"{"):
            raise UsageError(f"standard input has more than one record: {_GIVE}") from error
        raise UsageError(f"standard input is not a JSON object: {_GIVE}") from error
    if not isinstance(document, dict):
        raise UsageError(f"standard input is not a JSON object: {_GIVE}")
    return document


def _policies(args: argparse.Namespace) -> PolicySet:
    if args.policies:
        from enforcer.runtime.policies.compilation import Sources

        return Sources(tuple(args.policies)).load()
    from enforcer.runtime.control.protocol import SOURCES, Client, NoDaemonError
    from enforcer.runtime.policies.inquiry import read_back

    try:
        with Client.connect(args.socket) as client:
            return read_back(client.ask(SOURCES)["sources"])
    except NoDaemonError as error:
        raise UsageError(
            f"{error}; or name the policies that were active: enforcer explain - POLICY…"
        ) from error
