# SPDX-License-Identifier: MIT
"""
Show the nodes and the policies of the cluster, as the nodes report them.

What you may not see is left out, and said. Whoever has no right to the whole cluster sees the policies of the own
namespace.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from enforcer.cli.exits import Exit, complain
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.plugin.cluster import Cluster, count_of, map_of, maps_of, text_of
from enforcer.plugin.kubectl import KubectlError
from enforcer.policy.schema.kube_status import STATES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from rich.table import Table

    from enforcer.cli.plugin_documents import (
        ClusterDocument,
        ClusterNodeDocument,
        ClusterPolicyDocument,
        ConditionDocument,
        FailureDocument,
    )
    from enforcer.plugin.cluster import PolicyObject

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  kubectl enforcer status                 all nodes, and policies of all namespaces
  kubectl enforcer status -n shop         policies of one namespace
  kubectl enforcer status -o json | jq '.policies[] | select(.nodes.refused > 0)'
"""

_STYLES = {"True": "green", "False": "red", "Unknown": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Ask the API server."""
    cluster = Cluster(args.kubectl)
    notes: list[str] = []
    nodes = _nodes(cluster, notes) if not args.namespace else None
    found = cluster.policies(args.namespace or "")
    document: ClusterDocument = {
        "version": 1,
        "nodes": nodes,
        "policies": [_policy(each) for each in found.policies],
        "notes": [*notes, *found.notes],
    }
    if args.form == JSON:
        print_document(document)
    else:
        _show(document)
    return Exit.OK


def _nodes(cluster: Cluster, notes: list[str]) -> list[ClusterNodeDocument] | None:
    """Return what the nodes report; None, and a note, for who may not see it."""
    try:
        found = cluster.nodes()
    except KubectlError as error:
        if not error.is_forbidden:
            raise_if_kind_is_missing(error)
        notes.append(f"nodes are not shown: {error.said}")
        return None
    return [_node(name, found[name]) for name in sorted(found)]


def raise_if_kind_is_missing(error: KubectlError) -> None:
    """Raise *error*, unless the cluster has no such kind: then the policies say what is missing."""
    if not error.is_missing:
        raise error


def _node(name: str, item: Mapping[str, Any]) -> ClusterNodeDocument:
    status = map_of(item.get("status"))
    states = Counter(text_of(each.get("state")) for each in maps_of(status.get("policies")))
    return {
        "name": name,
        "version": text_of(status.get("version")),
        "kernel": text_of(status.get("kernel")),
        "mode": text_of(status.get("mode")),
        "lastSeen": text_of(status.get("lastSeen")),
        "lost": count_of(status.get("lost")),
        "policies": {state: states[state] for state in STATES},
        "conditions": _conditions(status),
    }


def _policy(policy: PolicyObject) -> ClusterPolicyDocument:
    status, (namespace, name) = map_of(policy.item.get("status")), policy.key
    nodes = map_of(status.get("nodes"))
    return {
        "kind": policy.resource.kind,
        "namespace": namespace or None,
        "name": name,
        "mode": text_of(map_of(policy.item.get("spec")).get("mode")),
        "generation": count_of(map_of(policy.item.get("metadata")).get("generation")),
        "nodes": {
            "total": count_of(nodes.get("total")),
            "active": count_of(nodes.get("active")),
            "degraded": count_of(nodes.get("degraded")),
            "refused": count_of(nodes.get("refused")),
        },
        "denials": count_of(status.get("denials")),
        "conditions": _conditions(status),
        "failures": [_failure(each) for each in maps_of(status.get("failures"))],
    }


def _conditions(status: Mapping[str, Any]) -> list[ConditionDocument]:
    return [
        {
            "type": text_of(each.get("type")),
            "status": text_of(each.get("status")),
            "reason": text_of(each.get("reason")),
            "message": text_of(each.get("message")),
        }
        for each in maps_of(status.get("conditions"))
    ]


def _failure(each: Mapping[str, Any]) -> FailureDocument:
    return {
        "node": text_of(each.get("node")),
        "reason": text_of(each.get("reason")),
        "message": text_of(each.get("message")),
        "path": text_of(each.get("path")),
    }


# ---- What is printed --------------------------------------------------------------------------


def _show(document: ClusterDocument) -> None:
    from enforcer.cli.output import console

    out = console()
    if document["nodes"]:
        out.print(_node_table(document["nodes"]))
        out.print()
    elif document["nodes"] is not None:
        out.print("no node has reported\n")
    if document["policies"]:
        out.print(_policy_table(document["policies"]))
    else:
        out.print("no policy")
    for policy in document["policies"]:
        for failure in policy["failures"]:
            out.print(_told(policy, failure), soft_wrap=True)
    for note in document["notes"]:
        complain(note)


def _table(*heads: str) -> Table:
    from rich.table import Table

    return Table(*heads, box=None, pad_edge=False)


def _node_table(nodes: list[ClusterNodeDocument]) -> Table:
    from rich.text import Text

    table = _table(
        "node", "ready", "mode", "version", "kernel", "active", "not", "lost", "last seen"
    )
    for node in nodes:
        ready = _condition(node["conditions"], "Ready")
        states = node["policies"]
        decides = states["active"] + states["audit"]
        table.add_row(
            Text(node["name"]),
            ready,
            *map(Text, (node["mode"], node["version"], node["kernel"])),
            f"{decides:,}",
            f"{sum(states.values()) - decides:,}",
            f"{node['lost']:,}",
            Text(node["lastSeen"]),
        )
    return table


def _policy_table(policies: list[ClusterPolicyDocument]) -> Table:
    from rich.text import Text

    table = _table("policy", "kind", "mode", "accepted", "enforced", "nodes", "denials")
    for each in policies:
        label = f"{each['namespace']}/{each['name']}" if each["namespace"] else each["name"]
        table.add_row(
            Text(label),
            each["kind"],
            Text(each["mode"] or "-"),
            *(_condition(each["conditions"], name) for name in ("Accepted", "Enforced")),
            f"{each['nodes']['active']:,}/{each['nodes']['total']:,}",
            f"{each['denials']:,}",
        )
    return table


def _condition(conditions: list[ConditionDocument], name: str) -> Any:
    """Return the state of a condition, with its reason where that says more."""
    from rich.text import Text

    found = next((each for each in conditions if each["type"] == name), None)
    if found is None:
        return Text("-")
    status = found["status"]
    says = status if status == "True" or not found["reason"] else f"{status} ({found['reason']})"
    return Text(says, _STYLES.get(status, ""))


def _told(policy: ClusterPolicyDocument, failure: FailureDocument) -> Any:
    from rich.text import Text

    label = f"{policy['namespace']}/{policy['name']}" if policy["namespace"] else policy["name"]
    where = f"{failure['path']}: " if failure["path"] else ""
    return Text(f"{label} on {failure['node']}: {where}{failure['message'] or failure['reason']}")
