# SPDX-License-Identifier: MIT
"""
Show records of the engines of all nodes: the newest lines of their logs, or with --follow those that come.

Each line is as the engine writes it, and ends with the node. Pods that come meanwhile are followed, too.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import time
from typing import TYPE_CHECKING

from enforcer.cli.arguments import duration
from enforcer.cli.exits import Exit, complain, discard
from enforcer.cli.formats import JSON, add_output
from enforcer.cluster.agent.resource import is_name
from enforcer.plugin.cluster import Cluster
from enforcer.plugin.engines import Engines
from enforcer.plugin.following import Following
from enforcer.plugin.log_line import read_line

if TYPE_CHECKING:
    from enforcer.cli.plugin_documents import ClusterEventDocument
    from enforcer.plugin.following import Line
    from enforcer.plugin.log_line import LogLine

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  kubectl enforcer events                 the newest lines of each engine
  kubectl enforcer events -f -n shop      what happens in the pods of one namespace, until Ctrl-C
  kubectl enforcer events -f --action deny --action kill
  kubectl enforcer events --since 10m --node node-1 -o json | jq .fields.msg
"""

_TAIL = 20
_MOST_TAIL = 100_000
_ACTIONS = ("allow", "log", "deny", "kill")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "--follow", "-f", action="store_true", help="print records as they come, until Ctrl-C"
    )
    parser.add_argument(
        "--since", metavar="TIME", type=duration, help="only records of this time: 10m, 1h"
    )
    parser.add_argument(
        "--tail",
        metavar="N",
        type=_number,
        help=f"of each log only the last N lines (default: {_TAIL}; with --follow none, with --since all)",
    )
    parser.add_argument(
        "--node",
        metavar="NAME",
        action="append",
        default=[],
        type=_node,
        help="only of this node; may be repeated",
    )
    parser.add_argument(
        "--policy", metavar="NAME", action="append", help="only of this policy; with * and ?"
    )
    parser.add_argument(
        "--action",
        metavar="ACTION",
        action="append",
        choices=_ACTIONS,
        help=f"only with this verdict: {', '.join(_ACTIONS)}; may be repeated",
    )
    add_output(parser, what="JSON, one object per line")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= _MOST_TAIL):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of lines: write 0 to {_MOST_TAIL}"
        )
    return int(text)


def _node(text: str) -> str:
    if not is_name(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a node")
    return text


def run(args: argparse.Namespace) -> int:
    """Show what there is, or follow."""
    tail = args.tail
    if tail is None and args.since is None and not args.follow:
        tail = _TAIL
    following = Following(
        Engines(Cluster(args.kubectl), args.enforcer_namespace),
        complain,
        nodes=frozenset(args.node),
        tail=tail,
        since=None if args.since is None else time.time() - args.since,
    )
    try:
        with contextlib.closing(following.follow() if args.follow else following.once()) as lines:
            for line in lines:
                record = read_line(line.text)
                if record is not None and _is_wanted(args, record):
                    _print(args, line, record)
    except KeyboardInterrupt:
        if not args.follow:  # how following is meant to end
            raise
    except BrokenPipeError:
        discard(1)  # so is `| head`
    return Exit.OK


def _is_wanted(args: argparse.Namespace, record: LogLine) -> bool:
    """Whether *record* passes the filters. Losses pass them all: what is missing may be what is wanted."""
    if record.is_loss:
        return True
    if args.namespace and record.namespace != args.namespace:
        return False
    if args.action and record.fields.get("action") not in args.action:
        return False
    policy = record.fields.get("policy", "")
    return not args.policy or any(fnmatch.fnmatchcase(policy, each) for each in args.policy)


def _print(args: argparse.Namespace, line: Line, record: LogLine) -> None:
    if args.form == JSON:
        document: ClusterEventDocument = {
            "version": 1,
            "node": line.node,
            "pod": line.pod,
            "fields": dict(record.fields),
            "record": None if record.record is None else dict(record.record),
        }
        print(json.dumps(document), flush=True)
        return
    has_node = "node" in record.fields or not line.node
    print(record.text if has_node else f'{record.text} node="{line.node}"', flush=True)
