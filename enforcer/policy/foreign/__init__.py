# SPDX-License-Identifier: MIT
"""
Policies of other engines: one package for each dialect, and the table of kinds and their readers.

A reader makes the same typed model as the language itself, with places of the foreign file. It refuses,
with its place, what it cannot carry over; it never leaves anything out. A package is imported when a
document of its kind is read.
"""

from __future__ import annotations

import importlib

import attrs

from enforcer.policy.model.policy import Policy
from enforcer.policy.readers.context import Context
from enforcer.policy.text.nodes import Map

__all__ = ["DIALECTS", "Dialect"]


@attrs.frozen
class Dialect:
    """
    Who reads a kind.

    Attributes:
        api_version: the one that belongs to it.
        package: where its reader is, beside this one.
        reader: the function's name.
    """

    api_version: str
    package: str
    reader: str

    def read(self, document: Map, context: Context) -> Policy | None:
        """Read *document*; errors are collected in *context*, and None is returned if they leave no policy."""
        package = importlib.import_module(f"{__name__}.{self.package}")
        policy: Policy | None = getattr(package, self.reader)(document, context)
        return policy


_KUBEARMOR = "security.kubearmor.com/v1"
_TRACING = "cilium.io/v1alpha1"

DIALECTS: dict[str, Dialect] = {
    "KubeArmorPolicy": Dialect(_KUBEARMOR, "kubearmor", "read_pod_policy"),
    "KubeArmorClusterPolicy": Dialect(_KUBEARMOR, "kubearmor", "read_cluster_policy"),
    "KubeArmorHostPolicy": Dialect(_KUBEARMOR, "kubearmor", "read_host_policy"),
    "TracingPolicy": Dialect(_TRACING, "tracing", "read_cluster_policy"),
    "TracingPolicyNamespaced": Dialect(_TRACING, "tracing", "read_namespaced_policy"),
}
"""Foreign kinds, with the apiVersion that belongs to each."""
