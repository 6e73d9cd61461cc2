# SPDX-License-Identifier: MIT
"""
The pods in which engines run, one on each node.

They are looked for in one namespace only. Whoever may make pods in another could give one the same labels, and let it
say what he likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cli.exits import UsageError
from enforcer.cluster.agent.resource import Resource, is_name
from enforcer.plugin.cluster import count_of, map_of, maps_of
from enforcer.plugin.kubectl import KubectlError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.plugin.cluster import Cluster

__all__ = ["NAMESPACE", "PODS", "SELECTOR", "Engine", "Engines"]

NAMESPACE: Final = "enforcer"
"""Where the manifests and the chart put the engines, unless somebody says otherwise."""

SELECTOR: Final = "app.kubernetes.io/name=enforcer,app.kubernetes.io/component=node"
"""The labels by which the DaemonSet knows its pods; a test holds them equal."""

PODS: Final = Resource("/api/v1/pods", "Pod", "v1", namespaced=True, word="pod")

_ENGINE: Final = ["enforcer", "start"]


@attrs.frozen
class Engine:
    """
    The engine of one node.

    Attributes:
        run: which run of the container it is; another one after it was started anew.
    """

    pod: str
    node: str
    container: str
    run: str
    is_running: bool


@attrs.frozen
class Engines:
    """The engines of a cluster."""

    cluster: Cluster
    namespace: str = NAMESPACE

    def all(self) -> tuple[Engine, ...]:
        """
        Find them.

        Raises:
            UsageError: there are none, or who asks may not see them.
            KubectlError: there is no answer.
        """
        try:
            pods = self.cluster.objects(PODS, self.namespace, SELECTOR)
        except KubectlError as error:
            if not error.is_forbidden:
                raise
            raise UsageError(
                f"you may not see the engines in namespace {self.namespace}, which needs the right to list "
                f"pods there; name another by --enforcer-namespace: {error.said}"
            ) from error
        found = [each for (_, name), item in sorted(pods.items()) if (each := _engine(name, item))]
        if not found:
            raise UsageError(
                f"no engine runs in namespace {self.namespace}: name another by --enforcer-namespace"
            )
        return tuple(found)

    def on(self, node: str) -> Engine:
        """
        Return the engine of *node*.

        Raises:
            UsageError: none runs there.
            KubectlError: there is no answer.
        """
        for engine in self.all():
            if engine.node == node and engine.is_running:
                return engine
        raise UsageError(f"no engine runs on node {node}")

    def run(self, engine: Engine, *command: str, most: int) -> bytes:
        """
        Return what *command* prints in the container of *engine*.

        Args:
            engine: where.
            command: arguments; there is no shell.
            most: bytes that it may print.

        Raises:
            KubectlError: it failed, or who asks has no right to it.
        """
        return self.cluster.kubectl.ask(*self.command(engine, *command), most=most)

    def command(self, engine: Engine, *command: str) -> tuple[str, ...]:
        """Return how kubectl is asked to run *command* in the container of *engine*."""
        return (
            "exec",
            engine.pod,
            f"--namespace={self.namespace}",
            f"--container={engine.container}",
            "--quiet",
            "--",
            *command,
        )


def _engine(pod: str, item: Mapping[str, Any]) -> Engine | None:
    """Return the engine of a pod; None if no container of it is one, or no node has it yet."""
    spec, status = map_of(item.get("spec")), map_of(item.get("status"))
    node = spec.get("nodeName")
    containers = maps_of(spec.get("containers"))
    name = next((each.get("name") for each in containers if each.get("command") == _ENGINE), None)
    if not is_name(name) or not is_name(node):
        return None
    states = maps_of(status.get("containerStatuses"))
    state = next((each for each in states if each.get("name") == name), {})
    return Engine(
        pod,
        str(node),
        str(name),
        run=f"{map_of(item.get('metadata')).get('uid')}/{count_of(state.get('restartCount'))}",
        is_running="running" in map_of(state.get("state")),
    )
