# SPDX-License-Identifier: MIT
"""
Kernels: from a short name or a path to an image with its modules.

A named kernel is a stock Debian package, unpacked once under the cache and used
from there without asking the network again; removing its directory makes the
next run fetch the newest one. The kernel ``lab`` is built from Debian's sources,
with what Debian's own lack.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .packages import Suite, version_key
from .tools import LabError


@dataclass(frozen=True)
class Kernel:
    """A bootable image; *modules* is its ``lib/modules/VERSION``, None when all is built in."""

    image: Path
    modules: Path | None

    @property
    def version(self) -> str | None:
        """The release string, as far as the modules' directory tells it."""
        return self.modules.name if self.modules else None


@dataclass(frozen=True)
class _Package:
    """Where a named kernel comes from: the newest package of *suite* that *pattern* matches."""

    suite: str
    pattern: re.Pattern[str]


NAMES = {
    "cloud": _Package("trixie", re.compile(r"linux-image-6\.12\.[\d.]+\+deb13-cloud-amd64")),
    "generic": _Package("trixie", re.compile(r"linux-image-6\.12\.[\d.]+\+deb13-amd64")),
    "6.1": _Package("bookworm", re.compile(r"linux-image-6\.1\.0-\d+-cloud-amd64")),
    # The backports suite moves on, so this row means "the newest 7.x that there is".
    "7.3": _Package("trixie-backports", re.compile(r"linux-image-7\.[\d.]+\+deb13-cloud-amd64")),
}


LAB = "lab"
# Kernels that somebody built, VERSION-lab/bzImage, in a folder beside the clone.
_READY = Path(__file__).resolve().parents[4] / "shared" / LAB / "kernels"
_BUILD = Path(__file__).with_name("build-kernel.sh")


def cache_directory() -> Path:
    """Return the directory for files that are worth keeping between runs."""
    if named := os.environ.get("ENFORCER_CACHE"):
        return Path(named).absolute() / "enforcer"
    if os.geteuid() == 0:
        return Path("/var/cache/enforcer")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "enforcer"


def resolve(name: str, *, cache: Path) -> Kernel:
    """
    Return the kernel that *name* stands for, fetching it into *cache* when needed.

    Raises:
        LabError: when there is no such name or file, or it cannot be fetched.
    """
    if name == LAB:
        return from_image(find_lab(cache) or _built(cache / "kernels"))
    package = NAMES.get(name)
    if package is None:
        return from_image(Path(name))
    directory = _cached(package, cache / "kernels") or _fetch(name, package, cache / "kernels")
    return from_image(_image_in(directory))


def find_lab(cache: Path) -> Path | None:
    """Return the newest image of the laboratory's own kernel that is ready, None when there is none."""
    own = cache / "kernels" / LAB / "bzImage"
    if own.is_file():
        return own
    ready = Path(os.environ.get("ENFORCER_LAB_KERNELS") or _READY).glob(f"*-{LAB}/bzImage")
    return max(ready, key=lambda image: version_key(image.parent.name), default=None)


def _built(kernels: Path) -> Path:
    """Build the laboratory's own kernel and return its image."""
    directory = kernels / LAB
    image = directory / "bzImage"
    kernels.mkdir(parents=True, exist_ok=True)
    with (kernels / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.is_file():
            print("vm: building the kernel lab, for some 15 minutes", file=sys.stderr, flush=True)
            built = subprocess.run(
                [_BUILD, "-o", directory], stdout=sys.stderr, stdin=subprocess.DEVNULL, check=False
            )
            if built.returncode:
                raise LabError(
                    f"{_BUILD.name} ended with {built.returncode}: what it said is above"
                )
    return image


def from_image(image: Path) -> Kernel:
    """Return the kernel of the file *image*, with the modules unpacked beside it, if any."""
    if not image.is_file():
        raise LabError(f"{image}: neither a kernel image nor one of {', '.join((*NAMES, LAB))}")
    image = image.resolve()
    version = image.name.removeprefix("vmlinuz-")
    root = image.parent.parent
    for modules in (root / "usr/lib/modules" / version, root / "lib/modules" / version):
        if (modules / "kernel").is_dir():
            return Kernel(image, modules)
    return Kernel(image, None)


def _image_in(directory: Path) -> Path:
    return next(iter(sorted(directory.glob("boot/vmlinuz-*"))), directory / "boot/vmlinuz")


def _cached(package: _Package, kernels: Path) -> Path | None:
    found = [
        directory
        for directory in kernels.glob("linux-image-*")
        if package.pattern.fullmatch(directory.name) and _image_in(directory).is_file()
    ]
    return max(found, key=lambda directory: version_key(directory.name), default=None)


def _fetch(name: str, package: _Package, kernels: Path) -> Path:
    """Download and unpack *package*, so that a half-made directory is never seen."""
    kernels.mkdir(parents=True, exist_ok=True)
    with (kernels / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if found := _cached(package, kernels):  # another run was faster
            return found
        print(f"vm: fetching kernel {name} from {package.suite}", file=sys.stderr, flush=True)
        suite = Suite(package.suite, kernels / f"apt-{package.suite}")
        suite.update()
        newest = suite.newest(package.pattern)
        if newest is None:
            raise LabError(f"{package.suite} has no package {package.pattern.pattern}")
        with tempfile.TemporaryDirectory(prefix=".part-", dir=kernels) as part:
            tree = Path(part) / "tree"
            suite.unpack([newest, *_companions(suite, newest)], tree)
            _place_image(tree)
            shutil.rmtree(kernels / newest, ignore_errors=True)
            tree.rename(kernels / newest)
        return kernels / newest


def _companions(suite: Suite, package: str) -> list[str]:
    """Since Linux 6.19 Debian ships the image, its modules and its base as packages apart."""
    part = re.compile(r"linux-(binary|modules|base)-\d.*")
    return [name for name in suite.depends(package) if part.fullmatch(name)]


def _place_image(tree: Path) -> None:
    """Newer packages keep the image beside the modules; copy it to where older ones have it."""
    for image in tree.glob("usr/lib/modules/*/vmlinuz"):
        (tree / "boot").mkdir(exist_ok=True)
        shutil.copyfile(image, tree / "boot" / f"vmlinuz-{image.parent.name}")
    if not _image_in(tree).is_file():
        raise LabError("the kernel package holds no boot/vmlinuz-*: has its layout changed?")
