# SPDX-License-Identifier: MIT
"""
An event of Kubernetes: something that happened to an object, as ``kubectl describe`` shows it.

Events are written as ``v1``, not as ``events.k8s.io/v1``: both are the same objects in the store, and every server has
the first. It lets the count and the last moment of one event change, and that is how kubectl shows repeats. In
the other, all but the series is fixed for ever, message included.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.errors import printable
from enforcer.cluster.agent.node_status import rfc3339

if TYPE_CHECKING:
    from enforcer.cluster.agent.resource import Key

__all__ = ["CLUSTER_NAMESPACE", "ObjectEvent", "Told"]

CLUSTER_NAMESPACE: Final = "default"
"""Where events of objects without a namespace are, as the server demands."""

_LONGEST: Final = 200  # characters of the object's name in the name of the event, of 253
_MAX_PATH: Final = 256
_COMPONENT: Final = "enforcer"


@attrs.frozen
class Told:
    """
    How often something happened.

    Attributes:
        first: when, seconds since 1970.
        last: when for the last time.
    """

    count: int
    first: float
    last: float


@attrs.frozen(kw_only=True)
class ObjectEvent:
    """
    What happened.

    Attributes:
        key: of the object that it happened to, which :func:`enforcer.cluster.agent.resource.key_of` would approve of.
        uid: of that object; ``kubectl describe`` looks for it.
        field: of the object that it is about; empty: all of it.
        about: the policy, by whose name events are limited.
        by: what else tells two events of one object with one reason apart, such as the policy. It stays: the
            same event is written again, never another one.
    """

    api_version: str
    kind: str
    key: Key
    uid: str
    reason: str
    message: str
    field: str = ""
    about: str = ""
    by: str = ""

    @property
    def namespace(self) -> str:
        """Where the event is."""
        return self.key[0] or CLUSTER_NAMESPACE

    @property
    def name(self) -> str:
        """What the event is called: the same for the same thing, whichever agent writes it, and after a restart."""
        parts = (self.api_version, self.kind, *self.key, self.uid, self.reason, self.by)
        digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self.key[1][:_LONGEST].rstrip('.-')}.{digest[:16]}"

    def document(self, told: Told, node: str) -> dict[str, Any]:
        """Return the object, written by the agent of *node*."""
        namespace, name = self.key
        thing = {"apiVersion": self.api_version, "kind": self.kind, "name": name, "uid": self.uid}
        thing |= {"namespace": namespace} if namespace else {}
        thing |= {"fieldPath": self.field[:_MAX_PATH]} if self.field else {}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": self.name, "namespace": self.namespace},
            "involvedObject": thing,
            "type": "Warning",
            "reason": self.reason,
            "message": printable(self.message),
            "count": told.count,
            "firstTimestamp": rfc3339(told.first),
            "lastTimestamp": rfc3339(told.last),
            "source": {"component": _COMPONENT, "host": node},
            "reportingComponent": _COMPONENT,
            "reportingInstance": node,
        }
