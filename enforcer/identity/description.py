# SPDX-License-Identifier: MIT
"""
What the files of its runtime say of one container.

Which runtime that is, the form of the cgroup says, and the runtime alone gives cgroups their names. What no
file of that runtime says stays unknown: conditions on it fall to onError.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from enforcer.identity.workload_files import plain, read_json

if TYPE_CHECKING:
    from enforcer.identity.container import Container
    from enforcer.identity.workload_files import Bundle
    from enforcer.identity.workload_places import Places

__all__ = ["described"]


def described(container: Container, places: Places) -> tuple[str, Bundle] | None:
    """Return the runtime of *container* and what it says of it, the root by the host's name; None: nothing yet."""
    for runtime, path, read in places.bundles(container):
        if (content := read_json(path)) is not None:
            bundle = _rooted(read(content), path, places)
            if runtime == "docker":
                bundle = _shown(container, places, bundle) or bundle
            return _name(container, runtime), bundle
    # Without Docker's own file, neither name nor image is known.
    shown = _shown(container, places) if container.form == "docker" else None
    return (container.runtime, shown) if shown is not None else None


def _shown(container: Container, places: Places, known: Bundle | None = None) -> Bundle | None:
    """Return *known* with the root and the mounts of the bundle that containerd has for Docker; None without one."""
    for path in places.task_files(container.id):
        if (content := read_json(path)) is not None:
            shown = _rooted(plain(content), path, places)
            return attrs.evolve(known or shown, root=shown.root, mounts=shown.mounts)
    return None


def _rooted(bundle: Bundle, path: str, places: Places) -> Bundle:
    if bundle.root is None:
        return bundle
    folder = places.on_host(Path(path).parent)
    return attrs.evolve(bundle, root=str(folder / bundle.root))


def _name(container: Container, found: str) -> str:
    """Name the runtime: by the cgroup if that says it, else by whose file it is."""
    return found if container.runtime == "kubernetes" else container.runtime
