# SPDX-License-Identifier: MIT
"""What ``kubectl enforcer`` prints as JSON, for type checkers and for ``enforcer schema``."""

from __future__ import annotations

from typing import Annotated, TypedDict, final

from enforcer.cli.document_types import Versioned
from enforcer.workbench.dryrun.document_types import ReportDocument

__all__ = [
    "ClusterDocument",
    "ClusterDryRunDocument",
    "ClusterEventDocument",
    "ClusterNodeDocument",
    "ClusterPolicyDocument",
    "ConditionDocument",
    "FailureDocument",
    "PolicyNodesDocument",
    "RecordingReportDocument",
]


@final
class ConditionDocument(TypedDict):
    """One condition, as the object has it."""

    type: Annotated[str, "Its name."]
    status: Annotated[str, "True, False or Unknown."]
    reason: Annotated[str, "Why, in one word."]
    message: Annotated[str, "Why, in a sentence."]


@final
class FailureDocument(TypedDict):
    """A node on which something is wrong with a policy."""

    node: Annotated[str, "Name of the node."]
    reason: Annotated[str, "Why, in one word."]
    message: Annotated[str, "Why, in a sentence."]
    path: Annotated[str, "Where in the policy; empty if it is at no place."]


@final
class PolicyNodesDocument(TypedDict):
    """How many nodes a policy has reached."""

    total: Annotated[int, "Nodes that reported."]
    active: Annotated[int, "On which it decides, audit included."]
    degraded: Annotated[int, "On which it decides with limits."]
    refused: Annotated[int, "On which it is not active as it is now."]


@final
class ClusterNodeDocument(TypedDict):
    """One node, as it reports itself."""

    name: Annotated[str, "Name of the node."]
    version: Annotated[str, "Version of enforcer."]
    kernel: Annotated[str, "Release of the kernel."]
    mode: Annotated[str, "What it does with verdicts."]
    lastSeen: Annotated[str, "When it reported."]
    lost: Annotated[int, "Records that were lost."]
    policies: Annotated[dict[str, int], "How many policies are in each state."]
    conditions: Annotated[list[ConditionDocument], "What holds of it."]


@final
class ClusterPolicyDocument(TypedDict):
    """One policy, with what the nodes report of it, summed up."""

    kind: Annotated[str, "Its kind."]
    namespace: Annotated[str | None, "Its namespace; null: it is of the cluster."]
    name: Annotated[str, "Its name."]
    mode: Annotated[str, "Its mode; empty: it does not say."]
    generation: Annotated[int, "Of the object."]
    nodes: Annotated[PolicyNodesDocument, "How many nodes it has reached."]
    denials: Annotated[int, "Operations that it denied or killed."]
    conditions: Annotated[list[ConditionDocument], "What holds of it."]
    failures: Annotated[list[FailureDocument], "Nodes on which something is wrong."]


@final
class ClusterDocument(Versioned):
    """What ``kubectl enforcer status`` found."""

    nodes: Annotated[
        list[ClusterNodeDocument] | None, "The nodes; null: not asked for, or you may not see them."
    ]
    policies: Annotated[list[ClusterPolicyDocument], "The policies that you may see."]
    notes: Annotated[list[str], "What could not be read, in sentences."]


@final
class ClusterEventDocument(Versioned):
    """One record of a node's engine."""

    node: Annotated[str, "Name of the node."]
    pod: Annotated[str, "Pod of the engine."]
    fields: Annotated[dict[str, str], "The record by the keys of logfmt, all as text."]
    record: Annotated[
        dict[str, object] | None,
        "The whole record; null if the engine writes logfmt, which has less.",
    ]


@final
class RecordingReportDocument(TypedDict):
    """What policies would have done on one recording."""

    recording: Annotated[str, "The recording, as it was named."]
    report: Annotated[ReportDocument, "As `dry-run` prints it."]


@final
class ClusterDryRunDocument(Versioned):
    """What ``kubectl enforcer dry-run`` found."""

    policies: Annotated[int, "Policies that were read."]
    rules: Annotated[int, "Rules in them."]
    recordings: Annotated[list[RecordingReportDocument], "One report for each recording."]
