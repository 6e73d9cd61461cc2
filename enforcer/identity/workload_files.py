# SPDX-License-Identifier: MIT
"""
Files of container runtimes and kubelets, read defensively.

The files belong to root, but others choose much of their content: images choose labels, users choose names
of pods. Sizes are bounded, and anything malformed counts as not known.
"""

from __future__ import annotations

import json
import os
import re
import stat
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from enforcer.identity.bundle_mounts import of_docker, of_oci
from enforcer.policy.model.workloads import KUBELET_LABELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from enforcer.identity.bundle_mounts import BindMounts

__all__ = [
    "MAX_PODS",
    "Bundle",
    "PodFacts",
    "Stored",
    "containerd",
    "crio",
    "docker",
    "has_more_pods",
    "honest",
    "nerdctl",
    "plain",
    "pods_of_logs",
    "pods_of_objects",
    "read_bytes",
    "read_json",
    "stored",
    "stored_bundle",
]

_MAX_FILE: Final = 8 << 20
MAX_LABELS: Final = 256
MAX_PODS: Final = 4096
"""In one file of pods."""
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
_TEXT: Final = re.compile(r"[!-~]{1,512}")
_FOLDER: Final = re.compile(r"/?[!-.0-~]{1,255}(?:/[!-.0-~]{1,255}){0,15}")
_LAYER: Final = re.compile(r"[0-9a-f]{64}")
_POD_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_UID: Final = re.compile(r"[0-9a-f-]{32,36}")
_LABEL_KEY: Final = re.compile(r"[A-Za-z0-9./_-]{1,317}")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9._-]{0,63}")

_CRI: Final = "io.kubernetes.cri"
_CRIO: Final = "io.kubernetes.cri-o"
_KUBELET: Final = "io.kubernetes"


Stored: TypeAlias = "dict[str, Mapping[str, Any]]"
"""The containers of a storage, by id, each as it is listed."""


@attrs.frozen
class PodFacts:
    """A pod; None is not known. *labels*: by name, those of Kubernetes itself left out; *claims*: its uid is one that it says of itself."""

    name: str | None = None
    namespace: str | None = None
    labels: Mapping[str, str] | None = None
    claims: bool = attrs.field(default=False, eq=False)


@attrs.frozen
class Bundle:
    """
    One container; None: the file does not say.

    Attributes:
        is_sandbox: it only holds the namespaces of its pod.
        pod_uid: of the pod that it says it is in.
        root: where the host has its root, if need be from the folder of the file on.
        mounts: what its runtime shows in it of the host.
    """

    name: str | None = None
    image: str | None = None
    is_sandbox: bool = False
    pod_uid: str | None = None
    pod: PodFacts = attrs.field(factory=PodFacts)
    root: str | None = None
    mounts: BindMounts = ()


# ---- Files ------------------------------------------------------------------------------------


def read_bytes(path: str | Path, limit: int = _MAX_FILE, *, owner: int = 0) -> bytes | None:
    """
    Return what *path* has; None if it is not there, not root's or *owner*'s, too long, or cannot be read.

    In a folder of *owner* only that user's files count: others can be hard links, to files that it cannot read.
    """
    try:
        fd, above = _opened(path) if owner else (os.open(path, _READ), 0)
    except OSError:
        return None
    with open(fd, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
        found = os.fstat(fd)
        others = stat.S_IWOTH | (stat.S_IWGRP if found.st_gid != 0 else 0)
        owners = {owner} if owner and above == owner else {0, owner, os.geteuid()}
        is_ours = found.st_uid in owners and not found.st_mode & others
        if not stat.S_ISREG(found.st_mode) or not is_ours or found.st_size > limit:
            return None
        try:
            # One that grows meanwhile is not whole, and its size is all that memory is taken for.
            return file.read(found.st_size)
        except OSError:
            return None


def _opened(path: str | Path) -> tuple[int, int]:
    """Open the file at *path* in a folder that is no link; return it, and who owns the folder."""
    folder, name = os.path.split(path)
    above = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.open(name, _READ, dir_fd=above), os.fstat(above).st_uid
    finally:
        os.close(above)


def read_json(path: str | Path, limit: int = _MAX_FILE, *, owner: int = 0) -> Any:
    """Return what :func:`read_bytes` finds in *path*; None if that is nothing, or no JSON (yet)."""
    content = read_bytes(path, limit, owner=owner)
    try:
        return json.loads(content) if content is not None else None
    except (ValueError, RecursionError):
        return None  # it may be being written: it is looked at again


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, form: re.Pattern[str] = _TEXT) -> str | None:
    return value if isinstance(value, str) and form.fullmatch(value) else None


