# SPDX-License-Identifier: MIT
"""
The Debian packages of container runtimes: fetched and unpacked on the host, put in place in the guest.

Run as a program, on the host, with names of packages or none for :data:`PACKAGES`: what this machine, whose files
the guest sees, has not installed. Nothing is installed on the host. What cannot be had is told in a sentence, and
the tests that need it say the same.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.kernel import cache_directory
from lab.packages import Suite, own_suite
from lab.tools import LabError

_PLACE = Path(__file__).resolve().parents[2] / "build/vm/runtimes"
PACKAGES = (
    *("podman", "crun", "runc", "conmon", "uidmap", "dbus-user-session"),
    *("containerd", "curl", "systemd-container", "lxc", "busybox-static"),
)


def why_missing(*packages: str) -> str | None:
    """Return the sentence that says why one of *packages* is not there, None when all are."""
    for package in packages:
        if (said := _PLACE / f"{package}.why").exists():
            return said.read_text(encoding="utf-8")
        if not (_PLACE / package).is_dir() and not _is_installed(package):
            return f"{package} was not fetched: make test-containers"
    return None


def put_in_place(*packages: str) -> None:
    """In the guest: copy what was unpacked of *packages*, else of all, to where they would have it."""
    for tree in sorted(_PLACE.glob("*/")):
        if packages and tree.name not in packages:
            continue
        command = [
            "cp",
            "--recursive",
            "--remove-destination",
            "--preserve=mode,links",
            f"{tree}/.",
            "/",
        ]
        subprocess.run(command, check=True)


def main(names: Sequence[str] = ()) -> int:
    """Fetch and unpack what is missing; return the exit code."""
    _PLACE.mkdir(parents=True, exist_ok=True)
    wanted = [
        package
        for package in names or PACKAGES
        if not _is_installed(package) and not (_PLACE / package).is_dir()
    ]
    for why in _PLACE.glob("*.why"):
        why.unlink()
    suite: Suite | None = None
    for package in wanted:
        try:
            suite = suite or _suite()
            _fetch(suite, package)
        except (LabError, OSError, subprocess.CalledProcessError) as error:
            said = f"the package {package} cannot be had: {error}"
            (_PLACE / f"{package}.why").write_text(said, encoding="utf-8")
            print(f"containers: {said}", flush=True)
    return 0


def _suite() -> Suite:
    name = own_suite()
    suite = Suite(name, cache_directory() / "packages" / f"apt-{name}")
    suite.update()
    return suite


def _fetch(suite: Suite, package: str) -> None:
    """Unpack *package* and what it needs that is not installed; never half of it."""
    archives = cache_directory() / "packages" / "runtimes" / package
    suite.download_for(package, archives)
    part = _PLACE / f".{package}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for archive in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(archive), str(part)], check=True)
    part.rename(_PLACE / package)


def _is_installed(package: str) -> bool:
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout == "installed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
