# SPDX-License-Identifier: MIT
"""Tetragon's policies (``cilium.io/v1alpha1``), by its documentation."""

from enforcer.policy.foreign.tracing.document import (
    read_cluster_policy,
    read_namespaced_policy,
)

__all__ = ["read_cluster_policy", "read_namespaced_policy"]
