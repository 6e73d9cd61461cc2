# SPDX-License-Identifier: MIT
"""What is asked of an API server: resources, their objects, and what a list or a watch says of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from enforcer.cluster.agent.errors import GarbageError, printable
from enforcer.policy.language.kube import (
    CLUSTER_POLICY,
    FOREIGN_KINDS,
    NODE,
    POLICY,
    TETRAGON_POLICY,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.policy.language.kube import KubeKind

__all__ = [
    "FOREIGN",
    "NODES",
    "NODE_PATH",
    "POD_PATH",
    "POLICIES",
    "Deleted",
    "Found",
    "Key",
    "Listed",
    "News",
    "Resource",
    "is_name",
    "is_namespace",
    "key_of",
    "node_of",
    "pods_of",
    "version_of",
]

Key: TypeAlias = tuple[str, str]
"""Namespace and name of an object; no namespace: of the cluster."""

POD_PATH: Final = "/api/v1/pods"
NODE_PATH: Final = "/api/v1/nodes"

_MAX_NAME: Final = 253
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")
_NAMESPACE: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")


@attrs.frozen
class Resource:
    """
    Objects of one kind.

    Attributes:
        path: of their collection, over all namespaces.
        kind: of each.
        namespaced: whether each has a namespace.
        word: what files of them have in their names.
        selector: which of them are wanted, by fields; empty: all.
        is_optional: a cluster may do without, and without the right to list them.
        accept: in which form a list of them is asked for.
        accept_events: in which form one is that a watch tells of.
        is_foreign: their kind is another engine's: only their specs are read, and nothing is written to them.
    """

    path: str
    kind: str
    api_version: str
    namespaced: bool
    word: str
    selector: str = ""
    is_optional: bool = False
    accept: str = "application/json"
    accept_events: str = "application/json"
    is_foreign: bool = False

    @classmethod
    def of(cls, kind: KubeKind, *, is_optional: bool = False, is_foreign: bool = False) -> Resource:
        """Return the resource of a kind of policies."""
        return cls(
            f"/apis/{kind.group}/{kind.version}/{kind.plural}",
            kind.kind,
            kind.api_version,
            kind.namespaced,
            kind.singular,
            is_optional=is_optional,
            is_foreign=is_foreign,
        )

    def path_of(self, key: Key) -> str:
        """Return the path of the object *key*, which :func:`key_of` has approved of."""
        namespace, name = key
        if not self.namespaced:
            return f"{self.path}/{name}"
        group, _, plural = self.path.rpartition("/")
        return f"{group}/namespaces/{namespace}/{plural}/{name}"


POLICIES: Final = (
    Resource.of(POLICY),
    Resource.of(CLUSTER_POLICY),
    Resource.of(TETRAGON_POLICY, is_optional=True),
)
"""Policies, each kind of which is a resource."""

FOREIGN: Final = tuple(
    Resource.of(kind, is_optional=True, is_foreign=True) for kind in FOREIGN_KINDS
)
"""Policies of other engines, which are followed where somebody asks for them."""

NODES: Final = Resource.of(NODE)
"""What each node reports."""


def pods_of(node: str) -> Resource:
    """Return the pods that are bound to *node*."""
    return Resource(POD_PATH, "Pod", "v1", True, "pod", f"spec.nodeName={node}")


def node_of(node: str) -> Resource:
    """
    Return the object of the node *node*, of which only the metadata are wanted: the rest is long, and changes
    every few minutes. The right to list may be missing, since no role can have it for one node alone.
    """
    # A server makes of one object no list: a watch that asks for the form of lists only fails.
    form = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
    return Resource(
        NODE_PATH,
        "Node",
        "v1",
        False,
        "node",
        f"metadata.name={node}",
        is_optional=True,
        accept=form.format("List"),
        accept_events=form.format(""),
    )


@attrs.frozen
class Listed:
    """A complete list: what is not in it is not there."""

    resource: Resource
    objects: dict[Key, dict[str, Any]]


@attrs.frozen
class Found:
    """An object is there, new or changed."""

    resource: Resource
    key: Key
    object: dict[str, Any]


@attrs.frozen
class Deleted:
    """An object is gone, by order."""

    resource: Resource
    key: Key


News: TypeAlias = Listed | Found | Deleted


def key_of(item: object, resource: Resource) -> Key:
    """
    Return by what *item* is known.

    Fails closed: an object without a namespace where each has one would count for the whole host, and a
    name becomes a part of the name of a file. So anything that no API server says is refused.

    Raises:
        GarbageError: it is no object of *resource*.
    """
    meta = metadata_of(item)
    name, namespace = meta.get("name"), meta.get("namespace", "")
    if not is_name(name):
        raise GarbageError(f"an object of {resource.path} has no name: {printable(name)!r}")
    if not (is_namespace(namespace) if resource.namespaced else namespace == ""):
        raise GarbageError(
            f"the object {name} of {resource.path} has a wrong namespace: {printable(namespace)!r}"
        )
    return str(namespace), str(name)


def is_name(text: object) -> bool:
    """Whether *text* is the name of an object or of a node."""
    return _is(text, _NAME)


def is_namespace(text: object) -> bool:
    """Whether *text* is the name of a namespace."""
    return _is(text, _NAMESPACE)


def _is(text: object, form: re.Pattern[str]) -> bool:
    return isinstance(text, str) and len(text) <= _MAX_NAME and form.fullmatch(text) is not None


def metadata_of(item: object) -> Mapping[str, Any]:
    """
    Return the metadata of an object or of a list.

    Raises:
        GarbageError: it has none.
    """
    meta = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(meta, dict):
        raise GarbageError("an object without metadata")
    return meta


def version_of(item: object) -> str:
    """
    Return the version of an object or of a list.

    Raises:
        GarbageError: it has none.
    """
    version = metadata_of(item).get("resourceVersion")
    if not isinstance(version, str) or not version:
        raise GarbageError("an object without resourceVersion")
    return version
