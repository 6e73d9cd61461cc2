# SPDX-License-Identifier: MIT
"""enforcer in the cluster, from the chart, and what its engine says in the log of its pod."""

from __future__ import annotations

import subprocess
from typing import Any

import attrs
from cluster_clients import ROOT, Api, Kubectl
from node import until

__all__ = ["Installed", "first_process"]

_CHART = ROOT / "packaging/kubernetes/chart"

_LABELS = "app.kubernetes.io/name=enforcer,app.kubernetes.io/component=node"


@attrs.frozen
class Installed:
    """A release; *container* is the one of the engine."""

    kubectl: Kubectl
    api: Api
    namespace: str = "kube-system"
    container: str = "tetragon"

    def is_ready(self) -> bool:
        """Whether the pod of its newest template is."""
        found = self.api.get(f"/apis/apps/v1/namespaces/{self.namespace}/daemonsets/enforcer")
        if found is None:
            return False
        status = found["status"]
        is_seen = status.get("observedGeneration") == found["metadata"]["generation"]
        is_new = status.get("updatedNumberScheduled") == 1
        return is_seen and is_new and bool(status.get("numberReady"))

    def render(self, *values: str) -> str:
        """Return the manifests of the chart with *values* besides those of the page."""
        told = (f"engine.containerName={self.container}", "podLabels.k8s-app=tetragon", *values)
        words = ["template", "enforcer", _CHART, "--namespace", self.namespace]
        argv = [ROOT / "build/helm/helm", *words, *(f"--set={each}" for each in told)]
        return subprocess.check_output(argv, text=True)

    def apply(self, *values: str) -> None:
        """Apply the manifests with *values*, and wait until the pod of the newest template is ready."""
        self.kubectl.do("apply", "-n", self.namespace, "-f", "-", given=self.render(*values))
        until(self.is_ready, self.why, 900)

    def pod(self) -> dict[str, Any] | None:
        """Return its pod on the node; None while the API server says nothing."""
        found = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={_LABELS}")
        if found is None:
            return None
        (pod,) = found["items"]
        return dict(pod)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return the status of each container of its pod; empty while the API server says nothing."""
        status = (self.pod() or {"status": {}})["status"]
        return {each["name"]: each for each in status.get("containerStatuses", ())}

    def why(self) -> str:
        """Say how its pods are, for somebody who waited in vain."""
        words = ("-n", self.namespace)
        told = [
            self.kubectl.run(*words, "describe", "pods", "-l", _LABELS).stdout[-6000:],
            self.kubectl.run(*words, "describe", "daemonsets").stdout[-3000:],
            *(
                self.kubectl.run(*words, "logs", "-l", _LABELS, "-c", each, "--tail=50").stdout
                for each in ("folders", self.container, "agent")
            ),
        ]
        return "\n".join(told)

    def log(self) -> list[str]:
        """Return the lines that the engine has written."""
        words = ("-n", self.namespace, "-l", _LABELS, "-c", self.container, "--tail=-1")
        return self.kubectl.do("logs", *words).splitlines()

    def node(self) -> dict[str, Any]:
        """Return the status of the node's report; empty if there is none."""
        found = self.api.get("/apis/enforcer.dev/v1/enforcernodes/n1")
        return dict(found.get("status", {})) if found is not None else {}


def first_process(status: dict[str, Any]) -> int:
    """Return the first process of the container of *status*, as the host numbers it."""
    number = status["containerID"].rpartition("/")[2]
    said = subprocess.check_output(["ctr", "-n", "k8s.io", "tasks", "list"], text=True)
    (process,) = (line.split()[1] for line in said.splitlines() if line.startswith(number))
    return int(process)
