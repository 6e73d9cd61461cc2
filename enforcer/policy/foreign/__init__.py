# SPDX-License-Identifier: MIT
"""
Policies written for others: one package for each dialect, and the table of who reads which kind.

A reader makes the same typed model as the language itself, with places of the foreign file. What it
cannot carry over it refuses with its place: it never leaves anything out.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from enforcer.policy.context import Context
from enforcer.policy.foreign import kubearmor, tracing
from enforcer.policy.model import Policy
from enforcer.policy.nodes import Map

__all__ = ["DIALECTS", "Dialect"]


@attrs.frozen
class Dialect:
    """
    Who reads a kind.

    *read* takes the document and collects its errors in the context; it returns None if they leave
    no policy.
    """

    api_version: str
    read: Callable[[Map, Context], Policy | None]


DIALECTS: dict[str, Dialect] = {
    "KubeArmorPolicy": Dialect(kubearmor.API_VERSION, kubearmor.read_pod_policy),
    "KubeArmorClusterPolicy": Dialect(kubearmor.API_VERSION, kubearmor.read_cluster_policy),
    "KubeArmorHostPolicy": Dialect(kubearmor.API_VERSION, kubearmor.read_host_policy),
    "TracingPolicy": Dialect(tracing.API_VERSION, tracing.read_cluster_policy),
    "TracingPolicyNamespaced": Dialect(tracing.API_VERSION, tracing.read_namespaced_policy),
}
"""Foreign kinds, with the apiVersion that belongs to each."""
