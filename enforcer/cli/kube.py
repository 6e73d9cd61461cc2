# SPDX-License-Identifier: MIT
"""
Keep the policies of a Kubernetes cluster, and the pods of this node, in files for the engine.

This is the agent of a node: a process without privileges that talks to the API server. The engine has no
network; it reads the files. What is enforced stays as it is while the API server is away.
"""

from __future__ import annotations

import argparse
import os
import signal
from typing import TYPE_CHECKING

from enforcer import places
from enforcer.cli.arguments import file_path
from enforcer.cli.exits import Exit, UsageError, complain
from enforcer.policy.language.kube import FOREIGN_KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from enforcer.cluster.agent.agent import Agent, Plan
    from enforcer.cluster.agent.aggregator import Aggregator
    from enforcer.cluster.agent.event_poster import EventPoster
    from enforcer.cluster.agent.overview import Wanted
    from enforcer.cluster.agent.reporter import Reporter

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer kube                           in a pod whose environment has NODE_NAME
  enforcer kube --server https://192.0.2.1:6443 --node node-1 \\
      --ca-file ca.crt --token-file token
  enforcer kube --once                    list once, write the files, and end

the engine beside it, where the agent is user 9753:
  enforcer start --tolerant --policy-owner 9753 \\
      --pods-dir /var/lib/enforcer/kube/pods \\
      --results /var/lib/enforcer/results/results.json \\
      /var/lib/enforcer/kube/policies
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--node",
        metavar="NAME",
        help="name of this node, whose pods are wanted (default: what NODE_NAME says)",
    )
    parser.add_argument(
        "--folder",
        metavar="FOLDER",
        type=file_path,
        default=places.KUBE,
        help=f"where policies/, pods/ and agent/ are written (default: {places.KUBE})",
    )
    parser.add_argument(
        "--results",
        metavar="FILE",
        type=file_path,
        default=places.RESULTS,
        help="what the engine says became of each policy, from its own --results (default: "
        f"{places.RESULTS})",
    )
    parser.add_argument(
        "--once", action="store_true", help="list everything once, write the files, and end"
    )
    parser.add_argument(
        "--also",
        metavar="KIND",
        action="append",
        default=[],
        choices=[kind.kind for kind in FOREIGN_KINDS],
        help="follow policies of this kind of KubeArmor or Tetragon, too, where the cluster has it; repeat it for "
        "more: " + ", ".join(kind.kind for kind in FOREIGN_KINDS),
    )
    _add_reports(parser)
    _add_server(parser)


def _add_reports(parser: argparse.ArgumentParser) -> None:
    """Add what the agents tell the API server beside how their nodes are."""
    group = parser.add_argument_group("totals and events")
    group.add_argument(
        "--totals",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="take part in choosing the one agent that sums up on each policy what nodes report "
        "(default: on)",
    )
    group.add_argument(
        "--events",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="write events of Kubernetes: on pods of this node when a policy first refuses something there, "
        "and with the totals on policies (default: on)",
    )
    group.add_argument(
        "--namespace",
        metavar="NAME",
        help="where the lease of that agent is (default: what POD_NAMESPACE says, or the service "
        "account)",
    )


def _add_server(parser: argparse.ArgumentParser) -> None:
    """Add how the API server is reached: by default as a pod is told."""
    group = parser.add_argument_group("API server")
    group.add_argument(
        "--server",
        metavar="URL",
        help="the API server, https://HOST:PORT (default: the one of this pod's cluster)",
    )
    group.add_argument(
        "--token-file",
        metavar="FILE",
        type=file_path,
        help="token that proves who the agent is (default: that of the pod's service account)",
    )
    group.add_argument(
        "--ca-file",
        metavar="FILE",
        type=file_path,
        help="certificates of who may vouch for the server (default: those of the service account)",
    )


