# SPDX-License-Identifier: MIT
"""The unit of a daemon: the service manager passes on to it what those may say who may stop it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from enforcer.identity.process import cgroup_of

__all__ = ["NO_RELOAD_BACK", "own_unit", "service_of"]

NO_RELOAD_BACK: Final = (
    "systemctl reload cannot be taken back, so a policy could lock you out: with reloadConfirmWithin, the earlier "
    "policies come back unless you confirm"
)
"""What is wrong with protection that has no key and no time to confirm a reload."""

_FIRST_PIDS: Final = "pid:[4026531836]"  # PROC_PID_INIT_INO: the process namespace of the machine


def own_unit() -> str | None:
    """
    Return the unit whose main process the machine's service manager has made of this process; None: something else did.

    Only that manager may signal a protected daemon. One in a container, or of a user, is another.
    """
    # systemd says it to the process that it executes, whose children have another number.
    is_main = os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())
    if not is_main or os.getppid() != 1 or str(Path("/proc/self/ns/pid").readlink()) != _FIRST_PIDS:
        return None
    return service_of("self")


def service_of(process: int | str) -> str | None:
    """
    Return the service in whose cgroup itself, and not below it, *process* is; None if it is in none, or that is not shown.
    """
    name = os.fsdecode(cgroup_of(Path(f"/proc/{process}")) or b"").rpartition("/")[2]
    return name if name.endswith(".service") else None
