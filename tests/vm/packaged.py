# SPDX-License-Identifier: MIT
"""
The Debian packages that tests install in the guest, made and fetched on the host beforehand.

Run as a program, on the host: two versions of ours, which differ by the revision, and of what they depend on
whatever this machine, whose files the guest sees, has not installed; and others that pages of the
documentation install.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from lab.kernel import cache_directory
from lab.packages import Suite, own_suite

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_PLACE = _ROOT / "build/vm/packages"
_NEEDED = _PLACE / "needed"
_OTHERS = ("nginx",)


def number(revision: int) -> str:
    """Return the version of our package of this *revision*."""
    text = (_ROOT / "enforcer/__init__.py").read_text(encoding="utf-8")
    (found,) = re.findall(r'__version__ = "(.+)"', text)
    return f"{found}-{revision}"


def version(revision: int) -> Path:
    """Return our package of this *revision*."""
    return _PLACE / f"enforcer_{number(revision)}.deb"


def dependencies() -> list[Path]:
    """Return the packages that it needs and that this machine has not."""
    return sorted(_NEEDED.glob("*.deb"))


def made() -> bool:
    """Tell whether they are there."""
    return version(1).exists() and version(2).exists()


def main() -> int:
    """Make and fetch what is missing; return the exit code."""
    _NEEDED.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(_ROOT / "scripts/make-deb.py"), "--into", str(_PLACE)]
    subprocess.run([*command, "--revision", "1", "2"], check=True)
    missing = [name for name in _OTHERS if not list((_PLACE / name).glob("*.deb"))]
    if missing or not dependencies():
        name = own_suite()
        suite = Suite(name, cache_directory() / "packages" / f"apt-{name}")
        suite.update()
        suite.download_for(version(1), _NEEDED)
        for other in missing:
            suite.download_for(other, _PLACE / other)
    return 0


if __name__ == "__main__":
    sys.exit(main())
