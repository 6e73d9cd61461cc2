# SPDX-License-Identifier: MIT
"""
Find out whether and where this kernel runs LSM programs: load one, attach it, see it called.

Every answer is a :class:`Problem` with a remedy; nothing is inferred from versions or configuration.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from pathlib import Path
from typing import Final

import attrs

from enforcer.errors import KernelError, UnsupportedError
from enforcer.kernel import host, loader, placement
from enforcer.kernel.placement import Placement
from enforcer.libbpf import calls

__all__ = [
    "Problem",
    "check_lsm",
    "find_call_gap",
    "find_gap",
    "find_placement",
    "find_problem",
    "is_around",
]

_BTF: Final = Path("/sys/kernel/btf/vmlinux")
_COUNTER_BYTES: Final = 8


@attrs.frozen
class Problem:
    """Why this machine cannot enforce, and what to do about it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}"


def check_lsm() -> Placement:
    """
    Check that LSM programs of this process are loaded and called; return where they are to be put.

    Raises:
        UnsupportedError: if they are called nowhere, with the reason and the remedy.
    """
    found = find_placement()
    if isinstance(found, Problem):
        raise UnsupportedError(str(found))
    return found


@functools.cache
def is_around() -> bool:
    """
    Tell whether programs must sit around functions; the answer does not change until the next boot.

    Raises:
        UnsupportedError: as :func:`check_lsm`.
    """
    return check_lsm() is Placement.AROUND


def find_problem() -> Problem | None:
    """Return the first reason why programs of LSM hooks do not run here, or None if they do."""
    found = find_placement()
    return found if isinstance(found, Problem) else None


def find_gap(at: Placement) -> Problem | None:
    """
    Return why not every operation is decided by the rules where programs are put *at*, or None.

    A kernel that hides whether it preempts counts as one that does not: nothing it enforces would be
    accepted else, and every turn that a program did not get is counted (:func:`placement.passed_by`).
    """
    if not host.preempts():
        return None
    if at is Placement.AROUND:
        return Problem(
            "bpf is not among the active LSMs, and this kernel can preempt tasks inside its "
            "functions (preempt=full or lazy): until such a task continues, operations of other "
            "tasks on its processor pass undecided, and are counted",
            f"boot with bpf in the lsm= list of the kernel command line{_or_voluntary()}",
        )
    if host.gives_up_labels():
        return Problem(
            f"this kernel ({host.release()}) can preempt tasks inside its functions (preempt=full), "
            "and knows no other task on a processor while one that it preempted in a lookup waits: "
            "operations of the others are refused in doubt, and are counted",
            "boot with preempt=voluntary, or use Linux 6.2 or later",
        )
    return None


def find_call_gap() -> Problem | None:
    """
    Return why not every call is decided by rules on system calls and functions, or None.

    The kernel runs no program on a kprobe where ``bpf_prog_active`` of the processor is not 0. An operation of
    bpf(2) on a map holds it so with tasks preemptible (``bpf_disable_instrumentation``, include/linux/bpf.h).
    """
    if not host.preempts():
        return None
    return Problem(
        "this kernel can preempt tasks inside its functions (preempt=full or lazy): until one that "
        "works on a BPF map continues, system calls and functions that others enter on its "
        "processor pass undecided",
        f"match what the call does instead, which LSM hooks decide{_or_voluntary()}",
    )


def _or_voluntary() -> str:
    return ", or boot with preempt=voluntary" if host.can_be_voluntary() else ""


def find_placement() -> Placement | Problem:
    """Return where programs of LSM hooks are called here: at the hooks if possible."""
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
        called = _count_calls(Placement.HOOKS)
    except KernelError as error:
        if error.errno not in {errno.EPERM, errno.EACCES} and _is_called_around():
            return Placement.AROUND
        explained = loader.explain(error)
        what, _, remedy = explained.message.partition(": ")
        return Problem(what, remedy or str(error))
    if called:
        return Placement.HOOKS
    return Placement.AROUND if _is_called_around() else _not_called()


def _is_called_around() -> bool:
    try:
        return bool(_count_calls(Placement.AROUND))
    except KernelError:
        return False  # the reason that counts is why it is not called at the hook


def _count_calls(at: Placement) -> int:
    """Attach the counting program to file_open, open a file, and return how often it was called."""
    with loader.open_object("probe") as probe:
        placement.place(probe.programs["enf_probe_called"], "file_open", at)
        probe.load()
        with contextlib.closing(probe.programs["enf_probe_called"].attach()):
            os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return int.from_bytes(calls.lookup(probe.maps["calls"].fd, 0, _COUNTER_BYTES), "little")


def _not_called() -> Problem:
    active = host.active_lsms()
    what = "the kernel accepts LSM programs, but never calls them"
    if active is None or "bpf" in active:
        return Problem(what, "boot with bpf in the lsm= list of the kernel command line")
    return Problem(
        f"{what}: bpf is not among the active LSMs ({', '.join(active)})",
        f"boot with lsm={','.join((*active, 'bpf'))} on the kernel command line",
    )
