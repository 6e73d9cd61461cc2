# SPDX-License-Identifier: MIT
"""
The containers and pods of this host, by their cgroups, and what is known of each.

The tree of cgroups shows which containers exist. The files of runtimes and of the kubelet describe them. A
container whose files do not exist yet is looked at again. No other daemon is asked, so none can hold this
one up.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.identity import workload_files as files
from enforcer.identity.bundle_mounts import host_names
from enforcer.identity.cgroup_tree import CgroupTree, listed
from enforcer.identity.container import Container, pod_of
from enforcer.identity.description import described
from enforcer.identity.host_root import host_root
from enforcer.identity.workload_files import Bundle, PodFacts
from enforcer.identity.workload_places import Places
from enforcer.mountinfo import MountNames
from enforcer.policy.model.workloads import CONTAINER, POD, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Workloads"]

MAX_WORKLOADS = 8192
"""Containers and pods together; what lies beyond is not known, so conditions on it are not, either."""

_SOON: Final = 10.0  # seconds for which a container that is not known is looked at every time
_AGAIN: Final = 0.1
_LATER: Final = 5.0
_TICK: Final = 2_000_000_000  # nanoseconds
_BY_CGROUP: Final = frozenset({"lxc", "nspawn", "machine"})
_UNREADABLE: Final = (
    "cannot be read (too long, no JSON, or others may write it): what it said before of pods stays, "
    "and labels of new ones are not known from it"
)
_TOO_MANY: Final = (
    f"has more than {files.MAX_PODS} pods: labels of the others are not known from it"
)


@attrs.define(eq=False, repr=False)
class _ContainerCgroup:
    """A container's cgroup; *bundle* None: not known yet, *is_settled*: nothing more will be; *number*: of its inode; *shown*: a root, and its name in records; *mounted*: what its runtime mounts, and where."""

    container: Container
    since: float
    number: int = 0
    next_look: float = 0.0
    bundle: Bundle | None = None
    runtime: str = ""
    is_settled: bool = False
    shown: tuple[str | None, str | None] = (None, None)
    mounted: tuple[tuple[bytes, bytes], ...] = ()


