# SPDX-License-Identifier: MIT
"""
Who is behind a process: the user who logged in, the terminal, the unit.

A process that became root by ``sudo`` or ``su`` still has the login of the user who sits before it. Root
can set its own login number once, so this is told and never decided upon.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from enforcer.identity.cgroup import unit_of
from enforcer.identity.process import cgroup_of, read_some
from enforcer.safe_text import readable

__all__ = ["NOBODY", "Login", "login_of"]

_UNSET = (1 << 32) - 1  # what the kernel calls a process that nobody has logged in to start
_TERMINAL_FIELD = 4  # field 7 of /proc/PID/stat, after the parenthesis
_PTS = range(136, 144)  # majors of pseudo terminals
_PTS_EACH = 256


@attrs.frozen
class Login:
    """
    What is known; empty and None are unknown, or none.

    Attributes:
        uid: of the user who logged in.
        terminal: as ``tty`` names it, without ``/dev/``.
        unit: of systemd.
    """

    uid: int | None = None
    terminal: str = ""
    unit: str = ""


NOBODY = Login()


def login_of(pid: int, proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> Login:
    """Find out who started *pid*. The caller makes sure that the number is still the process's."""
    folder = proc / str(pid)
    return Login(_uid(folder), _terminal(folder, sys), _unit(folder))


def _uid(folder: Path) -> int | None:
    raw = (read_some(folder / "loginuid") or b"").strip()
    return int(raw) if raw.isdigit() and int(raw) != _UNSET else None


def _terminal(folder: Path, sys: Path) -> str:
    fields = (read_some(folder / "stat") or b"").rpartition(b")")[2].split()
    if len(fields) <= _TERMINAL_FIELD or not fields[_TERMINAL_FIELD].isdigit():
        return ""
    number = int(fields[_TERMINAL_FIELD])
    if not number:
        return ""
    # As the kernel packs a device number for user space (new_encode_dev).
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    if major in _PTS:
        return f"pts/{(major - _PTS.start) * _PTS_EACH + minor}"
    for line in (read_some(sys / f"dev/char/{major}:{minor}/uevent") or b"").splitlines():
        if line.startswith(b"DEVNAME="):
            return readable(line.removeprefix(b"DEVNAME="))
    return f"terminal {major}:{minor}"


def _unit(folder: Path) -> str:
    cgroup = cgroup_of(folder)
    return "" if cgroup is None else unit_of(readable(cgroup)) or ""
