# SPDX-License-Identifier: MIT
"""Show the daemon's active policies, what they did, and what they cost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from enforcer import places
from enforcer.amounts import plural, size, span
from enforcer.cli.arguments import add_socket
from enforcer.cli.columns import columns
from enforcer.cli.exits import Exit, UsageError
from enforcer.cli.folding import folded, width_of
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.runtime.control.protocol import STATUS, Client, NoDaemonError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from enforcer.cli.document_types import StatusDocument
    from enforcer.runtime.control.answers import Status
    from enforcer.runtime.control.policy_answers import PolicyState

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer status
  enforcer status --json | jq .memory
"""

_CHANGES = 5  # newest; --json has all that are kept


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_output(parser)
    add_socket(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the daemon."""
    try:
        with Client.connect(args.socket) as client:
            state = client.ask(STATUS)["status"]
    except NoDaemonError:
        from enforcer.cli.stop import is_left

        if args.socket == places.SOCKET and is_left(places.PINS):
            raise UsageError(
                "no daemon is running, and what one has left is still enforced: "
                "enforcer start takes it over, enforcer stop --force ends it"
            ) from None
        raise
    if args.form == JSON:
        document: StatusDocument = {"version": 1, **state}
        print_document(document)
    else:
        _show(state)
    return Exit.OK


def _show(state: Status) -> None:
    from enforcer.safe_text import neutral

    width = width_of(sys.stdout)
    for line in _head(state):
        for part in folded(neutral(line), width):
            print(part)
    print()
    for line in _table(state["policies"], width):
        print(neutral(line))


def _head(state: Status) -> Iterator[str]:
    records, memory = state["records"], state["memory"]
    lost = records["lostDecisions"] + records["lostActivity"] + records["malformed"]
    yield f"active for {span(state['uptimeSeconds'])} (pid {state['pid']})"
    what = f"{plural(len(state['policies']), 'policy')}, {plural(state['programs'], 'program')}"
    if posture := state.get("posture"):
        what = posture["sentence"]
    yield f"{what}, generation {state['generation']}"
    yield from _beside(state)
    yield f"memory: {size(memory['residentBytes'])} resident, {size(memory['mapBytes'])} of maps"
    yield f"records: {records['total']:,}, lost: {lost:,}"
    for sink in state["sinks"]:
        if sink["failing"] or sink["dropped"]:
            yield f"{sink['name']}: {'failing, ' * sink['failing']}{sink['dropped']:,} dropped"
    if wrong := state.get("notActive"):
        yield f"what the policy files say now is not active: {wrong}"
    for refused in state.get("refusedFiles", ()):
        what = "what it said before is active" if refused["kept"] else "nothing of it is active"
        yield f"refused: {refused['file']}: {what}: {refused['errors'][0]}"
    for change in state.get("runtimeChanges", ()):
        yield f"changed at run time: {change['policy']}: {change['change']}"
    for done in state["control"].get("changes", ())[-_CHANGES:]:
        yield f"{_local(done['time'])} {done['what']}, by {done['by']}"


def _local(time: str) -> str:
    from datetime import datetime

    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S}"


def _table(policies: list[PolicyState], width: int | None) -> Iterator[str]:
    return columns(
        ("policy", "mode", "rules", "refused", "permitted", "audited", "file"),
        [
            (
                policy["name"],
                _mode(policy),
                policy["rules"],
                policy["refused"],
                policy["enforced"] - policy["refused"],
                policy["audited"],
                policy["file"],
            )
            for policy in policies
        ],
        width,
    )


def _mode(policy: PolicyState) -> str:
    if not policy["enabled"]:
        return "disabled"
    return f"{policy['mode']} (older)" if policy["older"] else policy["mode"]


def _beside(state: Status) -> Iterator[str]:
    """Say what else holds of the active set: for how long, what it outlives, who may end it."""
    posture = state.get("posture")
    if pending := state.get("pending"):
        how = posture["confirm"] if posture is not None else "enforcer confirm"
        unless = f", unless: {how}" if how is not None else "; nothing can confirm the new ones"
        yield (
            f"not confirmed: in {span(pending['left'])} the previous policies are active again"
            f"{unless}"
        )
    elif posture is not None and posture["returned"]:
        yield "a change was not confirmed in time, so the policies before it are active"
    if pinned := state.get("pinned"):
        yield f"pinned in {pinned}: enforcement outlives the daemon"
    if unpinned := state.get("unpinned"):
        yield f"names in {unpinned} were removed: enforcement ends with the daemon"
    if (at := state.get("enforcesAt", "LSM hooks")) != "LSM hooks":
        yield f"at {at}, since bpf is not among the active LSMs"
    if passed := state["kernel"].get("passed_by"):
        yield (
            f"{passed:,} operations passed undecided: the program was already running on that "
            "processor"
        )
    if state.get("protected"):
        how = ", without the key" if state.get("keyed") else ", the service manager excepted"
        yield f"protected: other processes may not change or end it{how}"
