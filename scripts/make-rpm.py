#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
make-rpm.py [--revision N] [--into DIRECTORY] WHEEL    make an rpm of the wheel that has libbpf inside, print its path.

Its modules lie in a directory of their own, so one package is for every Python from 3.11. The libraries in Python
are those of Fedora. Settings and the scripts of packaging/rpm are added. Needs rpmbuild, and no root.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from package_tree import (
    ROOT,
    add_container_hook,
    add_settings,
    compress,
    fill,
    open_folders,
    requirements,
    run,
    scriptlet,
    unpack,
    write_programs,
)

TEMPLATES = ROOT / "packaging/rpm"
SCRIPTS = ("post", "posttrans", "preun", "postun")
MODULES = "usr/lib64/enforcer"

# Fedora's packages of what pyproject.toml names.
PACKAGES = {
    "python3": "python3",
    "attrs": "python3-attrs",
    "cffi": "python3-cffi",
    "pyyaml": "python3-pyyaml",
    "rich": "python3-rich",
    "tenacity": "python3-tenacity",
}


def requires() -> Iterator[str]:
    for name, version in requirements():
        yield f"Requires: {PACKAGES[name]} >= {version}"


def write_spec(spec: Path, tree: Path, wheel: Path, revision: str) -> None:
    release = unpack(wheel, tree, MODULES)
    for page in [*(tree / "usr/share/man").glob("man?/*")]:
        compress(page, f"{page.name}.gz")
    write_programs(tree, release.entries, modules=MODULES)
    add_settings(tree)
    add_container_hook(tree, MODULES)
    open_folders(tree)
    values = {name.upper(): scriptlet(TEMPLATES / name).rstrip() for name in SCRIPTS}
    values |= {
        "VERSION": release.version,
        "REVISION": revision,
        "LICENCE": release.licence,
        "REQUIRES": "\n".join(requires()),
        "TREE": str(tree),
    }
    spec.write_text(fill(TEMPLATES / "enforcer.spec", **values))


def make(wheel: Path, revision: str, into: Path) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        (top / "tree").mkdir()
        spec = top / "enforcer.spec"
        write_spec(spec, top / "tree", wheel, revision)
        run(
            "rpmbuild",
            "-bb",
            "--quiet",
            f"--define=_topdir {top}",
            "--define=_buildhost localhost",
            spec,
        )
        (package,) = (top / "RPMS").rglob("*.rpm")
        return Path(shutil.copy(package, into))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--revision", default="1", help="of the package (1)")
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="DIRECTORY")
    parser.add_argument("wheel", type=Path)
    options = parser.parse_args()
    if not shutil.which("rpmbuild"):
        sys.exit("make-rpm: rpmbuild is not installed: apt-get install rpm")
    os.umask(0o022)
    print(make(options.wheel, options.revision, options.into))


if __name__ == "__main__":
    main()
