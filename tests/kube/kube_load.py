# SPDX-License-Identifier: MIT
"""Objects of which a cluster has many: policies and pods, as long as they are elsewhere."""

from __future__ import annotations

from typing import Any


def policy(number: int, **metadata: Any) -> dict[str, Any]:
    """Return one of many policies, with ten rules."""
    paths = [f"/srv/application-{number}/component-{part}/**" for part in range(10)]
    rules = [
        {"name": f"rule-{n}", "file": ["write"], "match": {"path": path}, "action": "deny"}
        for n, path in enumerate(paths)
    ]
    meta = {"name": f"policy-{number}", "namespace": f"team-{number % 20}", **metadata}
    head = {"apiVersion": "enforcer.dev/v1", "kind": "EnforcerPolicy", "metadata": meta}
    return {**head, "spec": {"rules": rules}}


def pod(node: str, number: int, version: int = 0) -> dict[str, Any]:
    """Return a pod with what a kubelet and a Deployment write, about as long as one is."""
    labels = {"app": f"app-{number}", "pod-template-hash": "7c5ddbdf54", "version": str(version)}
    container = {
        "name": "main",
        "image": "registry.example.com/team/application:1.2.3",
        "env": [{"name": f"SETTING_{n}", "value": "x" * 30} for n in range(20)],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "volumeMounts": [{"name": f"volume-{n}", "mountPath": f"/data/{n}"} for n in range(4)],
    }
    status = {
        "phase": "Running",
        "containerStatuses": [{"name": "main", "containerID": f"containerd://{version:064x}"}],
    }
    meta = {"name": f"{node}-pod-{number}", "namespace": "shop", "labels": labels}
    spec = {"nodeName": node, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}
