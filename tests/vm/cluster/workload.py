# SPDX-License-Identifier: MIT
"""Pods that run what a policy forbids, or try to; whether it ran is asked of their own files."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
from collections.abc import Iterator
from typing import Any

import attrs
from cluster_clients import Kubectl
from node import IMAGE, until

__all__ = ["FORBIDDEN", "Pod", "applied", "pods", "policy"]

FORBIDDEN = ("/bin/bash", "/usr/bin/bash")
"""One program by the two names that it has in an image where /bin is /usr/bin."""

_numbers = itertools.count()


def policy(name: str, namespace: str, action: str, **spec: Any) -> dict[str, Any]:
    """Return a policy that does *action* to :data:`FORBIDDEN`."""
    rule = {"name": "bash", "exec": {}, "match": {"path": list(FORBIDDEN)}, "action": action}
    return {
        "apiVersion": "enforcer.dev/v1",
        "kind": "EnforcerPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"rules": [rule], **spec},
    }


@attrs.frozen
class Pod:
    """A pod that is there."""

    kubectl: Kubectl
    namespace: str
    name: str

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run *argv* in it, as ``kubectl exec`` does."""
        return self.kubectl.run("-n", self.namespace, "exec", self.name, "--", *argv)

    def attempt(self, program: str = FORBIDDEN[0]) -> bool:
        """Try to run *program*, which would leave a file; tell whether it is there."""
        mark = f"/tmp/ran-{next(_numbers)}"
        self.run(program, "-c", f"echo ran >{mark}")
        return self.reads(mark) == "ran\n"

    def reads(self, path: str) -> str | None:
        """Return what is in the file, None if there is none."""
        done = self.run("cat", path)
        if done.returncode == 0:
            return done.stdout
        assert "No such file" in done.stderr, done.stderr
        return None


@contextlib.contextmanager
def pods(
    kubectl: Kubectl, namespace: str, *names: str, script: str = "sleep infinity", cpu: str = ""
) -> Iterator[list[Pod]]:
    """
    Make a namespace with pods that run *script* of a shell that is not forbidden; remove all of it.

    *cpu*: the most that each may use of the processors, as Kubernetes writes it; empty: all.
    """
    kubectl.do("create", "namespace", namespace)
    container: dict[str, Any] = {
        "name": "main",
        "image": IMAGE,
        "command": ["/bin/sh", "-c", script],
    }
    if cpu:
        container["resources"] = {"limits": {"cpu": cpu}}
    for name in names:
        made = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
        # No pod is accepted before its account and the token of that are there, which are made a moment later.
        _create(kubectl, made)
    found = [Pod(kubectl, namespace, name) for name in names]
    ready = ("wait", "--for=condition=Ready", "--timeout=600s", "pods", "--all")
    kubectl.do("-n", namespace, *ready)
    yield found
    kubectl.do("delete", "namespace", namespace, "--wait=false")


def _create(kubectl: Kubectl, document: dict[str, Any]) -> None:
    said = ""

    def is_created() -> bool:
        nonlocal said
        done = kubectl.run("create", "-f", "-", given=json.dumps(document))
        said = done.stderr
        return done.returncode == 0 or "AlreadyExists" in said

    until(is_created, lambda: said)


@contextlib.contextmanager
def applied(kubectl: Kubectl, document: dict[str, Any]) -> Iterator[None]:
    """Apply a policy, wait until all nodes enforce it, and delete it."""
    meta = document["metadata"]
    which = (f"{document['kind'].lower()}.enforcer.dev/{meta['name']}", "-n", meta["namespace"])
    kubectl.do("apply", "-f", "-", given=json.dumps(document))
    try:
        kubectl.do("wait", "--for=condition=Enforced", "--timeout=300s", *which)
        yield
    finally:
        kubectl.do("delete", *which)
