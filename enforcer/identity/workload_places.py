# SPDX-License-Identifier: MIT
"""Where container runtimes, the kubelet and administrators leave files about containers and pods."""

from __future__ import annotations

import functools
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.identity import runtime_settings as settings
from enforcer.identity import workload_files as files
from enforcer.identity.bundle_mounts import host_names
from enforcer.mountinfo import parse_mountinfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from enforcer.identity.container import Container
    from enforcer.identity.workload_files import Bundle
    from enforcer.mountinfo import Mount

__all__ = ["Places", "names"]

_DRIVERS: Final = {
    "overlay": "overlay/{}/merged",
    "vfs": "vfs/dir/{}",
    "btrfs": "btrfs/subvolumes/{}",
    "zfs": "zfs/graph/{}",
}
"""By the driver of a storage, where it shows a layer (the drivers of github.com/containers/storage)."""
_PODS: Final = "k8s.io"
"""The namespace that containerd has for a kubelet; in others there is what people make by Docker or nerdctl."""
_LISTINGS: Final = ("containers.json", "volatile-containers.json")  # the second for --rm
_ID: Final = re.compile("[0-9a-f]{64}")
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH
_MOST: Final = 64  # files or folders of a folder, which are looked at several times a second


@attrs.frozen
class Places:
    """
    Where things lie.

    Attributes:
        root: of this process: what an administrator gives it, and what is mounted for it.
        cgroups: the tree.
        host: the way to the host's root, where runtimes leave their files.
        pods: the folder where pods are, as Kubernetes describes them; None: the default one.
        owner: a user who may own that folder and what is in it, besides root.
        storages: where podman and CRI-O keep containers, below the root.
        tasks: where containerd does.
        docker: where Docker does.
    """

    root: Path = Path("/")
    cgroups: Path = Path("/sys/fs/cgroup")
    host: Path = attrs.field(default=attrs.Factory(lambda own: own.root, takes_self=True))
    pods: Path | None = None
    owner: int = 0
    storages: tuple[str, ...] = attrs.field(
        default=attrs.Factory(lambda own: settings.storages(own.host), takes_self=True)
    )
    tasks: tuple[str, ...] = attrs.field(
        default=attrs.Factory(lambda own: settings.task_folders(own.host), takes_self=True)
    )
    docker: tuple[str, ...] = attrs.field(
        default=attrs.Factory(lambda own: settings.docker_folders(own.host), takes_self=True)
    )

    @property
    def _roots(self) -> tuple[Path, ...]:
        """Where runtimes may leave files; the own ones count where the host's lead elsewhere by a link."""
        return tuple(dict.fromkeys((self.host, self.root)))

    @property
    def _prefixes(self) -> tuple[str, ...]:
        # Files are looked for several times a second: paths of pathlib would be half of the work.
        return tuple(str(root).rstrip("/") for root in self._roots)

    def on_host(self, path: Path) -> Path:
        """Name *path* as the host does."""
        if self.host != self.root and path.is_relative_to(self.host):
            return Path("/") / path.relative_to(self.host)
        return path

    def bundles(self, container: Container) -> Iterator[tuple[str, str, Callable[[Any], Bundle]]]:
        """
        Yield the files that may describe *container*, with its runtime and how they are read.

        Only files of the runtimes that give cgroups such names, and of them only words that nobody else can choose:
        otherwise whoever makes a container, or its image, could say that it is one of a pod.
        """
        form, number = container.form, container.id
        if form in {"docker", "kubernetes"}:
            read = functools.partial(files.docker, pod_uid=container.pod_uid)
            for path in self._of_docker(number):
                yield "docker", path, read
        if form in {"containerd", "kubernetes"}:
            for path in self.task_files(number, _PODS):
                yield "containerd", path, files.containerd
        if form == "nerdctl":
            for path in self.task_files(number):
                yield "containerd", path, files.nerdctl
        if form in {"cri-o", "kubernetes"}:
            for path in self._in_storages(number):
                yield "cri-o", path, files.crio
        if form == "podman":
            for path in self._in_storages(number):
                yield "podman", path, files.plain

    def task_files(self, container: str, namespace: str | None = None) -> Iterator[str]:
        """Yield the files that containerd may have for *container*, in *namespace* or in all."""
        for root in self._prefixes:
            for tasks in self.tasks:
                folder = f"{root}/{tasks}/io.containerd.runtime.v2.task"
                for each in names(folder) if namespace is None else (namespace,):
                    yield f"{folder}/{each}/{container}/config.json"

    def _in_storages(self, container: str) -> Iterator[str]:
        for root in self._prefixes:
            for driver in _DRIVERS:  # the usual one first, in all places
                for storage in self.storages:
                    yield f"{root}/{storage}/{driver}-containers/{container}/userdata/config.json"

    def _of_docker(self, container: str) -> Iterator[str]:
        for root in self._prefixes:
            for docker in self.docker:
                yield f"{root}/{docker}/containers/{container}/config.v2.json"

    def mounts(self) -> tuple[Mount, ...]:
        """Return what the host has mounted; nothing if it does not say."""
        process = "self" if self.host == self.root else "1"
        try:
            return parse_mountinfo(Path(f"/proc/{process}/mountinfo").read_bytes())
        except OSError:
            return ()  # places keep the names that runtimes give

    def mounted(self, container: str) -> tuple[tuple[bytes, bytes], ...]:
        """
        Return what a runtime says that it shows in *container*, as :func:`host_names` does; nothing if it does not say.

        Args:
            container: what its runtime calls it, 64 hexadecimal digits; no other name is looked for.
        """
        if _ID.fullmatch(container) is None:
            return ()
        host = "" if self.host == Path("/") else str(self.host)
        bundles = (*self.task_files(container), *self._in_storages(container))
        own = functools.partial(files.docker, pod_uid=None)
        for path in (*bundles, *self._of_docker(container)):
            if (content := files.read_json(path)) is not None:
                read = files.plain if path in bundles else own
                return host_names(read(content).mounts, host, self.mounts())
        return ()

    def of_storage(self, path: str) -> str | None:
        """Return where the host has *path* of the storage that podman and CRI-O share; None if it is in none."""
        found = (root / storage / path for root in self._roots for storage in self.storages)
        return next((str(self.on_host(each)) for each in found if each.is_dir()), None)

    def is_stored(self, path: str) -> bool:
        """Tell whether *path*, as the host has it, is in such a storage."""
        return path.startswith(tuple(f"/{storage}/" for storage in self.storages))

    @property
    def listings(self) -> Iterator[tuple[str, str]]:
        """Where podman and CRI-O list their containers, and where the same storage shows a layer."""
        for root in self._prefixes:
            for driver, shown in _DRIVERS.items():
                for storage in self.storages:
                    for name in _LISTINGS:
                        yield f"{root}/{storage}/{driver}-containers/{name}", shown

    @property
    def logs(self) -> str:
        """Where the kubelet keeps a folder for each pod."""
        found = [f"{root}/var/log/pods" for root in self._prefixes]
        return next(filter(os.path.isdir, found), found[0])

    @property
    def objects(self) -> tuple[str, ...]:
        """
        Files of pods that an administrator, or the agent of a cluster, keeps as Kubernetes describes them.

        Fails closed: in a folder where others can write there are none. What is not known falls to onError.
        """
        return tuple(f"{self._pods}/{name}" for name in self._objects()[:_MOST])

    @property
    def left_out(self) -> tuple[str, ...]:
        """A sentence if there are more files of pods than are read; else nothing."""
        if len(self._objects()) <= _MOST:
            return ()
        said = (
            f"{ascii(self._pods)[1:-1]} has more than {_MOST} files of pods: labels are not known from those "
            "that come last by their names"
        )
        return (said,)

    @property
    def _pods(self) -> str:
        return str(self.pods or f"{str(self.root).rstrip('/')}/etc/enforcer/pods.d")

    def _objects(self) -> list[str]:
        try:
            found = os.stat(self._pods)  # noqa: PTH116 - as for the prefixes
        except OSError:
            return []
        if self.pods is not None and (
            found.st_uid not in {0, self.owner} or found.st_mode & _OTHERS
        ):
            return []
        return [name for name in _names(self._pods) if name.endswith(".json")]


def names(folder: str | Path) -> list[str]:
    """List what is in *folder*; nothing if it cannot be listed, and never very much."""
    return _names(folder)[:_MOST]


def _names(folder: str | Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - as for the prefixes
    except OSError:
        return []
