# SPDX-License-Identifier: MIT
"""
Explain a record of a node: which policy of the cluster decided, and what would allow it.

RECORD is a line of an engine's log, a file with one, or - for standard input. The policies are those that the API
server has now. A line of logfmt has less than an explanation needs, so the whole record is asked for at the
engine of its node, which keeps the newest.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from enforcer import places
from enforcer.cli.exits import Exit, UsageError, complain
from enforcer.cli.explain import MOST, parsed, read_input, tell
from enforcer.cli.formats import add_output
from enforcer.cluster.agent.resource import is_name, is_namespace
from enforcer.plugin.cluster import Cluster, map_of
from enforcer.plugin.engines import PODS, Engines
from enforcer.plugin.kubectl import KubectlError
from enforcer.plugin.log_line import read_line
from enforcer.plugin.policy_files import PolicyFiles
from enforcer.runtime.control.protocol import RECENT_MOST
from enforcer.safe_text import neutral

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from enforcer.plugin.log_line import LogLine

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  kubectl logs -n enforcer enforcer-x7k2p -c engine --tail=1 | kubectl enforcer explain -
  kubectl enforcer explain "$LINE"        a line that was copied from a log
  kubectl enforcer explain record.json    a record in JSON; no engine is asked
  kubectl enforcer explain --node node-1 "$LINE"
                                          where the line does not tell the pod
"""

_FOLDER: Final = places.KUBE / "policies"
_MOST: Final = 8 << 20  # bytes of an engine's answer, which has half as much at most
_MANY: Final = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "record",
        metavar="RECORD",
        help="a line of a log, the name of a file with one, or - for standard input",
    )
    parser.add_argument(
        "--node",
        metavar="NAME",
        help="whose engine is asked for the whole record (default: the node of the record's pod)",
    )
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Explain."""
    cluster = Cluster(args.kubectl)
    record = _record(args, cluster)
    own = record.get("pod")
    namespace = map_of(own).get("namespace")
    found = cluster.policies(
        own=args.namespace or (str(namespace) if is_namespace(namespace) else "")
    )
    files = PolicyFiles.of(found.policies, _FOLDER)
    policies, wrong = files.read()
    for note in (*found.notes, *_first(wrong), *_of_node(record)):
        complain(note)
    tell(record, policies, args.form, files.renamed)
    return Exit.OK


def _first(wrong: list[str]) -> list[str]:
    """Return the first sentences of *wrong*, and how many more there are."""
    said = [f"left out, as it cannot be read here: {each}" for each in wrong[:_MANY]]
    more = len(wrong) - _MANY
    return [*said, f"and {more:,} more that cannot be read"] if more > 0 else said


def _of_node(record: Mapping[str, Any]) -> list[str]:
    """Say so if the policy that decided is not one of the cluster."""
    place = record.get("place")
    if not isinstance(place, str) or record.get("guard") or place.startswith(f"{_FOLDER}/"):
        return []
    return [
        f"the policy that decided is the node's own, {neutral(place)}: the API server does not have it"
    ]


# ---- The record -------------------------------------------------------------------------------


def _record(args: argparse.Namespace, cluster: Cluster) -> Mapping[str, Any]:
    """
    Return the record that was given, as JSON has it.

    Raises:
        UsageError: it is none, or only a part of one and the rest cannot be had.
    """
    text, what = _given(args.record)
    if text.lstrip().startswith(b"{"):
        return parsed(text, what)
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1:
        raise UsageError(f"{what} has {len(lines)} lines: give one record")
    # As kubectl prints it with --prefix.
    found = read_line(re.sub(rb"^\[pod/[^\]]*\] ", b"", lines[0])) if lines else None
    if found is None:
        raise UsageError(f"{what} is no record: give a line of an engine's log, logfmt or JSON")
    if found.is_loss:
        raise UsageError(f"{what} says that records are missing: there is nothing to explain")
    return _whole(found, args, cluster)


def _given(record: str) -> tuple[bytes, str]:
    """Return what was given, and what it is."""
    if record == "-":
        return read_input(), "standard input"
    if record.lstrip().startswith(("{", "time=", "[pod/")):
        return record.encode("utf-8", "surrogateescape"), "RECORD"
    try:
        with Path(record).open("rb") as file:
            text = file.read(MOST + 1)
    except OSError as error:
        raise UsageError(
            f"{neutral(record)} is neither a line of a log nor a file that can be read: "
            f"{error.strerror}"
        ) from error
    if len(text) > MOST:
        raise UsageError(f"{neutral(record)} has more than {MOST} bytes: give one record")
    return text, neutral(record)


def _whole(line: LogLine, args: argparse.Namespace, cluster: Cluster) -> Mapping[str, Any]:
    """
    Ask the engine of the line's node for the whole record.

    Raises:
        UsageError: it does not have it, or may not be asked.
    """
    give = "give the record as JSON (enforcer events --json on the node)"
    engines = Engines(cluster, args.enforcer_namespace)
    try:
        engine = engines.on(args.node or _node_of(line, cluster))
        answer = engines.run(engine, *_question(line), most=_MOST)
    except KubectlError as error:
        raise UsageError(
            f"a line of logfmt has not all that an explanation needs, and its engine could not be "
            f"asked: {error.said}; {give}"
        ) from error
    for each in answer.splitlines():
        record = _read(each)
        if record is not None and _is_same(record, line):
            return record
    raise UsageError(f"the engine of node {engine.node} does not keep this record any more: {give}")


def _question(line: LogLine) -> list[str]:
    """Return how an engine is asked for what it keeps of the process and the rule of *line*."""
    since = _moment(line.fields["time"]) - timedelta(seconds=1)
    return [
        *("enforcer", "events", "--json", f"--last={RECENT_MOST}", f"--since={since.isoformat()}"),
        *(f"--{key}={line.fields[key]}" for key in ("policy", "rule") if line.fields.get(key)),
    ]


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise UsageError(f"the line has no time that could be looked for: {neutral(text)!r}")
    return found


def _node_of(line: LogLine, cluster: Cluster) -> str:
    """
    Return the node of the pod that *line* names.

    Raises:
        UsageError: it names none, or it is gone.
        KubectlError: it cannot be asked for.
    """
    if is_name(node := line.fields.get("node")):
        return str(node)  # as events prints it
    pod, namespace = line.fields.get("pod_name"), line.namespace
    if not is_name(pod) or not is_namespace(namespace):
        raise UsageError("the line names no pod, so its node is not known: give --node NAME")
    path = f"--raw={PODS.path.removesuffix('/pods')}/namespaces/{namespace}/pods/{pod}"
    try:
        found = json.loads(cluster.kubectl.ask("get", path, "--request-timeout=60s"))
    except KubectlError as error:
        if error.is_missing:
            raise UsageError(
                f"pod {namespace}/{pod} is gone, so its node is not known: give --node NAME"
            ) from error
        raise
    except (ValueError, RecursionError):
        found = {}
    name = map_of(map_of(found).get("spec")).get("nodeName")
    if not is_name(name):
        raise UsageError(f"pod {namespace}/{pod} is on no node: give --node NAME")
    return str(name)


def _read(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_same(record: Mapping[str, Any], line: LogLine) -> bool:
    same = {"time": record.get("time"), "pid": str(map_of(record.get("process")).get("pid"))}
    same |= {key: record.get(key) for key in ("policy", "rule", "action")}
    return all(line.fields.get(key) == value for key, value in same.items())
