# SPDX-License-Identifier: MIT
"""What this machine knows about a program's file: its owner, who can change it, and its package."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

import attrs

__all__ = ["Programs"]

_SYSTEM: Final = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/")
_MERGED: Final = ("/bin/", "/sbin/", "/lib/", "/lib64/")


@attrs.define
class Programs:
    """
    Looks files up below *root*, and in the lists of dpkg; other package managers are not asked.

    Attributes:
        is_here: whether what is asked about happened on this machine. If not its files say nothing.
    """

    root: Path = Path("/")
    is_here: bool = True
    _packages: dict[str, str] | None = attrs.field(default=None, init=False)

    def objections(self, exe: str) -> list[str]:
        """Return the signs that the file *exe* is not part of the system."""
        if not self.is_here or not exe.startswith("/"):
            return []
        try:
            found = (self.root / exe[1:]).stat()
        except (OSError, ValueError):
            return [f"{exe} does not exist any more"]
        if found.st_uid != 0:
            return [f"{exe} belongs to user {found.st_uid}, not to root"]
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return [f"users other than root may write {exe}"]
        return []

    def may_have_package(self, exe: str) -> bool:
        """Tell whether a package may have installed *exe*: by where it is, and it is root's alone."""
        return self.is_here and exe.startswith(_SYSTEM) and not self.objections(exe)

    def package(self, exe: str) -> str | None:
        """Name the package that installed *exe*, if it is root's alone; None if none is known."""
        if not self.may_have_package(exe):
            return None
        if self._packages is None:
            self._packages = self._read()
        return self._packages.get(exe) or self._packages.get(_other_name(exe))

    def _read(self) -> dict[str, str]:
        found: dict[str, str] = {}
        lists = self.root / "var/lib/dpkg/info"
        try:
            files = sorted(path for path in lists.iterdir() if path.suffix == ".list")
        except OSError:
            return found  # no dpkg: no program is known to come from a package
        for path in files:
            package = path.stem.partition(":")[0]
            try:
                text = path.read_text(encoding="utf-8", errors="surrogateescape")
            except OSError:
                continue  # removed since it was listed
            for line in text.splitlines():
                if line.startswith(_SYSTEM):
                    found[line] = package
        return found


def _other_name(exe: str) -> str:
    """Return the name of *exe* from before, or after, /usr was merged."""
    if exe.startswith("/usr/") and exe[4:].startswith(_MERGED):
        return exe[4:]
    return "/usr" + exe
