#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
make-deb.py [--revision N …] [--wheel FILE] [--into DIRECTORY]    make Debian packages of this tree, print their paths.

Takes the wheel, for Debian's own Python and its packages of the libraries, libbpf included, and adds the
settings and the scripts of packaging/debian. The wheel is made unless it is given. Needs no root.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from package_tree import (
    CONFFILES,
    ROOT,
    Release,
    add_container_hook,
    add_settings,
    compress,
    fill,
    make_wheel,
    open_folders,
    requirements,
    run,
    scriptlet,
    unpack,
    write_programs,
)

TEMPLATES = ROOT / "packaging/debian"
SCRIPTS = ("postinst", "prerm", "postrm")
MODULES = "usr/lib/python3/dist-packages"
DOCUMENTS = "usr/share/doc/enforcer"

# Debian's packages of what pyproject.toml names.
PACKAGES = {
    "python3": "python3",
    "attrs": "python3-attr",
    "cffi": "python3-cffi-backend",
    "pyyaml": "python3-yaml",
    "rich": "python3-rich",
    "tenacity": "python3-tenacity",
}


def fit_to_debian(tree: Path) -> None:
    """Put what the wheel has for zsh where Debian's looks, and name and compress documents as Debian asks."""
    zsh = tree / "usr/share/zsh"
    (zsh / "site-functions").rename(zsh / "vendor-completions")
    for page in [*(tree / "usr/share/man").glob("man?/*")]:
        compress(page, f"{page.name}.gz")
    compress(tree / DOCUMENTS / "CHANGELOG.md", "changelog.gz")
    lines = (ROOT / "LICENSE").read_text().split("\n\n", 2)[2].splitlines()
    indented = "\n".join(f" {line}" if line.strip() else " ." for line in lines)
    (tree / DOCUMENTS / "copyright").write_text(fill(TEMPLATES / "copyright", LICENSE=indented))


def depends(tree: Path) -> Iterator[str]:
    """Yield what it needs: Python, the libraries of pyproject.toml, and those that the extension links."""
    for name, version in requirements():
        yield f"{PACKAGES[name]} (>= {version}{'~' * (name == 'python3')})"
    with tempfile.TemporaryDirectory() as place:
        control = Path(place, "debian/control")
        control.parent.mkdir()
        control.write_text("Source: enforcer\n\nPackage: enforcer\nArchitecture: any\n")
        libraries = [f"-e{path}" for path in (tree / MODULES).rglob("*.so")]
        told = run("dpkg-shlibdeps", "-O", *libraries, cwd=place)
    yield told.strip().removeprefix("shlibs:Depends=")


def write_control(tree: Path, version: str) -> None:
    folder = tree / "DEBIAN"
    folder.mkdir(exist_ok=True)
    files = [path for path in tree.rglob("*") if path.is_file() and folder not in path.parents]
    values = {
        "VERSION": version,
        "ARCHITECTURE": run("dpkg", "--print-architecture").strip(),
        "SIZE": str(sum(path.stat().st_size for path in files) // 1024),
        "DEPENDS": ", ".join(depends(tree)),
    }
    (folder / "control").write_text(fill(TEMPLATES / "control", **values))
    (folder / "conffiles").write_text("".join(f"/{name}\n" for name in CONFFILES))
    for name in SCRIPTS:
        (folder / name).write_text(scriptlet(TEMPLATES / name))
        (folder / name).chmod(0o755)


def lay_out(wheel: Path, tree: Path) -> Release:
    release = unpack(wheel, tree, MODULES)
    fit_to_debian(tree)
    write_programs(tree, release.entries)
    add_settings(tree)
    add_container_hook(tree, MODULES)
    open_folders(tree)
    return release


def make(revisions: list[str], wheel: Path | None, into: Path) -> Iterator[Path]:
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place, "tree")
        tree.mkdir()
        release = lay_out(wheel or make_wheel(Path(place)), tree)
        for revision in revisions:
            write_control(tree, f"{release.version}-{revision}")
            product = into / f"enforcer_{release.version}-{revision}.deb"
            run("dpkg-deb", "--build", "--root-owner-group", "-Zxz", tree, product)
            yield product


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--revision", nargs="+", default=["1"], help="of each package (1)")
    parser.add_argument("--wheel", type=Path, help="what to make them of, instead of this tree's")
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="DIRECTORY")
    options = parser.parse_args()
    os.umask(0o022)
    for product in make(options.revision, options.wheel, options.into):
        print(product)


if __name__ == "__main__":
    main()
