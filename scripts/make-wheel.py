#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
make-wheel.py [--into DIRECTORY]    make a wheel for every Linux that is not too old, print its path.

libbpf, libelf and zlib are inside its extension. auditwheel says how old a C library may be, which becomes
the wheel's tag, and that the extension needs no other library. Beside the wheel it puts what must be offered
where the wheel is: the sources of this tree (sdist), and those of the libraries. Needs no root.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SYSROOT = ROOT / "build/sysroot"

# The date of all files of the wheel, as hatchling has it: who makes it again gets the same bytes.
MADE = "1580601600"


def run(*command, **environment) -> str:
    done = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        words = " ".join(map(str, command))
        sys.exit(f"make-wheel: {words} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(target: str, into: Path, **environment) -> Path:
    run(
        sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into / target, **environment
    )
    (product,) = (into / target).iterdir()
    return product


def tag(wheel: Path) -> Path:
    """Give the *wheel* the tag of the oldest C library that has all that the extension calls."""
    told = json.loads(run(sys.executable, "-m", "auditwheel", "show", "--json", wheel))
    if told["external_libs"]:
        sys.exit(
            f"make-wheel: the extension needs {told['external_libs']}, which must be inside it"
        )
    platform = told["overall_tag"]
    if not platform.startswith("manylinux_"):
        sys.exit(f"make-wheel: auditwheel finds the tag {platform}, which package indexes refuse")
    command = (sys.executable, "-m", "wheel", "tags", "--remove", "--platform-tag", platform, wheel)
    return wheel.with_name(run(*command, SOURCE_DATE_EPOCH=MADE).splitlines()[-1])


def undated(file: tarfile.TarInfo) -> tarfile.TarInfo:
    file.mtime = int(MADE)
    file.uid = file.gid = 0
    file.uname = file.gname = "root"
    return file


def pack_sources(into: Path) -> Path:
    product = into / "enforcer-libraries.tar"
    with tarfile.open(product, "w") as archive:
        archive.add(SYSROOT / "sources", "enforcer-libraries", filter=undated)
    return product


def make(into: Path) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    # Not by run(): it says what it does, which takes half a minute.
    subprocess.run([sys.executable, ROOT / "scripts/sysroot.py", SYSROOT], check=True)
    with tempfile.TemporaryDirectory(dir=into) as place:
        wheel = tag(build("wheel", Path(place), ENFORCER_SYSROOT=str(SYSROOT)))
        made = [wheel, build("sdist", Path(place)), pack_sources(Path(place))]
        for path in made:
            path.rename(into / path.name)
    return into / wheel.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="DIRECTORY")
    print(make(parser.parse_args().into.absolute()))


if __name__ == "__main__":
    main()
