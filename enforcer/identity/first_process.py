# SPDX-License-Identifier: MIT
"""
The container that the first process of it is in, before it runs anything of the container's.

A hook of the runtime names the process and the container. The kernel says in which cgroup the process is, and
only what that cgroup is counts: a container that somebody else named would be another's.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from enforcer.errors import ControlError
from enforcer.identity.container import Container, container_of
from enforcer.identity.process import cgroup_in, read_some

__all__ = ["container_at"]

_PROC: Final = Path("/proc")


def container_at(pid: int, number: str, proc: Path = _PROC) -> Container:
    """
    Return the container *number*, in whose cgroup the process *pid* is.

    Raises:
        ControlError: the process is not there, in no container, or in another one.
    """
    raw = read_some(proc / str(pid) / "cgroup")
    if raw is None:
        raise ControlError(
            f"process {pid} is not there: does the runtime see the host's processes?"
        )
    cgroup = os.fsdecode(cgroup_in(raw) or b"")
    found = container_of(cgroup)
    if found is None:
        raise ControlError(f"process {pid} is in no container: its cgroup is {ascii(cgroup)[1:-1]}")
    # Of containers in containers the outermost counts: what a runtime in one of them says is not believed.
    if found.id != number:
        raise ControlError(
            f"process {pid} is in the cgroup of container {found.id}, not of {ascii(number)[1:-1]}"
        )
    return found
