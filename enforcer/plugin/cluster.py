# SPDX-License-Identifier: MIT
"""What a cluster has of enforcer: policies and what nodes report, as far as who asks may see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import attrs

from enforcer.cli.exits import UsageError
from enforcer.cluster.agent.errors import GarbageError
from enforcer.cluster.agent.resource import NODES, POLICIES, is_namespace, key_of, metadata_of
from enforcer.plugin.kubectl import Kubectl, KubectlError
from enforcer.safe_text import neutral, readable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from enforcer.cluster.agent.resource import Key, Resource

__all__ = ["Cluster", "Found", "PolicyObject", "count_of", "map_of", "maps_of", "text_of"]

_PAGE: Final = 500
_MAX_OBJECTS: Final = 200_000  # as the agent's own limit of a list
_DEFAULT: Final = "default"


@attrs.frozen
class PolicyObject:
    """A policy as the API server has it."""

    resource: Resource
    key: Key
    item: Mapping[str, Any]

    @property
    def label(self) -> str:
        """``NAMESPACE/NAME``, or ``NAME`` of a policy of the cluster: what records and nodes call it."""
        namespace, name = self.key
        return f"{namespace}/{name}" if namespace else name


@attrs.frozen
class Found:
    """
    What could be read.

    Attributes:
        notes: sentences about what could not be.
    """

    policies: tuple[PolicyObject, ...]
    notes: tuple[str, ...] = ()


@attrs.frozen
class Cluster:
    """A cluster, by way of kubectl."""

    kubectl: Kubectl

    def namespace(self) -> str:
        """Return the namespace that kubectl takes if none is named."""
        words = ("config", "view", "--minify", "--output=jsonpath={..namespace}")
        try:
            found = readable(self.kubectl.ask(*words)).strip()
        except KubectlError:
            return _DEFAULT  # without a context there is this one
        return found if is_namespace(found) else _DEFAULT

    def objects(
        self, resource: Resource, namespace: str = "", selector: str = ""
    ) -> dict[Key, dict[str, Any]]:
        """
        List the objects of *resource*.

        Args:
            resource: which.
            namespace: of which alone; empty: of all.
            selector: by labels; empty: all.

        Raises:
            UsageError: what came is not what an API server says.
            KubectlError: the server refused, or did not answer.
        """
        path = resource.path
        if namespace:
            group, _, plural = path.rpartition("/")
            path = f"{group}/namespaces/{namespace}/{plural}"
        try:
            return self._whole(path, resource, selector)
        except GarbageError as error:
            raise UsageError(f"the API server does not say what was asked for: {error}") from error

    def nodes(self) -> dict[str, dict[str, Any]]:
        """
        Return what nodes report, by their names.

        Raises:
            KubectlError: it cannot be read.
        """
        return {name: item for (_, name), item in self.objects(NODES).items()}

    def policies(self, namespace: str = "", *, own: str = "") -> Found:
        """
        Return the policies that who asks may see.

        Who may not list those of all namespaces gets those of one, and a sentence that says so.

        Args:
            namespace: of which alone; empty: of all, and of the cluster.
            own: this one then; empty: that of the context.

        Raises:
            UsageError: the cluster has no such kinds.
            KubectlError: there is no answer, or no right to any policy.
        """
        policies: list[PolicyObject] = []
        notes: list[str] = []
        refusal: KubectlError | None = None
        answers = 0
        for resource in POLICIES:
            if namespace and not resource.namespaced:
                continue
            try:
                found = self._allowed(resource, namespace, own, notes)
            except KubectlError as error:
                if error.is_missing and resource.is_optional:
                    continue
                if error.is_missing:
                    raise UsageError(
                        f"this cluster has no kind {resource.kind}: apply the definitions, "
                        "packaging/kubernetes/crds"
                    ) from error
                if not error.is_forbidden:
                    raise
                refusal = refusal or error
                notes.append(f"{resource.kind} is not shown: {error.said}")
                continue
            answers += 1
            policies += (PolicyObject(resource, key, found[key]) for key in sorted(found))
        if refusal is not None and not answers:
            raise refusal
        return Found(tuple(policies), tuple(notes))

    def _allowed(
        self, resource: Resource, namespace: str, own: str, notes: list[str]
    ) -> dict[Key, dict[str, Any]]:
        """
        List the policies of *namespace*; if that is all, and not permitted, those of *own*, with a note.

        Raises:
            KubectlError: the server refused, or did not answer.
        """
        try:
            return self.objects(resource, namespace)
        except KubectlError as error:
            if namespace or not resource.namespaced or not error.is_forbidden:
                raise
        only = own or self.namespace()
        found = self.objects(resource, only)
        notes.append(f"{resource.kind}: only of namespace {only}, as of all you may not list them")
        return found

    def _whole(self, path: str, resource: Resource, selector: str) -> dict[Key, dict[str, Any]]:
        """
        List what is at *path*, part by part.

        Raises:
            GarbageError: something that comes is no list.
            KubectlError: the server refused, or did not answer.
        """
        found: dict[Key, dict[str, Any]] = {}
        rest = ""
        while True:
            page = self._page(path, selector, rest)
            for item in page.get("items") or ():
                found[key_of(item, resource)] = item
            rest = metadata_of(page).get("continue") or ""
            if not rest:
                return found
            if not isinstance(rest, str) or len(found) > _MAX_OBJECTS:
                raise GarbageError(f"a list of more than {_MAX_OBJECTS:,} objects, or no list")

    def _page(self, path: str, selector: str, rest: str) -> dict[str, Any]:
        query = {"limit": str(_PAGE)}
        query |= {"labelSelector": selector} if selector else {}
        query |= {"continue": rest} if rest else {}
        raw = self.kubectl.ask("get", f"--raw={path}?{urlencode(query)}", "--request-timeout=60s")
        try:
            page = json.loads(raw)
        except (ValueError, RecursionError):
            page = None
        items = page.get("items") if isinstance(page, dict) else None
        if not isinstance(page, dict) or not (items is None or isinstance(items, list)):
            raise GarbageError(f"{path} is no list")
        return page


def text_of(found: object) -> str:
    """Return a text of an object, fit for a terminal; empty if it is none."""
    return neutral(found) if isinstance(found, str) else ""


def count_of(found: object) -> int:
    """Return a number of an object; 0 if it is none."""
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def maps_of(found: object) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list; nothing if it is none."""
    yield from (
        each for each in (found if isinstance(found, list) else ()) if isinstance(each, dict)
    )


def map_of(found: object) -> dict[str, Any]:
    """Return an object; an empty one if it is none."""
    return found if isinstance(found, dict) else {}
