# SPDX-License-Identifier: MIT
"""Show what the running daemon has in force, what it did, and what it costs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from enforcer.cli.arguments import add_socket
from enforcer.cli.exits import Exit
from enforcer.cli.output import console, plural, size, span
from enforcer.runtime.protocol import Client

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer status
  enforcer status --json | jq .memory
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_socket(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the daemon."""
    with Client.connect(args.socket) as client:
        state = client.ask("status")["status"]
    if args.json:
        print(json.dumps({"version": 1, **state}, indent=2))
    else:
        _show(state)
    return Exit.OK


def _show(state: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from enforcer.events.text import neutral

    out = console()
    records, memory = state["records"], state["memory"]
    lost = records["lostDecisions"] + records["lostActivity"] + records["malformed"]
    out.print(f"in force for {span(state['uptimeSeconds'])} (pid {state['pid']})")
    out.print(
        f"{plural(len(state['policies']), 'policy')}, {plural(state['programs'], 'program')}, "
        f"generation {state['generation']}"
    )
    for line in _beside(state):
        out.print(Text(line))
    out.print(
        f"memory: {size(memory['residentBytes'])} resident, {size(memory['mapBytes'])} of maps"
    )
    out.print(f"records: {records['total']:,}, lost: {lost:,}")
    for sink in state["sinks"]:
        if sink["failing"] or sink["dropped"]:
            out.print(
                Text(f"{sink['name']}: {'failing, ' * sink['failing']}{sink['dropped']:,} dropped")
            )
    for change in state.get("runtimeChanges", ()):
        out.print(Text(neutral(f"changed at run time: {change['policy']}: {change['change']}")))
    table = Table("policy", "mode", "rules", "acted", "would act", "file", box=None, pad_edge=False)
    for policy in state["policies"]:
        table.add_row(
            policy["name"],
            policy["mode"] if policy["enabled"] else "disabled",
            f"{policy['rules']:,}",
            f"{policy['enforced']:,}",
            f"{policy['audited']:,}",
            policy["file"],
        )
    out.print()
    out.print(table)


def _beside(state: dict[str, Any]) -> Iterator[str]:
    """Say what else holds of the set in force: for how long, what it outlives, who may end it."""
    if pending := state.get("pending"):
        yield (
            f"not confirmed: in {span(pending['left'])} the set before is back in force, "
            "unless: enforcer confirm"
        )
    if pinned := state.get("pinned"):
        yield f"pinned in {pinned}: enforcement outlives a daemon that is lost"
    if (at := state.get("enforcesAt", "LSM hooks")) != "LSM hooks":
        yield f"at {at}, since bpf is not among the active LSMs"
    if passed := state["kernel"].get("passed_by"):
        yield f"{passed:,} times a program had no turn, since it was running on that processor"
    if state.get("protected"):
        yield "protected: other processes may not change or end it"
