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
    from collections.abc import Callable, Mapping

    from enforcer.compiler import Host
    from enforcer.events.document_types import MatchDocument
    from enforcer.policy.model.policy import PolicySet

__all__ = [
    "EXAMPLES",
    "MOST",
    "add_arguments",
    "mapped",
    "mounted_of",
    "parsed",
    "read_input",
    "run",
    "tell",
]

EXAMPLES = """\
examples:
  enforcer explain 3f9c0a1b-5d21a8f3c4e-1267-3
  tail -n 1 /var/log/enforcer.json | enforcer explain -
  enforcer explain - policies/ < record.json      by these policies instead of the daemon's
"""

MOST = 1 << 20
"""Bytes of a record."""


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
    tell(_document(args), _policies(args), args.form)
    return Exit.OK


def tell(
    document: Mapping[str, Any],
    policies: PolicySet,
    form: str,
    renamed: Callable[[str], str] = str,
) -> None:
    """
    Print the explanation of a record by *policies*.

    Args:
        document: the record.
        policies: those that were active.
        form: text or JSON.
        renamed: returns a line, or a text of the JSON object, with other names for places.

    Raises:
        UsageError: it is no record of a verdict, or not a whole one.
    """
    from enforcer.sinks.terminal import terminal_line
    from enforcer.workbench.explain.access import RecordError
    from enforcer.workbench.explain.explanation import explain
    from enforcer.workbench.explain.rendering import as_dict, lines

    try:
        explanation = explain(document, policies, _host_of(document, policies))
        head = terminal_line(cast("MatchDocument", document))  # or it fails, as below
    except RecordError as error:
        raise UsageError(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Whatever the record lacks for its own line; explanations need less than that.
        raise UsageError(f"the record is damaged: {error!r}: give the whole record") from error
    if form == JSON:
        print_document(mapped(as_dict(explanation), renamed))
        return
    from rich.text import Text

    from enforcer.cli.folding import folded, width_of
    from enforcer.cli.output import console
    from enforcer.workbench.dashboard.rows import STYLES

    out, width = console(), width_of(sys.stdout)
    for text, style in ((head, "title"), *lines(explanation)):
        # What is to be copied into a policy stays as it is.
        line = renamed(text)
        parts = [line] if text.startswith(_SNIPPET) else folded(line, width, deeper=_DEEPER)
        for part in parts:
            out.print(Text(part, STYLES[style]), soft_wrap=True)


def root_of(document: Mapping[str, Any]) -> str | None:
    """Return where the host has the root of the container that a record is of; None: that is not known."""
    container = document.get("container")
    root = container.get("root") if isinstance(container, dict) else None
    return root if isinstance(root, str) and root.startswith("/") else None


def mounted_of(document: Mapping[str, Any]) -> tuple[tuple[bytes, bytes], ...]:
    """Return what the runtime of that container shows in it, if it is still there."""
    from enforcer.identity.host_root import host_root
    from enforcer.identity.workload_places import Places

    container = document.get("container")
    number = container.get("id") if isinstance(container, dict) else None
    return Places(host=host_root()).mounted(number) if isinstance(number, str) else ()


def _host_of(document: Mapping[str, Any], policies: PolicySet) -> Host:
    from enforcer.runtime.policies.followed_links import beside

    return beside(root_of(document), policies, mounted_of(document))


def mapped(found: Any, renamed: Callable[[str], str]) -> Any:
    """Return a document with all its texts *renamed*."""
    if isinstance(found, str):
        return renamed(found)
    if isinstance(found, dict):
        return {key: mapped(value, renamed) for key, value in found.items()}
    return [mapped(each, renamed) for each in found] if isinstance(found, list) else found


_SNIPPET = " " * 6
_DEEPER = " " * 5  # as far as what stands behind a mark
_GIVE = "give one record, a line of a JSON log"


def _document(args: argparse.Namespace) -> Mapping[str, Any]:
    if args.record != "-":
        from enforcer.runtime.control.protocol import RECORD, Client

        with Client.connect(args.socket) as client:
            return client.ask(RECORD, id=args.record)["record"]
    return parsed(read_input(), "standard input")


def read_input() -> bytes:
    """
    Read standard input.

    Raises:
        UsageError: it has more than a record can have.
    """
    text = sys.stdin.buffer.read(MOST + 1)
    if len(text) > MOST:
        raise UsageError(f"standard input has more than {MOST} bytes: give one record")
    return text


def parsed(text: bytes, what: str) -> Mapping[str, Any]:
    """
    Read a record in JSON.

    Args:
        text: the record.
        what: where it is from, for messages.

    Raises:
        UsageError: it is something else.
    """
    if not text.strip():
        raise UsageError(f"{what} is empty: {_GIVE}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error) and text.lstrip().startswith(b"{"):
            raise UsageError(f"{what} has more than one record: {_GIVE}") from error
        raise UsageError(f"{what} is not a JSON object: {_GIVE}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{what} is not a JSON object: {_GIVE}")
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
