# SPDX-License-Identifier: MIT
"""
Whether this kernel runs LSM programs at all, found by doing: load one, attach it, see it called.

Every answer is a :class:`Problem` with a remedy; nothing is inferred from versions or configuration.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import attrs

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import host, loader
from enforcer.libbpf import calls

__all__ = ["Problem", "check_lsm", "find_problem"]

_BTF: Final = Path("/sys/kernel/btf/vmlinux")
_COUNTER_BYTES: Final = 8


@attrs.frozen
class Problem:
    """Why this machine cannot enforce, and what to do about it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def check_lsm() -> None:
    """
    Check that LSM programs of this process are loaded and called.

    Raises:
        UnsupportedError: if not, with the reason and the remedy.
    """
    problem = find_problem()
    if problem is not None:
        raise UnsupportedError(str(problem))


def find_problem() -> Problem | None:
    """Return the first reason why LSM programs do not run here, or None if they do."""
    try:
        host.require_privileges()
    except UnsupportedError as error:
        what, _, remedy = error.message.partition(": ")
        return Problem(what, remedy)
    if not _BTF.exists():
        return Problem(
            "this kernel does not describe its types (no /sys/kernel/btf/vmlinux)",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions' kernels are",
        )
    try:
        if not calls.has_helper_loop():
            return Problem(
                f"this kernel ({host.release()}) lacks the BPF helper bpf_loop",
                "use Linux 6.1 or later",
            )
        called = _count_calls()
    except KernelError as error:
        explained = loader.explain(error)
        what, _, remedy = explained.message.partition(": ")
        return Problem(what, remedy or str(error))
    return None if called else _not_called()


def _count_calls() -> int:
    """Attach the counting program to file_open, open a file, and return how often it was called."""
    with loader.open_object("probe") as probe:
        probe.load()
        with contextlib.closing(probe.programs["enf_probe_called"].attach()):
            os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return int.from_bytes(calls.lookup(probe.maps["calls"].fd, 0, _COUNTER_BYTES), "little")


def _not_called() -> Problem:
    active = host.active_lsms()
    what = "the kernel accepts LSM programs and never calls them"
    if active is None or "bpf" in active:
        return Problem(what, "boot with bpf in the lsm= list of the kernel command line")
    return Problem(
        f"{what}: bpf is not among the active LSMs ({', '.join(active)})",
        f"boot with lsm={','.join((*active, 'bpf'))} on the kernel command line",
    )
