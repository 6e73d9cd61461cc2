# SPDX-License-Identifier: MIT
"""
Where administrators have runtimes keep their files, if not in the usual places.

Only the files of settings are read: what is said on the command line of a runtime is not known. A setting that
cannot be read leaves the usual places, where nothing is found then: its containers stay unknown, which is the
strict way.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from enforcer.identity.workload_files import read_bytes, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["docker_folders", "storages", "task_folders"]

_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[!#-.0-~]{1,255}){1,16}/?")

_STORAGE_FILES: Final = ("etc/containers/storage.conf", "usr/share/containers/storage.conf")
"""The first that is there counts (containers-storage.conf(5))."""


def storages(host: Path) -> tuple[str, ...]:
    """Return where podman and CRI-O keep their containers, below the root of the *host*; the usual places last."""
    file = next((each for each in _STORAGE_FILES if (host / each).is_file()), None)
    said = _toml(host / file).get("storage") if file is not None else None
    return _places(
        said, ("runroot", "graphroot"), "run/containers/storage", "var/lib/containers/storage"
    )


def task_folders(host: Path) -> tuple[str, ...]:
    """Return where containerd keeps what runs, likewise."""
    said = _toml(host / "etc/containerd/config.toml")
    return _places(said, ("state",), "run/containerd", "run/k3s/containerd")


def docker_folders(host: Path) -> tuple[str, ...]:
    """Return where Docker keeps its files, likewise."""
    said = read_json(host / "etc/docker/daemon.json")
    return _places(said, ("data-root",), "var/lib/docker")


def _places(said: Any, keys: tuple[str, ...], *usual: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*_said(said, keys), *usual)))


def _said(said: Any, keys: tuple[str, ...]) -> Iterator[str]:
    for key in keys:
        path = said.get(key) if isinstance(said, dict) else None
        # A variable is of somebody's environment: it is none of the system's storage.
        if isinstance(path, str) and _PATH.fullmatch(path) and "$" not in path:
            yield path.strip("/")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((read_bytes(path) or b"").decode())
    except (ValueError, RecursionError):
        return {}