def _labels(value: Any) -> dict[str, str] | None:
    """Return labels; None if there are none, or if any of them is not a label: then none is believed."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict) or len(value) > MAX_LABELS:
        return None
    out = {}
    for key, text in value.items():
        if key.startswith(KUBELET_LABELS):
            continue  # what the kubelet and the runtime add for themselves; policies that select on it are refused
        if _text(key, _LABEL_KEY) is None or _text(text, _LABEL_VALUE) is None:
            return None
        out[key] = text
    return out


# ---- Runtimes ---------------------------------------------------------------------------------


def plain(config: Any) -> Bundle:
    """
    Read of the ``config.json`` of a bundle what its runtime itself has decided: the root, and what it mounts.

    Annotations are the word of whoever made the container, and with podman 4 of its image.
    """
    root = _text(_map(_map(config).get("root")).get("path"), _FOLDER)
    return Bundle(root=root, mounts=of_oci(_map(config).get("mounts")))


def nerdctl(config: Any) -> Bundle:
    """Read a bundle of nerdctl, which leaves the name there; nothing says the image."""
    return attrs.evolve(plain(config), name=_text(_notes(config).get("nerdctl/name")))


def containerd(config: Any) -> Bundle:
    """Read a bundle that containerd made for a kubelet."""
    notes = _notes(config)
    return attrs.evolve(
        plain(config),
        name=_text(notes.get(f"{_CRI}.container-name")),
        image=_text(notes.get(f"{_CRI}.image-name")),
        is_sandbox=notes.get(f"{_CRI}.container-type") == "sandbox",
        pod_uid=_text(notes.get(f"{_CRI}.sandbox-uid"), _UID),
        pod=PodFacts(
            _text(notes.get(f"{_CRI}.sandbox-name"), _POD_NAME),
            _text(notes.get(f"{_CRI}.sandbox-namespace"), _POD_NAME),
        ),
    )


def crio(config: Any) -> Bundle:
    """Read a bundle of CRI-O. Of the kubelet's words only labels count: annotations are also those of the pod's author."""
    notes = _notes(config)
    given = notes.get(f"{_CRIO}.Labels")
    try:
        labels = _map(json.loads(given)) if isinstance(given, str) else {}
    except (ValueError, RecursionError):
        labels = {}
    is_sandbox = notes.get(f"{_CRIO}.ContainerType") == "sandbox"
    return attrs.evolve(
        plain(config),
        name=None if is_sandbox else _text(labels.get(f"{_KUBELET}.container.name")),
        image=_text(notes.get(f"{_CRIO}.ImageName")),
        is_sandbox=is_sandbox,
        pod_uid=_text(labels.get(f"{_KUBELET}.pod.uid"), _UID),
        # A container's own labels are only those of the kubelet.
        pod=_of_kubelet(labels, _labels(given) if is_sandbox else None),
    )


def _notes(config: Any) -> Mapping[str, Any]:
    return _map(_map(config).get("annotations"))


def _of_kubelet(labels: Mapping[str, Any], own: Mapping[str, str] | None) -> PodFacts:
    return PodFacts(
        _text(labels.get(f"{_KUBELET}.pod.name"), _POD_NAME),
        _text(labels.get(f"{_KUBELET}.pod.namespace"), _POD_NAME),
        own,
    )


def docker(config: Any, pod_uid: str | None) -> Bundle:
    """
    Read ``config.v2.json``.

    Labels may be the image's: they count only if a kubelet has made the container, and they name its pod.

    Args:
        config: what the file says.
        pod_uid: of the pod in whose cgroup the container is; None: it is in none.
    """
    top = _map(config)
    inner = _map(top.get("Config"))
    name = _text(str(top.get("Name", "")).removeprefix("/"))
    mounts = of_docker(top.get("MountPoints"))
    own = Bundle(name, _text(inner.get("Image")), mounts=mounts)
    labels = _map(inner.get("Labels"))
    if pod_uid is None or labels.get(f"{_KUBELET}.pod.uid") != pod_uid:
        return own
    is_sandbox = labels.get(f"{_KUBELET}.docker.type") == "podsandbox"
    return attrs.evolve(
        own,
        name=_text(labels.get(f"{_KUBELET}.container.name")) or name,
        is_sandbox=is_sandbox,
        pod_uid=pod_uid,
        pod=_of_kubelet(labels, _labels(labels) if is_sandbox else None),
    )


def stored(listing: Any) -> Stored:
    """Read ``containers.json`` of the storage that podman and CRI-O share: what it says, by id."""
    entries = map(_map, listing if isinstance(listing, list) else ())
    found = ((_text(entry.get("id")), entry) for entry in entries)
    return {number: entry for number, entry in found if number is not None}


def stored_bundle(entries: Stored, container: str, shown: str) -> Bundle | None:
    """
    Return the name and the image that *entries* have of *container*; None if it is not among them.

    Its root is where the storage shows its layer, from the folder of the storage on: *shown*, with the layer in it.
    """
    if (entry := entries.get(container)) is None:
        return None
    names = entry.get("names")
    try:
        metadata = _map(json.loads(entry.get("metadata") or "{}"))
    except (TypeError, ValueError, RecursionError):
        metadata = {}
    name = names[0] if isinstance(names, list) and names else None
    layer = _text(entry.get("layer"), _LAYER)
    root = shown.format(layer) if layer is not None else None
    return Bundle(_text(name), _text(metadata.get("image-name")), root=root)


# ---- Pods -------------------------------------------------------------------------------------


def pods_of_logs(folder: Path) -> Iterator[tuple[str, PodFacts]]:
    """
    Yield pods by uid: the kubelet names folders of logs ``NAMESPACE_NAME_UID``, before all else.

    Fails closed: which of two folders with one uid is the pod's is not known.
    """
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        return
    found: dict[str, list[PodFacts]] = {}
    for entry in names:
        parts = entry.split("_")
        if len(parts) == 3 and _text(parts[2], _UID):
            pod = PodFacts(_text(parts[1], _POD_NAME), _text(parts[0], _POD_NAME))
            found.setdefault(parts[2], []).append(pod)
    yield from ((uid, pods[0]) for uid, pods in found.items() if len(pods) == 1)


def pods_of_objects(content: Any) -> Iterator[tuple[str, PodFacts]]:
    """
    Yield pods by uid out of an object of Kubernetes: a Pod, or a list of them, of which the first count.

    The cgroup of a static pod has a digest in place of the uid, and an annotation says the digest. Anybody can write
    that annotation on a pod of their own. So such a pod comes a second time, by the digest, as a claim: see :func:`honest`.
    """
    for item in _items(content)[:MAX_PODS]:
        meta = _map(_map(item).get("metadata"))
        name = _text(meta.get("name"), _POD_NAME)
        namespace = _text(meta.get("namespace"), _POD_NAME)
        if not name or not namespace:
            continue
        labels = _labels(meta.get("labels", {}))  # null: whoever wrote the file does not tell them
        if uid := _text(meta.get("uid"), _UID):
            yield uid, PodFacts(name, namespace, labels)
        if claim := _text(_map(meta.get("annotations")).get("kubernetes.io/config.hash"), _UID):
            yield claim, PodFacts(name, namespace, labels, claims=True)


def honest(
    given: Iterable[Iterable[tuple[str, PodFacts]]], known: Mapping[str, PodFacts]
) -> Iterator[tuple[str, PodFacts]]:
    """
    Yield the pods of several files, and of the claims to be a pod those that hold.

    A claim does not hold if the uid is another pod's own, or if the kubelet or the runtime says another name. Where
    neither says a name, a claim holds only if no other pod has the same one.

    Fails closed: what is claimed twice is unknown, and falls to onError. Whoever claims a digest takes nothing from the
    pod that the kubelet has named.
    """
    pods = [each for file in given for each in file]
    own = {uid for uid, pod in pods if not pod.claims}
    claims: dict[str, set[tuple[str | None, str | None]]] = {}
    for uid, pod in pods:
        if pod.claims:
            claims.setdefault(uid, set()).add((pod.namespace, pod.name))
    for uid, pod in pods:
        if not pod.claims or (uid not in own and _holds(pod, claims[uid], known.get(uid))):
            yield uid, pod


def _holds(
    pod: PodFacts, claims: set[tuple[str | None, str | None]], said: PodFacts | None
) -> bool:
    """Tell whether the claim of *pod*, among all *claims* to one uid, is not against what is *said* of the uid."""
    if said is None or said.name is None or said.namespace is None:
        return len(claims) == 1
    return (pod.namespace, pod.name) == (said.namespace, said.name)


def has_more_pods(content: Any) -> bool:
    """Tell whether there are pods in *content* that :func:`pods_of_objects` leaves out."""
    return len(_items(content)) > MAX_PODS


def _items(content: Any) -> list[Any]:
    top = _map(content)
    items = top.get("items") if "items" in top else [top]
    return items if isinstance(items, list) else []