@attrs.define(eq=False, repr=False)
class Workloads:
    """What is known, kept as long as the cgroup is there; *listed* is for :class:`CgroupTree`."""

    places: Places = attrs.field(factory=lambda: Places(host=host_root()))
    clock: Callable[[], float] = time.monotonic
    listed: Callable[[str], bytes] = listed
    overflown: bool = attrs.field(default=False, init=False)
    _containers: dict[str, _ContainerCgroup] = attrs.field(factory=dict, init=False)
    _pod_cgroups: dict[str, tuple[str, int]] = attrs.field(factory=dict, init=False)
    _pods: dict[str, PodFacts] = attrs.field(factory=dict, init=False)
    _stamps: dict[str, Any] = attrs.field(factory=dict, init=False)
    _listed: dict[str, files.Stored] = attrs.field(factory=dict, init=False)
    _logged: dict[str, PodFacts] = attrs.field(factory=dict, init=False)
    _given: dict[str, tuple[tuple[str, PodFacts], ...]] = attrs.field(factory=dict, init=False)
    _unread: dict[str, str] = attrs.field(factory=dict, init=False)
    _is_stale: bool = attrs.field(default=True, init=False)
    _last: tuple[Workload, ...] = attrs.field(default=(), init=False)
    _tree: CgroupTree = attrs.field(init=False)

    @_tree.default
    def _make_tree(self) -> CgroupTree:
        return CgroupTree(self.places.cgroups, self.listed)

    def look(self) -> tuple[Workload, ...]:
        """Read everything, and return the known workloads in the order of cgroups."""
        now = self.clock()
        self._find(now)
        self._read_pods()
        for seen in self._containers.values():
            self._identify(seen, now)
        if self._is_stale:
            self._is_stale = False
            self._pods = self._merged()
            self._last = tuple(sorted(self._workloads(), key=lambda each: each.cgroup))
        return self._last

    def look_at(self, container: Container) -> tuple[Workload | None, Workload | None]:
        """Look at *container* alone, however soon after the last time; return what it and its pod are, if known."""
        now = self.clock()
        path, pod = container.cgroup, pod_of(container.cgroup)
        number = self._number(path)
        is_full = len(self._containers) + len(self._pod_cgroups) >= MAX_WORKLOADS
        if number is None or (is_full and path not in self._containers):
            return None, None  # it has ended; or it is one more than can be known: the strict way
        seen = self._containers[path] = self._seen(container, number, now)
        if pod is not None and (above := self._number(pod[0])) is not None:
            self._pod_cgroups[pod[0]] = pod[1], above
            self._read_pods()
        seen.next_look = 0.0
        self._identify(seen, now)
        if pod is not None:
            self._pods = self._merged()
        self._is_stale = True  # at the next look everything is put in order
        return self._workload(seen), self._workload_of_pod(*pod) if pod is not None else None

    @property
    def has_tree(self) -> bool:
        """Whether there is one tree of cgroups (version 2), which all of this needs."""
        return (self.places.cgroups / "cgroup.controllers").exists()

    @property
    def unknown(self) -> dict[str, str]:
        """The cgroups of containers that are not identified, each with what is missing, or an empty text for all."""
        found = ((path, _missing(seen)) for path, seen in self._containers.items())
        return {path: missing for path, missing in found if missing is not None}

    @property
    def unread(self) -> tuple[str, ...]:
        """Sentences on files of pods that are there and cannot be read, or not as a whole."""
        return tuple(f"{ascii(path)[1:-1]} {why}" for path, why in self._unread.items())

    def of(self, container: Container) -> tuple[str, Bundle | None, PodFacts]:
        """Tell the runtime of *container*, what it is and its pod, for records; looks if it must."""
        now = self.clock()
        seen = self._containers.get(container.cgroup)
        if seen is None:
            if len(self._containers) >= MAX_WORKLOADS:
                self._containers.clear()  # nobody looks at the tree, so those that are gone stay
            self._is_stale = True
            seen = self._containers[container.cgroup] = _ContainerCgroup(container, now)
        uid = container.pod_uid
        is_whole = seen.bundle is not None and (uid is None or uid in self._pods)
        if not is_whole and now >= seen.next_look:
            self._read_pods()
            self._identify(seen, now)
            self._pods = self._merged()
            seen.next_look = max(seen.next_look, now + _AGAIN)
        pod = self._pod_of(seen) or PodFacts()
        return seen.runtime or container.runtime, self._named(seen), pod

    def _named(self, seen: _ContainerCgroup) -> Bundle | None:
        """Return the bundle with the root by the name that paths in records have; they say where a mount leads."""
        if seen.bundle is None or (root := seen.bundle.root) is None:
            return seen.bundle
        if seen.shown[0] != root:
            seen.shown = (
                root,
                os.fsdecode(MountNames.of(self.places.mounts()).oldest(os.fsencode(root))),
            )
        return attrs.evolve(seen.bundle, root=seen.shown[1])

    # ---- Which there are -----------------------------------------------------------------------

    def _find(self, now: float) -> None:
        found: dict[str, _ContainerCgroup] = {}
        pods: dict[str, tuple[str, int]] = {}
        self.overflown = False
        for shown in self._tree.look():
            if len(found) + len(pods) >= MAX_WORKLOADS:
                self.overflown = True  # they stay unknown: the strict way
                break
            if shown.container is not None:
                found[shown.path] = self._seen(shown.container, shown.number, now)
            elif shown.pod_uid is not None:
                pods[shown.path] = shown.pod_uid, shown.number
        if found.keys() != self._containers.keys() or pods != self._pod_cgroups:
            self._is_stale = True
        self._containers, self._pod_cgroups = found, pods

    def _seen(self, container: Container, number: int, now: float) -> _ContainerCgroup:
        seen = self._containers.get(container.cgroup)
        if seen is None or seen.number not in {number, 0}:  # another of the same name
            seen, self._is_stale = _ContainerCgroup(container, now), True
        seen.number = number
        return seen

    def _number(self, path: str) -> int | None:
        """Return the inode of a cgroup that is there."""
        try:
            return os.stat(f"{self.places.cgroups}{path}").st_ino  # noqa: PTH116 - as in children
        except OSError:
            return None

    # ---- What they are -------------------------------------------------------------------------

    def _identify(self, seen: _ContainerCgroup, now: float) -> None:
        if seen.is_settled or now < seen.next_look:
            return
        seen.next_look = now + (_LATER if now - seen.since > _SOON else _AGAIN)
        if seen.container.runtime in _BY_CGROUP:
            seen.bundle, seen.runtime = Bundle(seen.container.id), seen.container.runtime
            seen.is_settled = self._is_stale = True
            return
        if (found := described(seen.container, self.places)) is None:
            return
        before, (seen.runtime, bundle) = seen.bundle, found
        if seen.container.form == "podman":
            bundle = self._listed_too(bundle, seen.container.id)
        seen.bundle = bundle
        if before is None or (before.root, before.mounts) != (bundle.root, bundle.mounts):
            seen.mounted = self._mounted(bundle)
        seen.is_settled = _missing(seen) is None
        self._is_stale |= bundle != before

    def _mounted(self, bundle: Bundle) -> tuple[tuple[bytes, bytes], ...]:
        """Name what the runtime shows in the container, its root first."""
        root = (("/", bundle.root),) if bundle.root is not None else ()
        host = "" if self.places.host == Path("/") else str(self.places.host)
        return host_names((*root, *bundle.mounts), host, self.places.mounts())

    def _listed_too(self, bundle: Bundle, container: str) -> Bundle:
        for path, shown in self.places.listings:
            if self._has_changed(path):
                self._listed[path] = files.stored(files.read_json(path))
            if other := files.stored_bundle(self._listed.get(path, {}), container, shown):
                root = self._stored_root(bundle.root, other.root)
                return attrs.evolve(bundle, name=other.name, image=other.image, root=root)
        return bundle

    def _stored_root(self, said: str | None, layer: str | None) -> str | None:
        """
        Return the root of a container of podman: the one that is *said*, or that of its *layer*.

        Where users are mapped, a folder is said that shows the layer to the runtime alone, and nothing to the host.
        """
        if said is None or layer is None or self.places.is_stored(said):
            return said
        return self.places.of_storage(layer) or said

    def _read_pods(self) -> None:
        before = self._logged, self._given
        logs = self.places.logs
        if self._has_changed(logs):
            self._logged = dict(files.pods_of_logs(Path(logs)))
        given = self.places.objects
        self._given = {path: pods for path, pods in self._given.items() if path in given}
        self._unread = {path: why for path, why in self._unread.items() if path in given}
        for path in given:
            if self._has_changed(path) or path not in self._given:
                self._read_objects(path)
        self._is_stale |= before != (self._logged, self._given)

    def _read_objects(self, path: str) -> None:
        """Read one file of pods. Of one that cannot be read, what it said of pods before stays: it was true of them."""
        content = files.read_json(path, owner=self.places.owner)
        if content is None:
            self._given.setdefault(path, ())
            self._unread[path] = _UNREADABLE
            return
        self._given[path] = tuple(files.pods_of_objects(content))
        self._unread.pop(path, None)
        if files.has_more_pods(content):
            self._unread[path] = _TOO_MANY

    def _has_changed(self, path: str) -> bool:
        try:
            found = os.stat(path)  # noqa: PTH116 - several times a second
            stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
            # A second change in the same tick of the clock leaves the same time.
            is_young = abs(time.time_ns() - found.st_mtime_ns) < _TICK
        except OSError:
            stamp, is_young = None, False
        is_same = path in self._stamps and self._stamps[path] == stamp
        self._stamps[path] = stamp
        return is_young or not is_same

    def _merged(self) -> dict[str, PodFacts]:
        """
        Say what is known of each pod, by its uid.

        The kubelet's word on names goes before that of bundles; labels that an administrator gives
        go before those that the runtime had when the pod began.
        """
        merged: dict[str, PodFacts] = {}
        for seen in self._containers.values():
            bundle, uid = seen.bundle, seen.container.pod_uid
            # Only a container in the cgroup of the pod can speak for it.
            if bundle is not None and uid is not None and bundle.pod_uid == uid:
                merged[uid] = _filled(merged.get(uid, PodFacts()), bundle.pod)
        for uid, pod in self._logged.items():
            merged[uid] = _filled(pod, merged.get(uid, PodFacts()))
        for uid, pod in files.honest(self._given.values(), dict(merged)):
            known = merged.get(uid, PodFacts())
            same = {known.name, pod.name} - {None}, {known.namespace, pod.namespace} - {None}
            if max(map(len, same)) > 1:
                continue  # the digest of a static pod can be claimed by anybody's pod
            merged[uid] = _filled(PodFacts(pod.name, pod.namespace, pod.labels), known)
        return merged

    # ---- In the words of policies --------------------------------------------------------------

    def _workloads(self) -> Iterator[Workload]:
        for path, (uid, _) in self._pod_cgroups.items():
            if (workload := self._workload_of_pod(path, uid)) is not None:
                yield workload
        for seen in self._containers.values():
            if (workload := self._workload(seen)) is not None:
                yield workload

    def _workload_of_pod(self, path: str, uid: str) -> Workload | None:
        if (pod := self._pods.get(uid)) is None or path not in self._pod_cgroups:
            return None
        unknown = dict.fromkeys((field.name for field in CONTAINER.values()), None)
        facts = {**unknown, **_pod_facts(pod)}
        return Workload(_bytes(path), facts, number=self._pod_cgroups[path][1])

    def _workload(self, seen: _ContainerCgroup) -> Workload | None:
        if seen.bundle is None:
            return None
        pod = self._pod_of(seen)
        facts = {**_container_facts(seen), **(_pod_facts(pod) if pod is not None else {})}
        cgroup, root = _bytes(seen.container.cgroup), _bytes(seen.bundle.root or "")
        return Workload(cgroup, facts, root, number=seen.number, mounted=seen.mounted)

    def _pod_of(self, seen: _ContainerCgroup) -> PodFacts | None:
        """Return what is known of the pod; None: it is in none. Outside of a kubelet's cgroups the runtime says it."""
        if seen.container.pod_uid is not None:
            return self._pods.get(seen.container.pod_uid, PodFacts())
        bundle = seen.bundle
        return bundle.pod if bundle is not None and bundle.pod_uid is not None else None


