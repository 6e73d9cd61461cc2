# SPDX-License-Identifier: MIT
"""
The root of the host, for a daemon that runs in a container or in a mount namespace of its own.

Runtimes leave their files where the host mounts them. In a container that shows the host's processes, the
first of them leads there (proc_pid_root(5)), so nothing has to be mounted into it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["host_root"]

_FIRST: Final = Path("/proc/1")
_OWN: Final = Path("/proc/self")


def host_root(first: Path = _FIRST, own: Path = _OWN) -> Path:
    """
    Return the way to the host's root: the first process's, if that lives among other mounts than this one.

    Without the right to look (CAP_SYS_PTRACE), or if the first process is of this container, it is this
    process's root: then only what is mounted here is known.
    """
    root = first / "root"
    try:
        theirs, ours = ((each / "ns/mnt").stat() for each in (first, own))
    except OSError:
        return Path("/")
    is_same = (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)
    return Path("/") if is_same or not os.access(root, os.R_OK | os.X_OK) else root
