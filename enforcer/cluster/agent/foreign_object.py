# SPDX-License-Identifier: MIT
"""
Objects of other engines: whether a policy is for this node, which their specs say by labels.

The agent decides that, since the engine does not know what labels the node has in the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from enforcer.cluster.agent.label_selector import read_selector
from enforcer.cluster.agent.rollout import RolloutError, annotations_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.cluster.agent.node_object import NodeObject

__all__ = ["SELECTOR", "LabelsUnknownError", "for_node"]

SELECTOR: Final = "nodeSelector"
_HOSTNAME: Final = "kubearmor.io/hostname"
"""A label that KubeArmor gives each node by itself: its name."""


class LabelsUnknownError(Exception):
    """It hangs on labels of the node, which are not known."""


def for_node(item: Mapping[str, Any], node: NodeObject) -> Mapping[str, Any] | None:
    """
    Return *item* without what says for which nodes it is; None if this is none of them.

    A selector that cannot be understood stays, so that the engine refuses the policy with its place.

    Raises:
        RolloutError: it has annotations of a rollout, which are for policies that can be told to record only.
        LabelsUnknownError: nobody knows whether it is for this node.
    """
    if rollout := [*annotations_of(item)]:
        raise RolloutError(rollout[0], "policies of other engines have no rollout")
    spec = item.get("spec")
    found = spec.get(SELECTOR) if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(found, dict):
        return item
    try:
        selector = read_selector(found)
    except ValueError:
        return item
    if node.labels is None:
        raise LabelsUnknownError
    if not selector.matches({_HOSTNAME: node.name, **node.labels}):
        return None
    rest = {word: value for word, value in spec.items() if word != SELECTOR}
    return {**item, "spec": rest}
