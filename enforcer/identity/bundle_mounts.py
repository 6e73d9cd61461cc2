# SPDX-License-Identifier: MIT
"""
What runtimes mount for containers: volumes, and files of the host.

Runtimes write it down before they do it. What a container mounts later is not there, so names that follow from
this are not the container's to change.
"""

from __future__ import annotations

import functools
import os
import posixpath
from typing import TYPE_CHECKING, Any, Final

from enforcer.identity.layers import is_local
from enforcer.mountinfo import MountNames
from enforcer.policy.model.container_links import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from enforcer.mountinfo import Mount

__all__ = ["BindMounts", "host_names", "of_docker", "of_oci"]

_LONGEST: Final = 4096
_BIND: Final = frozenset({"bind", "rbind"})

BindMounts = tuple[tuple[str, str], ...]
"""Places in a container, each with the place on the host that is shown there."""


def of_oci(mounts: Any) -> BindMounts:
    """Read ``mounts`` of a ``config.json`` (OCI runtime specification, config.md): those that show a place of the host."""
    found = (each for each in (mounts if isinstance(mounts, list) else ()) if _is_bind(each))
    return _plain((each.get("destination"), each.get("source")) for each in found)


def of_docker(points: Any) -> BindMounts:
    """Read ``MountPoints`` of a ``config.v2.json``."""
    found = points.values() if isinstance(points, dict) else ()
    return _plain(
        (each.get("Destination"), each.get("Source")) for each in found if isinstance(each, dict)
    )


def _is_bind(mount: Any) -> bool:
    if not isinstance(mount, dict):
        return False
    options = mount.get("options")
    named = options if isinstance(options, list) else []
    return mount.get("type") == "bind" or any(
        isinstance(each, str) and each in _BIND for each in named
    )


def _plain(pairs: Iterable[tuple[Any, Any]]) -> BindMounts:
    """Return those that are absolute paths; the last one that is mounted at a place is seen there."""
    found: dict[str, str] = {}
    for place, source in pairs:
        if _is_path(place) and _is_path(source):
            found.pop(place := posixpath.normpath(place), None)
            found[place] = source
    return tuple(found.items())


def _is_path(value: Any) -> bool:
    return (
        isinstance(value, str)
        and value.startswith("/")
        and not value.startswith("//")
        and "\0" not in value
        and len(value) < _LONGEST
        and _is_of_characters(value)
    )


def _is_of_characters(text: str) -> bool:
    """Tell whether no half of a pair of surrogates is in *text*: JSON can say one, and no file has it in its name."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def host_names(
    given: BindMounts, host: str, mounts: Sequence[Mount]
) -> tuple[tuple[bytes, bytes], ...]:
    """
    Return what is shown at the places of *given*: by the name that the kernel side has for it, and that of the place.

    Neither ends with a slash, so a root is empty. Links on the way to a source are followed, as by the mount; not where
    another machine or a process would have to answer, which may never do so. There the source is as it is written.

    Args:
        given: what a runtime says.
        host: the way to the host's root, where its sources are; without a slash at the end.
        mounts: of the host's namespace, the oldest first.
    """
    names, way = MountNames.of(mounts), os.fsencode(host)
    targets = functools.cache(lambda path: _target(way + path))  # sources lie beside each other
    out = []
    for place, source in given:
        name = os.fsencode(posixpath.normpath(source))
        # Across "..", links would have to be followed to know what is on the way.
        is_plain = "/../" not in f"{source}/"
        above = (each.point for each in names.above(name) if each.point != name)
        if is_plain and all(is_local(each, names.on_top) for each in above):
            *_, name = spellings(name, targets)
        out.append((names.oldest(name).rstrip(b"/"), os.fsencode(place).rstrip(b"/")))
    return tuple(out)


def _target(path: bytes) -> tuple[bytes, ...]:
    try:
        return (os.readlink(path),)  # noqa: PTH115 - of bytes
    except OSError:
        return ()  # no link, or not there
