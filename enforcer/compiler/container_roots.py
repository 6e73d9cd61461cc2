# SPDX-License-Identifier: MIT
"""Where runtimes have the file systems of containers, as the host names them."""

from __future__ import annotations

import re
from typing import Final

from enforcer.compiler.patterns import Glob, Token, Wild, directory

__all__ = ["ROOTS", "beginnings", "is_usual"]

_TASKS: Final = b"/containerd/io.containerd.runtime.v2.task/"
_TASK: Final[tuple[Token, ...]] = (Wild.ONE, Wild.RUN, b"/", Wild.ONE, Wild.RUN, b"/rootfs")
_NATIVE: Final = b"/var/lib/containerd/io.containerd.snapshotter.v1.native/snapshots/"

ROOTS: Final[tuple[tuple[bytes, *tuple[Token, ...]], ...]] = (
    (b"/run" + _TASKS, *_TASK),
    (b"/run/k3s" + _TASKS, *_TASK),
    (b"/var/lib/docker/overlay2/", Wild.ONE, Wild.RUN, b"/merged"),
    (b"/var/lib/docker/rootfs/overlayfs/", Wild.ONE, Wild.RUN),
    (b"/var/lib/containers/storage/overlay/", Wild.ONE, Wild.RUN, b"/merged"),
    (b"/var/lib/containers/storage/vfs/dir/", Wild.ONE, Wild.RUN),
    (_NATIVE, Wild.ONE, Wild.RUN),
    (b"/var/lib/machines/", Wild.ONE, Wild.RUN),
    (b"/var/lib/lxc/", Wild.ONE, Wild.RUN, b"/rootfs"),
)
"""
What ``Wild.ROOT`` stands for. Only root can put anything else there.

All are in small letters, and what follows one begins with a slash.
"""


def beginnings(glob: Glob) -> tuple[bytes, ...]:
    """Return directories below one of which every path lies that *glob* accepts."""
    if glob.tokens[0] is Wild.ROOT:
        return tuple(root[0].rstrip(b"/") for root in ROOTS)
    return (directory(glob),)


def _expression(token: Token) -> bytes:
    return (
        re.escape(token)
        if isinstance(token, bytes)
        else {Wild.ONE: b"[^/]", Wild.RUN: b"[^/]*"}[Wild(token)]
    )


_USUAL: Final = re.compile(b"|".join(b"".join(map(_expression, root)) for root in ROOTS))


def is_usual(root: bytes) -> bool:
    """Tell whether ``Wild.ROOT`` stands for *root*."""
    return _USUAL.fullmatch(root) is not None
