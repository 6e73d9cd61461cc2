# SPDX-License-Identifier: MIT
"""KubeArmor's policies (``security.kubearmor.com/v1``), by its documentation."""

from enforcer.policy.foreign.kubearmor.document import (
    read_cluster_policy,
    read_host_policy,
    read_pod_policy,
)

__all__ = ["read_cluster_policy", "read_host_policy", "read_pod_policy"]
