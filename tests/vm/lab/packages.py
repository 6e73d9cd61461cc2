# SPDX-License-Identifier: MIT
"""
Packages of another Debian suite, fetched with the system's own apt.

Each suite gets an apt state of its own beside the kernels, so the system's
package lists stay as they are and root is not needed.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from .tools import LabError, tool

_KEYRINGS = (
    Path("/usr/share/keyrings/debian-archive-keyring.pgp"),
    Path("/usr/share/keyrings/debian-archive-keyring.gpg"),
)
_OWN_SUITE = re.compile(
    r"(bullseye|bookworm|trixie|forky|stable|testing|sid)(-updates|-backports)?"
)
_MIRROR_VARIABLE = "ENFORCER_DEBIAN_MIRROR"


class Suite:
    """One Debian suite, of packages (``deb``) or their sources (``deb-src``), with a private apt state under *state*."""

    def __init__(self, name: str, state: Path, *, kind: str = "deb") -> None:
        self.name = name
        self._state = state
        self._kind = kind

    def update(self) -> None:
        """Write the source list and fetch the package lists."""
        for directory in ("lists/partial", "cache/archives/partial"):
            (self._state / directory).mkdir(parents=True, exist_ok=True)
        self._source_list.write_text(
            f"{self._kind} [signed-by={_keyring()}] {mirror()} {self.name} main\n",
            encoding="utf-8",
        )
        self._apt("apt-get", "update", "-qq", "-o", "APT::Update::Error-Mode=any")

    def newest(self, pattern: re.Pattern[str]) -> str | None:
        """Return the package of the highest version whose whole name matches *pattern*."""
        names = self._apt("apt-cache", "pkgnames", "linux-image-").split()
        return max((n for n in names if pattern.fullmatch(n)), key=version_key, default=None)

    def depends(self, package: str) -> list[str]:
        """Return the names that *package* depends on, alternatives included."""
        text = self._apt("apt-cache", "show", "--no-all-versions", package)
        names: list[str] = []
        for line in text.splitlines():
            if line.startswith("Depends: "):
                names += re.findall(
                    r"(?:^|[,|])\s*([a-z0-9][a-z0-9+.-]*)", line[len("Depends: ") :]
                )
        return names

    def closure(self, *packages: str) -> list[str]:
        """Return the names of all that installing *packages* would bring to a system that has nothing."""
        words = ("install", "--simulate", "--no-install-recommends", "-qq", *packages)
        return re.findall(r"^Inst (\S+)", self._apt("apt-get", *words), re.MULTILINE)

    def unpack(self, packages: list[str], into: Path) -> None:
        """Download *packages* and unpack their files under *into* without installing them."""
        archives = into / "archives"
        archives.mkdir(parents=True)
        self._apt("apt-get", "download", "-qq", *packages, cwd=archives)
        for archive in sorted(archives.glob("*.deb")):
            subprocess.run([tool("dpkg-deb"), "-x", archive, into], check=True)
            archive.unlink()
        archives.rmdir()

    def download_source(self, package: str, into: Path) -> Path:
        """Download the sources of *package* to *into*; return the file that describes them."""
        into.mkdir(parents=True)
        self._apt("apt-get", "source", "-qq", "--download-only", package, cwd=into)
        (described,) = into.glob("*.dsc")
        return described

    def download_for(self, package: Path | str, into: Path) -> None:
        """
        Download to *into* what *package* needs and this system has not installed.

        A file is left out itself, and a package of the suite, which is named, is not.
        """
        options = {
            "Dir::State::status": "/var/lib/dpkg/status",
            "Dir::Cache::archives": into,
            "Debug::NoLocking": "true",
        }
        words = [f"-o{name}={value}" for name, value in options.items()]
        words += ["-qq", "-y", "--no-install-recommends", "--download-only"]
        (into / "partial").mkdir(parents=True, exist_ok=True)
        if isinstance(package, str):
            self._apt("apt-get", "install", *words, package)
        else:
            self._apt("apt-get", "install", *words, str(package.absolute()))
            (into / package.name).unlink(missing_ok=True)

    @property
    def _source_list(self) -> Path:
        return self._state / "sources.list"

    def _apt(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        options = {
            "Dir::Etc::sourcelist": self._source_list,
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::Lists": self._state / "lists",
            # Without the system's status file only packages of this suite exist.
            "Dir::State::status": "/dev/null",
            "Dir::Cache": self._state / "cache",
            "APT::Sandbox::User": "root",
            "Acquire::Retries": "3",
        }
        command = [tool(program)]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        done = subprocess.run(
            [*command, *arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(
                f"{program} {arguments[0]} for {self.name} failed ({done.returncode}): "
                "see its messages above"
            )
        return done.stdout


def own_suite() -> str:
    """Return the name of the suite that this system was installed from."""
    words = Path("/etc/os-release").read_text(encoding="utf-8")
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", words, re.MULTILINE)
    if found is None:
        raise LabError("/etc/os-release does not say which suite of Debian this is")
    return found[1]


def version_key(name: str) -> list[int]:
    """Order package names by the numbers in them."""
    return [int(number) for number in re.findall(r"\d+", name)]


def _keyring() -> Path:
    for path in _KEYRINGS:
        if path.exists():
            return path
    raise LabError(
        "the package debian-archive-keyring is not installed: run scripts/setup.sh as root"
    )


def mirror() -> str:
    """Return the address of a Debian mirror: the named one, else the system's own."""
    if named := os.environ.get(_MIRROR_VARIABLE):
        return named
    listing = subprocess.run(
        [tool("apt-get"), "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    ).stdout
    for line in listing.splitlines():
        site, _, release = line.partition(" ")
        if not site.startswith("file:") and _OWN_SUITE.fullmatch(release):
            return site
    raise LabError(
        f"this system's apt names no Debian mirror: set {_MIRROR_VARIABLE} to the address of one, "
        "or give --kernel the path of an image"
    )
