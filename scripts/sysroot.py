#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
sysroot.py DIRECTORY    make what the extension of a wheel for everybody is compiled and linked against.

The directory has the C library of Debian 12 with its headers, those of Python 3.11, and libbpf with what it
needs (libelf, zlib) as static libraries. These are compiled here, from Debian's sources, since Debian's own
archives do not fit into a shared object. So an extension that is built with it (ENFORCER_SYSROOT) needs
no library but a C library as old as that. Beside them are:

    notices/    licences and copyright notices, which the wheel must carry
    sources/    the sources of the libraries, which whoever distributes the wheel must offer with it

The compiler is this system's. Needs no root. What is there and made by this version of the script is kept.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/vm"))

from lab.kernel import cache_directory  # noqa: E402
from lab.packages import Suite  # noqa: E402
from lab.tools import LabError  # noqa: E402

# The oldest system that the wheel is for.
OLDEST = "bookworm"
HEADERS = ("libc6", "libc6-dev", "linux-libc-dev", "libpython3.11-dev")

# Hidden, so that a second libbpf in the process is never mixed with this one; sections, so that the linker
# leaves out what is not called; and what makes errors in parsing harder to use.
CFLAGS = (
    "-O2 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections "
    "-fstack-protector-strong -D_FORTIFY_SOURCE=2"
)


class Library(NamedTuple):
    """A library: Debian's name and suite of its sources, how it is made, and what it must be given with."""

    name: str
    suite: str
    make: Callable[[Path, Path], None]
    notices: tuple[str, ...]


def run(*command, cwd: Path, **environment) -> None:
    done = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=os.environ | environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"sysroot: {command[0]} failed:\n{done.stdout[-4000:]}")


def compiler(sysroot: Path) -> str:
    return f"{os.environ.get('CC', 'cc')} --sysroot={sysroot}"


def take(tree: Path, sysroot: Path, *, archives: tuple[str, ...], headers: tuple[str, ...]) -> None:
    for name in archives:
        shutil.copy(tree / name, sysroot / "usr/lib")
    for name in headers:
        shutil.copy(tree / name, sysroot / "usr/include")


def make_zlib(tree: Path, sysroot: Path) -> None:
    run("./configure", "--static", cwd=tree, CC=compiler(sysroot), CFLAGS=CFLAGS)
    run("make", "libz.a", cwd=tree)
    take(tree, sysroot, archives=("libz.a",), headers=("zlib.h", "zconf.h"))


def make_libelf(tree: Path, sysroot: Path) -> None:
    # Nothing that libbpf reads is compressed by the others.
    without = [f"--without-{name}" for name in ("bzlib", "lzma", "zstd")]
    without += [f"--disable-{name}" for name in ("debuginfod", "libdebuginfod", "nls")]
    run("./configure", *without, cwd=tree, CC=compiler(sysroot), CFLAGS=CFLAGS)
    jobs = f"-j{os.cpu_count()}"
    run("make", jobs, "libeu.a", cwd=tree / "lib")
    run("make", jobs, "libelf.a", cwd=tree / "libelf")
    headers = tuple(f"libelf/{name}.h" for name in ("libelf", "gelf", "nlist"))
    take(tree, sysroot, archives=("lib/libeu.a", "libelf/libelf.a"), headers=headers)


def make_libbpf(tree: Path, sysroot: Path) -> None:
    run(
        *(
            "make",
            "-C",
            "src",
            f"-j{os.cpu_count()}",
            "install",
            "BUILD_STATIC_ONLY=1",
            "NO_PKG_CONFIG=1",
        ),
        *("PREFIX=/usr", "LIBSUBDIR=lib", f"DESTDIR={sysroot}"),
        *(f"CC={compiler(sysroot)}", f"CFLAGS={CFLAGS}"),
        cwd=tree,
    )


# libbpf as the tests and the package of Debian 13 have it; that of Debian 12 is too old.
LIBRARIES = (
    Library("zlib", OLDEST, make_zlib, ("debian/copyright",)),
    Library("elfutils", "trixie", make_libelf, ("debian/copyright", "COPYING-GPLV2")),
    Library("libbpf", "trixie", make_libbpf, ("debian/copyright", "LICENSE.BSD-2-Clause")),
)


def suite(name: str, kind: str) -> Suite:
    found = Suite(name, cache_directory() / "packages" / f"{kind}-{name}", kind=kind)
    found.update()
    return found


def add_library(library: Library, sysroot: Path) -> None:
    print(f"sysroot: {library.name}", file=sys.stderr)
    sources = sysroot / "sources" / library.name
    described = suite(library.suite, "deb-src").download_source(library.name, sources)
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place, library.name)
        run("dpkg-source", "--extract", described, tree, cwd=Path(place))
        library.make(tree, sysroot)
        for notice in library.notices:
            shutil.copy(tree / notice, sysroot / f"notices/{library.name}.{Path(notice).name}")


def make(sysroot: Path) -> None:
    print(f"sysroot: the C library of {OLDEST}", file=sys.stderr)
    suite(OLDEST, "deb").unpack(list(HEADERS), sysroot)
    for folder in ("notices", "sources"):
        (sysroot / folder).mkdir()
    for library in LIBRARIES:
        add_library(library, sysroot)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("directory", type=Path)
    sysroot = parser.parse_args().directory.absolute()
    stamp = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    record = sysroot / "made-by"
    if record.exists() and record.read_text() == stamp:
        return
    fresh = sysroot.with_name(f"{sysroot.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        make(fresh)
    except LabError as error:
        sys.exit(f"sysroot: {error}")
    (fresh / "made-by").write_text(stamp)
    shutil.rmtree(sysroot, ignore_errors=True)
    fresh.rename(sysroot)


if __name__ == "__main__":
    main()
