# SPDX-License-Identifier: MIT
"""What ``status`` of the kinds of an API server holds: what nodes report, and what is summed up of it."""

from __future__ import annotations

from typing import Any, Final

from enforcer.policy.model.modes import Mode
from enforcer.policy.schema.fragments import Schema

__all__ = [
    "MAX_FAILURES",
    "NODE_CONDITIONS",
    "POLICY_CONDITIONS",
    "STATES",
    "node_status",
    "policy_status",
]

POLICY_CONDITIONS: Final = {
    "Accepted": "Every node that reported has read the policy without an error.",
    "Enforced": "The policy is active on every node that reported.",
    "Degraded": "On some node the policy is refused, older, or enforced with limits.",
}
NODE_CONDITIONS: Final = {"Ready": "The policies are active, and the node reports."}

STATES: Final = {
    "active": "decides as written",
    "audit": "decides and records, and refuses nothing",
    "degraded": "decides, and some of it only after the fact",
    "refused": "not active: reason and message say why",
    "older": "what is active is what it was before the last change",
}
"""What a policy is on a node."""

MAX_FAILURES: Final = 10
_MAX_ROLLOUT = 512
_MAX_POLICIES = 10_000
_MAX_CONDITIONS = 8
_MAX_MESSAGE = 32768
_NAME = {"type": "string", "minLength": 1, "maxLength": 317}  # NAMESPACE/NAME: 63, 1 and 253


def policy_status() -> Schema:
    """Return the schema of a policy's ``status``."""
    failure = _object(
        {
            "node": _text("Name of the node.", 253),
            "reason": _text("Why, in one word.", 128),
            "message": _text("Why, in a sentence.", _MAX_MESSAGE),
            "path": _text("Where in the policy: line and column, or a path of fields.", 1024),
        },
        required=("node",),
    )
    nodes = {
        "total": "Nodes that reported.",
        "active": "Nodes on which it decides, audit included.",
        "enforcing": "Nodes of these on which it refuses what it denies.",
        "held": "Nodes of these on which it only records by its rollout.",
        "degraded": "Nodes on which it decides with limits.",
        "refused": "Nodes on which it is not active as it is now.",
    }
    return _object(
        {
            "conditions": _conditions(POLICY_CONDITIONS),
            "nodes": {
                **_object({key: _count(text) for key, text in nodes.items()}),
                "description": "How many nodes the policy has reached.",
            },
            "rollout": _text(
                "Where it is enforced, by its annotations: all, audit, or a share and labels of nodes.",
                _MAX_ROLLOUT,
            ),
            "denials": _count("Operations that it denied or killed, on all nodes."),
            "failures": {
                "type": "array",
                "description": f"Nodes on which something is wrong, {MAX_FAILURES} at most.",
                "items": failure,
                "maxItems": MAX_FAILURES,
                "x-kubernetes-list-type": "atomic",
            },
        },
        description="What the nodes report, summed up.",
    )


def node_status() -> Schema:
    """Return the schema of an ``EnforcerNode``'s ``status``."""
    states = "; ".join(f"{state}: {text}" for state, text in STATES.items())
    policy = _object(
        {
            "name": {**_NAME, "description": "NAMESPACE/NAME, or NAME of a policy of the cluster."},
            "state": {"type": "string", "description": f"{states}.", "enum": list(STATES)},
            "observedGeneration": _count("The generation of the object that this is about."),
            "uid": _text("The beginning of the UID of that object.", 36),
            "reason": _text("Why it is not as written, in one word.", 128),
            "message": _text("Why it is not as written, in a sentence.", _MAX_MESSAGE),
            "path": _text("Where in the policy: line and column, or a path of fields.", 1024),
            "denials": _count("Operations that it denied or killed on this node."),
            "rollout": _text(
                "The rollout by which the node has decided whether it enforces. Empty: on all nodes.",
                _MAX_ROLLOUT,
            ),
            "held": {
                "type": "boolean",
                "description": "It would enforce, and only records here by its rollout.",
            },
        },
        required=("name", "state"),
    )
    return _object(
        {
            "version": _text("Version of enforcer.", 128),
            "kernel": _text("Release of the kernel.", 128),
            "generation": _count("Counts the sets of policies that were made active."),
            "lastSeen": {
                "type": "string",
                "format": "date-time",
                "description": "When the node reported for the last time.",
            },
            "mode": {
                "type": "string",
                "maxLength": 63,
                "description": f"What the node does with verdicts: {' or '.join(m.value for m in Mode)}.",
            },
            "lost": _count("Records that were lost."),
            "policies": {
                "type": "array",
                "description": "What each policy is on this node.",
                "items": policy,
                "maxItems": _MAX_POLICIES,
                # One agent writes all of it. By names, the server would note of each field who wrote it: more
                # than half of the object, and most of what a report costs (tests/kube/measure_agents.py).
                "x-kubernetes-list-type": "atomic",
            },
            "conditions": _conditions(NODE_CONDITIONS),
        },
        description="What the node reports.",
    )


def _conditions(types: dict[str, str]) -> Schema:
    known = " ".join(f"{name}: {text}" for name, text in types.items())
    condition = _object(
        {
            "type": {"type": "string", "description": known, "enum": list(types)},
            "status": {
                "type": "string",
                "description": "Whether it holds.",
                "enum": ["True", "False", "Unknown"],
            },
            "reason": _text("Why, in one word.", 128),
            "message": _text("Why, in a sentence.", _MAX_MESSAGE),
            "observedGeneration": _count("The generation of the object that this is about."),
            "lastTransitionTime": {
                "type": "string",
                "format": "date-time",
                "description": "When the status changed for the last time.",
            },
        },
        required=("type", "status"),
    )
    return {
        "type": "array",
        "description": "What holds of it, by type.",
        "items": condition,
        "maxItems": _MAX_CONDITIONS,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    }


def _object(properties: Schema, **more: Any) -> Schema:
    out: Schema = {"type": "object", "properties": properties}
    return out | {key: list(value) if key == "required" else value for key, value in more.items()}


def _text(description: str, most: int) -> Schema:
    return {"type": "string", "description": description, "maxLength": most}


def _count(description: str) -> Schema:
    return {"type": "integer", "format": "int64", "description": description, "minimum": 0}