def run(args: argparse.Namespace) -> int:
    """Follow the API server until told to stop."""
    from enforcer.cluster.agent.agent import Agent
    from enforcer.cluster.agent.errors import KubeError

    plan, namespace = _plan(args), _namespace(args)
    agent = Agent(plan, complain)
    agent.open()
    if args.once:
        try:
            agent.once()
        except KubeError as error:
            raise UsageError(f"not everything could be listed: {error}") from error
        return Exit.OK
    poster = _poster(agent) if args.events else None
    agent.reporting = (_reporter(agent, args.results, poster),)
    if namespace:
        agent.reporting += (_aggregator(agent, namespace, poster),)
    if poster is not None:
        agent.reporting += (poster,)
    _obey_signals(agent)
    complain(f"following https://{plan.access.host}:{plan.access.port} as node {plan.node}")
    if args.totals and not namespace:
        # All else goes on: another agent may know where the lease is.
        complain("no totals: the namespace is not known; give --namespace, or set POD_NAMESPACE")
    agent.run()
    complain("ended; the files stay, and so does what is enforced")
    return Exit.OK


def _plan(args: argparse.Namespace) -> Plan:
    """
    Make the plan that *args* ask for.

    Raises:
        UsageError: something is missing, or is no name.
    """
    from enforcer.cluster.agent.access import Access
    from enforcer.cluster.agent.agent import Plan
    from enforcer.cluster.agent.resource import FOREIGN, is_name

    node = args.node or os.environ.get("NODE_NAME")
    if not node:
        raise UsageError("the name of this node is not known: give --node, or set NODE_NAME")
    if not is_name(node):
        raise UsageError(f"{node!r} is not the name of a node")
    try:
        access = Access.of(
            os.environ, server=args.server, token_file=args.token_file, ca_file=args.ca_file
        )
    except ValueError as error:
        raise UsageError(str(error)) from None
    foreign = tuple(each for each in FOREIGN if each.kind in args.also)
    return Plan(access, node, args.folder.absolute(), foreign=foreign)


def _poster(agent: Agent) -> EventPoster:
    """Make what writes events."""
    from enforcer.cluster.agent.event_poster import EventPoster

    return EventPoster(agent.plan.client(), agent.plan.node, agent.troubles)


def _reporter(agent: Agent, results: Path, poster: EventPoster | None) -> Reporter:
    """Make what reports how this node is."""
    from enforcer.cluster.agent.denial_events import DenialEvents
    from enforcer.cluster.agent.node_status import NodeStatus
    from enforcer.cluster.agent.reporter import Reporter

    plan = agent.plan
    return Reporter(
        node=plan.node,
        client=plan.client(),
        results=results,
        states=agent.states,
        status=NodeStatus(plan.policies),
        troubles=agent.troubles,
        heard=DenialEvents(poster.post).heard if poster is not None else lambda _: None,
        own=agent.node,
    )


def _namespace(args: argparse.Namespace) -> str:
    """
    Return the namespace of the lease; empty if nothing is to be summed up, or none is known.

    Raises:
        UsageError: it is no name.
    """
    from enforcer.cluster.agent.access import NAMESPACE
    from enforcer.cluster.agent.resource import is_namespace

    if not args.totals:
        return ""
    found = args.namespace or os.environ.get("POD_NAMESPACE")
    if not found:
        try:
            found = NAMESPACE.read_text("ascii").strip()
        except (OSError, ValueError):
            return ""
    if not is_namespace(found):
        raise UsageError(f"{found!r} is not the name of a namespace")
    return str(found)


def _aggregator(agent: Agent, namespace: str, poster: EventPoster | None) -> Aggregator:
    """Make what sums up, should this agent be the one."""
    from enforcer.cluster.agent.aggregator import Aggregator
    from enforcer.cluster.agent.policy_events import policy_events

    def wrote(wanted: Wanted) -> None:
        if poster is not None:
            for event, told in policy_events(wanted):
                poster.post(event, told)

    plan = agent.plan
    return Aggregator(
        plan.access,
        plan.node,
        namespace,
        agent.troubles,
        agent.report,
        pace=plan.pace,
        wrote=wrote,
    )


def _obey_signals(agent: Agent) -> None:
    """End in order at SIGTERM and SIGINT; what was ignored before stays ignored."""
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: agent.stop())
