# SPDX-License-Identifier: MIT
"""
What enforcer is to a Kubernetes API server: its group, its version and its kinds.

The custom resource definitions, the reader of policies and every client take the names from here.
"""

from __future__ import annotations

from typing import Final

import attrs

__all__ = [
    "API_VERSION",
    "CLUSTER_POLICY",
    "FOREIGN_KINDS",
    "GROUP",
    "KINDS",
    "NODE",
    "POLICY",
    "TETRAGON_POLICY",
    "VERSION",
    "KubeKind",
]

GROUP: Final = "enforcer.dev"
"""A group of the API needs a dot, which ``enforcer/v1`` of policy files does not have."""

VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"


@attrs.frozen
class KubeKind:
    """One kind of resource. *short* is for ``kubectl get``, and empty if there is none."""

    kind: str
    plural: str
    short: str
    namespaced: bool
    group: str = GROUP
    version: str = VERSION

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        """``GROUP/VERSION``, as objects have it."""
        return f"{self.group}/{self.version}"

    @property
    def resource(self) -> str:
        """``PLURAL.GROUP``, the name of its definition."""
        return f"{self.plural}.{self.group}"


POLICY: Final = KubeKind("EnforcerPolicy", "enforcerpolicies", "ep", namespaced=True)
CLUSTER_POLICY: Final = KubeKind(
    "ClusterEnforcerPolicy", "clusterenforcerpolicies", "cep", namespaced=False
)
NODE: Final = KubeKind("EnforcerNode", "enforcernodes", "", namespaced=False)

KINDS: Final = (POLICY, CLUSTER_POLICY, NODE)
"""The kinds of the own group."""

TETRAGON_POLICY: Final = KubeKind(
    "TetragonPolicy", "tetragonpolicies", "", namespaced=True, group="cilium.io", version="v1alpha1"
)
"""A kind of another group with the same language. Its definition is for clusters that have none."""

_KUBEARMOR: Final = "security.kubearmor.com"

FOREIGN_KINDS: Final = (
    KubeKind("KubeArmorPolicy", "kubearmorpolicies", "", namespaced=True, group=_KUBEARMOR),
    KubeKind(
        "KubeArmorClusterPolicy", "kubearmorclusterpolicies", "", namespaced=False, group=_KUBEARMOR
    ),
    KubeKind(
        "KubeArmorHostPolicy", "kubearmorhostpolicies", "", namespaced=False, group=_KUBEARMOR
    ),
    KubeKind(
        "TracingPolicy",
        "tracingpolicies",
        "",
        namespaced=False,
        group="cilium.io",
        version="v1alpha1",
    ),
    KubeKind(
        "TracingPolicyNamespaced",
        "tracingpoliciesnamespaced",
        "",
        namespaced=True,
        group="cilium.io",
        version="v1alpha1",
    ),
)
"""Kinds of KubeArmor and Tetragon, whose definitions are theirs: of them only the specs are read."""
