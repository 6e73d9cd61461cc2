# SPDX-License-Identifier: MIT
"""
Guess whether a refusal looks like ordinary work of the system, with reasons for users to check.

``docs/replay.md`` describes it. Signs for it are strong (a package manager, a service of the system, a
scheduler, a program that logs users in) or weak (an installed program, something that repeats).
Signs against it outweigh all others: a program that anybody may write to is not ordinary.

- *ordinary*: a strong sign or two weak ones, and none against.
- *unusual*: a sign against.
- *unclear*: neither.
"""

from __future__ import annotations

import enum
import itertools
import statistics
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.policy.language.vocabulary import SubjectFlag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from enforcer.workbench.dryrun.doers import Doing, Subject
    from enforcer.workbench.dryrun.programs import Programs

__all__ = ["Guess", "Looks", "Outlook", "guess", "outlook"]

PACKAGE_MANAGERS: Final = frozenset(
    f"/usr/bin/{name}"
    for name in [
        "apt",
        "apt-get",
        "aptitude",
        "dpkg",
        "dpkg-deb",
        "dpkg-preconfigure",
        "dnf",
        "dnf-3",
        "dnf5",
        "microdnf",
        "pacman",
        "rpm",
        "rpmdb",
        "snap",
        "unattended-upgrade",
        "unattended-upgrades",
        "yum",
        "zypper",
    ]
) | {"/usr/lib/apt/apt.systemd.daily", "/usr/sbin/apk", "/sbin/apk", "/usr/lib/snapd/snapd"}
SCHEDULERS: Final = frozenset(
    f"/usr/sbin/{name}" for name in ("anacron", "atd", "cron", "crond", "fcron")
)
LOGINS: Final = frozenset(
    (
        "/usr/bin/login",
        "/usr/bin/passwd",
        "/usr/bin/su",
        "/usr/bin/sudo",
        "/usr/lib/openssh/sshd-auth",
        "/usr/lib/openssh/sshd-session",
        "/usr/lib/systemd/systemd-logind",
        "/usr/lib/systemd/systemd-executor",
        "/usr/libexec/openssh/sshd-session",
        "/usr/sbin/agetty",
        "/usr/sbin/sshd",
        "/usr/sbin/unix_chkpwd",
    )
)
MANAGERS: Final = frozenset(("/usr/lib/systemd/systemd", "/usr/sbin/init"))
_LOOSE: Final = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/user/", "/home/")  # noqa: S108 - compared
_TIMES: Final = 4  # that something must have come to be seen to come back
_STEADY: Final = 0.2  # how far gaps may differ, by their mean
_LEAST_GAP: Final = 2.0


class Looks(enum.Enum):
    """The guess."""

    ORDINARY = "ordinary"
    UNCLEAR = "unclear"
    UNUSUAL = "unusual"


@attrs.frozen
class Guess:
    """A guess, and why, in sentences."""

    looks: Looks
    why: tuple[str, ...]


class Outlook(enum.IntEnum):
    """What a guess may come to, as far as it is known before there is a report."""

    UNUSUAL = 0
    UNCLEAR = 1
    OPEN = 2
    """Its package and its times decide whether it is ordinary or unclear."""
    ORDINARY = 3


def outlook(doer: Subject, programs: Programs) -> Outlook:
    """Tell what :func:`guess` may say of *doer*, without the lists of packages, which take long to read."""
    if _against(doer, programs):
        return Outlook.UNUSUAL
    if _strong_names(doer):
        return Outlook.ORDINARY
    if not doer.container and programs.may_have_package(doer.exe):
        return Outlook.OPEN
    return Outlook.UNCLEAR


def guess(doer: Subject, doing: Doing, programs: Programs) -> Guess:
    """Guess whether what *doer* did is ordinary; *programs* knows the files of this machine."""
    against = list(_against(doer, programs))
    strong = list(_strong(doer, programs))
    weak = list(_weak(doer, doing, programs))
    if against:
        return Guess(Looks.UNUSUAL, tuple(against))
    if strong or len(weak) > 1:
        return Guess(Looks.ORDINARY, (*strong, *weak))
    return Guess(Looks.UNCLEAR, tuple(weak) or ("nothing is known for or against it",))


def _against(doer: Subject, programs: Programs) -> Sequence[str]:
    if doer.flags & SubjectFlag.FILELESS:
        return ["its program has no name: it was removed, or was only in memory"]
    if doer.container:
        return []  # the file of that name here is another one
    if doer.exe.startswith(_LOOSE):
        return [f"{doer.exe} is in a directory where users write"]
    return programs.objections(doer.exe)


def _strong(doer: Subject, programs: Programs) -> Sequence[str]:
    found = _strong_names(doer)
    is_service = doer.unit.endswith(".service") and not doer.unit.startswith("user@")
    is_main = is_service and not doer.container and doer.parent in MANAGERS
    if is_main and programs.package(doer.exe) is not None:
        found.append(f"{doer.exe} is the main program of {doer.unit}")
    return found


def _strong_names(doer: Subject) -> list[str]:
    """Return the strong signs for which nothing but names counts."""
    if doer.container:
        return []
    found = []
    managed = _first((doer.exe, *doer.above), PACKAGE_MANAGERS)
    if managed is not None:
        found.append(f"{_who(managed, doer)} is a package manager")
    scheduler = _first(doer.above, SCHEDULERS)
    if scheduler is not None:
        found.append(f"the scheduler {scheduler} started it")
    if doer.exe in LOGINS:
        found.append(f"{doer.exe} logs users in, or changes user ids")
    return found


def _weak(doer: Subject, doing: Doing, programs: Programs) -> Sequence[str]:
    found = []
    package = None if doer.container else programs.package(doer.exe)
    if package is not None:
        found.append(f"the package {package} installed {doer.exe}, and only root can change it")
    gap = _steady_gap(doing.moments)
    if gap is not None:
        found.append(f"it repeats every {gap:.0f} s")
    return found


def _first(exes: Sequence[str], table: frozenset[str]) -> str | None:
    return next((exe for exe in exes if exe in table), None)


def _who(manager: str, doer: Subject) -> str:
    return manager if manager == doer.exe else f"{manager}, which started it,"


def _steady_gap(moments: Sequence[int]) -> float | None:
    """Return the seconds between occasions if they are about alike; what comes at once is one occasion."""
    occasions: list[float] = []
    for moment in sorted(moments):
        seconds = moment / 1e9
        if not occasions or seconds - occasions[-1] >= _LEAST_GAP:
            occasions.append(seconds)
    if len(occasions) < _TIMES:
        return None
    gaps = [after - before for before, after in itertools.pairwise(occasions)]
    mean = statistics.fmean(gaps)
    return mean if statistics.pstdev(gaps) <= _STEADY * mean else None