def _missing(seen: _ContainerCgroup) -> str | None:
    """Tell what is not known of a container, an empty text for all of it; None if nothing is missing."""
    bundle = seen.bundle
    if bundle is None:
        return ""
    if bundle.is_sandbox or seen.container.runtime in _BY_CGROUP:
        return None
    said = (("name", bundle.name), ("image", bundle.image))
    return " and ".join(word for word, text in said if text is None) or None


def _filled(first: PodFacts, second: PodFacts) -> PodFacts:
    return PodFacts(
        first.name or second.name,
        first.namespace or second.namespace,
        first.labels if first.labels is not None else second.labels,
    )


def _container_facts(seen: _ContainerCgroup) -> dict[str, tuple[bytes, ...] | None]:
    bundle = seen.bundle or Bundle()
    facts: dict[str, tuple[bytes, ...] | None] = {
        CONTAINER["id"].name: (seen.container.id.encode(),),
        CONTAINER["runtime"].name: (seen.runtime.encode(),),
        CONTAINER["name"].name: _known(bundle.name),
        CONTAINER["image"].name: _known(bundle.image),
    }
    if bundle.is_sandbox:  # it has no name in the pod
        del facts[CONTAINER["name"].name]
    if seen.container.runtime in _BY_CGROUP or (bundle.is_sandbox and bundle.image is None):
        del facts[CONTAINER["image"].name]
    return facts


def _pod_facts(pod: PodFacts) -> dict[str, tuple[bytes, ...] | None]:
    labels = None
    if pod.labels is not None:
        labels = tuple(f"{key}={value}".encode() for key, value in sorted(pod.labels.items()))
    return {
        POD["name"].name: _known(pod.name),
        POD["namespace"].name: _known(pod.namespace),
        POD["labels"].name: labels,
    }


def _known(text: str | None) -> tuple[bytes, ...] | None:
    return (text.encode(),) if text is not None else None


def _bytes(path: str) -> bytes:
    return os.fsencode(path)
