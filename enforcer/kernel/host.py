# SPDX-License-Identifier: MIT
"""Facts about this machine that the kernel side needs, and the rights of this process."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from enforcer.errors import UnsupportedError
from enforcer.libbpf import calls

__all__ = [
    "active_lsms",
    "can_be_voluntary",
    "gives_up_labels",
    "host_mount_namespace",
    "possible_cpus",
    "preempts",
    "release",
    "require_privileges",
    "shows_symbols",
]

_CAP_SYS_ADMIN = 21
_CAP_PERFMON = 38
_CAP_BPF = 39
_STATUS = Path("/proc/self/status")
_LSMS = Path("/sys/kernel/security/lsm")
_PREEMPT = Path("/sys/kernel/debug/sched/preempt")

possible_cpus = calls.possible_cpus


def release() -> str:
    """Return the kernel's release, for messages only."""
    return os.uname().release


def host_mount_namespace() -> int:
    """
    Return the inode number of the host's mount namespace: that of the first process.

    If that cannot be read, that of this process is used: enforcer then names paths as it sees them.
    """
    for process in ("1", "self"):
        try:
            return Path(f"/proc/{process}/ns/mnt").stat().st_ino
        except OSError as error:
            reason = error
    raise UnsupportedError(
        f"cannot find the host's mount namespace ({reason}): mount /proc", reason.errno or 0
    )


def require_privileges() -> None:
    """
    Check that this process may load LSM programs.

    Raises:
        UnsupportedError: if it may not.
    """
    effective = _effective_capabilities()
    both = 1 << _CAP_BPF | 1 << _CAP_PERFMON
    if not (effective >> _CAP_SYS_ADMIN & 1 or effective & both == both):
        raise UnsupportedError(
            "enforcement needs root (CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN), which this "
            "process does not have: run it with sudo, or in a privileged container"
        )


def _effective_capabilities() -> int:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return int(value, 16)
    raise UnsupportedError(
        f"cannot read the capabilities of this process: {_STATUS} has no CapEff line"
    )


def shows_symbols(kallsyms: Path = Path("/proc/kallsyms")) -> bool:
    """
    Tell whether the kernel shows this process the addresses of its symbols.

    Without that nobody finds the locks on names and mounts, whose counters tell whether a name
    moved during a decision; everything else works. All addresses are shown, or all as zero; those of
    per-CPU variables, which come first, may be zero by themselves.
    """
    try:
        with kallsyms.open(encoding="ascii") as lines:
            code = (line for line in lines if line.split()[1] in "Tt")
            return bool(int(next(code, "0").split()[0], 16))
    except (OSError, ValueError, IndexError):
        return False


def preempts(
    mode: Path = _PREEMPT, cmdline: Path = Path("/proc/cmdline"), boot: Path = Path("/boot")
) -> bool | None:
    """Tell whether tasks can be preempted inside kernel functions; None if that is not known."""
    try:
        words = mode.read_text(encoding="ascii").split()
    except OSError:  # debugfs is not mounted, or closed by lockdown
        version = os.uname().version.split()
        if "PREEMPT_DYNAMIC" in version:
            said = [w for w in _words(cmdline) if w.startswith("preempt=")]
            return said[-1] in {"preempt=full", "preempt=lazy"} if said else _is_built_to(boot)
        return bool({"PREEMPT", "PREEMPT_RT", "PREEMPT_LAZY"} & set(version))
    return bool({"(full)", "(lazy)"} & set(words))


def can_be_voluntary(mode: Path = _PREEMPT, boot: Path = Path("/boot")) -> bool:
    """
    Tell whether this kernel can be booted with ``preempt=voluntary``; False if that is not known.

    Linux 7 on x86 has only ``full`` and ``lazy``.
    """
    try:
        return bool({"voluntary", "(voluntary)"} & set(mode.read_text(encoding="ascii").split()))
    except OSError:
        # A kernel that has the choice names it also where it was not chosen.
        config = _configuration(boot)
        is_dynamic = "PREEMPT_DYNAMIC" in os.uname().version.split()
        return is_dynamic and any("CONFIG_PREEMPT_VOLUNTARY" in line for line in config)


def _is_built_to(boot: Path) -> bool | None:
    config = _configuration(boot)
    return bool({"CONFIG_PREEMPT=y", "CONFIG_PREEMPT_LAZY=y"} & set(config)) if config else None


def _configuration(boot: Path) -> list[str]:
    """Return the lines of what the running kernel was built with, as distributions lay it down; [] if it is not there."""
    try:
        return (boot / f"config-{release()}").read_text(encoding="ascii").splitlines()
    except OSError:
        return []


@functools.cache
def gives_up_labels(kallsyms: Path = Path("/proc/kallsyms")) -> bool:
    """
    Tell whether nobody on a processor is in task storage while a task that lost it in the middle of a look-up waits.

    Linux before 6.2 counts on each processor who is in there (bpf_task_storage_busy), and takes a second one for a
    recursion. Later ones ask so only for programs that can recurse, by the helper ``bpf_task_storage_get_recur``, until
    the counter was removed in 7.x. The answer does not change until the next boot. A kernel that does not list its
    variables counts as one without it: those of distributions list them, and who is not found is counted (``no_task``).
    """
    try:
        names = kallsyms.read_bytes()
    except OSError:
        return False
    busy, recursing = (
        re.search(rb" %s$" % name, names, re.MULTILINE)
        for name in (b"bpf_task_storage_busy", b"bpf_task_storage_get_recur")
    )
    return busy is not None and recursing is None


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []


def active_lsms() -> tuple[str, ...] | None:
    """Return the kernel's active LSMs in order, or None where securityfs is not mounted."""
    try:
        return tuple(_LSMS.read_text(encoding="ascii").strip().split(","))
    except OSError:
        return None  # doctor asks in order to explain; whether LSM programs run is found by doing
