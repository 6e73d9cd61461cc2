#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
make-deb.py [--revision N] [--into DIRECTORY]    make a Debian package of this tree, print its path.

Takes the wheel, for Debian's own Python and its packages of the libraries, and adds the unit, the settings,
the documentation and the scripts of packaging/debian. Needs no root.
"""

import argparse
import email
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "packaging/debian"
SCRIPTS = ("postinst", "prerm", "postrm")
CONFFILES = ("etc/enforcer/enforcer.yaml", "etc/logrotate.d/enforcer")
MODULES = "usr/lib/python3/dist-packages"
DOCUMENTS = "usr/share/doc/enforcer"

# Debian's packages of the libraries in pyproject.toml.
PACKAGES = {
    "attrs": "python3-attr",
    "cffi": "python3-cffi-backend",
    "pyyaml": "python3-yaml",
    "rich": "python3-rich",
    "tenacity": "python3-tenacity",
}


def run(*command, cwd=ROOT) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"make-deb: {command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_wheel(into: Path) -> Path:
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", into, ".")
    (wheel,) = into.glob("*.whl")
    return wheel


def unpack(wheel: Path, tree: Path) -> tuple[str, str]:
    """Lay out the *wheel*; return the version and what the program calls."""
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place)
        (data,) = Path(place).glob("*.data/data")
        shutil.copytree(data, tree / "usr", dirs_exist_ok=True)
        shutil.rmtree(data.parent)
        (info,) = Path(place).glob("*.dist-info")
        for name in ("RECORD", "WHEEL"):  # of the wheel, which is not installed
            (info / name).unlink()
        shutil.copytree(place, tree / MODULES, dirs_exist_ok=True)
        version = email.message_from_string((info / "METADATA").read_text())["Version"]
        entry = re.search(
            r"^enforcer = (\S+)$", (info / "entry_points.txt").read_text(), re.MULTILINE
        )[1]
    return version, entry


def fit_to_debian(tree: Path) -> None:
    """Put what the wheel has for zsh where Debian's looks, and compress the manual as Debian asks."""
    zsh = tree / "usr/share/zsh"
    (zsh / "site-functions").rename(zsh / "vendor-completions")
    for page in (tree / "usr/share/man").glob("man?/*"):
        packed = page.with_name(f"{page.name}.gz")
        packed.write_bytes(gzip.compress(page.read_bytes(), mtime=0))
        page.unlink()


def write_program(tree: Path, entry: str) -> None:
    module, _, function = entry.partition(":")
    path = tree / "usr/bin/enforcer"
    path.parent.mkdir(parents=True)
    # -I: neither PYTHONPATH nor root's own packages have a say in what runs as root.
    path.write_text(
        f"#!/usr/bin/python3 -I\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"
    )
    path.chmod(0o755)


def copy(source: Path, tree: Path, to: str, mode: int = 0o644) -> None:
    path = tree / to
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, path)
    path.chmod(mode)


def add_system_files(tree: Path) -> None:
    copy(ROOT / "packaging/enforcer.service", tree, "usr/lib/systemd/system/enforcer.service")
    copy(ROOT / "packaging/enforcer.yaml", tree, CONFFILES[0], 0o600)
    copy(ROOT / "packaging/logrotate/enforcer", tree, CONFFILES[1])
    (tree / "etc/enforcer/policies").mkdir()


def add_documents(tree: Path) -> None:
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").iterdir())):
        copy(path, tree, f"{DOCUMENTS}/{path.name}")
    text = (ROOT / "CHANGELOG.md").read_bytes()
    (tree / DOCUMENTS / "changelog.gz").write_bytes(gzip.compress(text, mtime=0))
    lines = (ROOT / "LICENSE").read_text().split("\n\n", 2)[2].splitlines()
    indented = "\n".join(f" {line}" if line.strip() else " ." for line in lines)
    copyright_ = (TEMPLATES / "copyright").read_text().replace("@LICENSE@", indented)
    (tree / DOCUMENTS / "copyright").write_text(copyright_)


def depends(tree: Path) -> Iterator[str]:
    """Yield what it needs: Python, the libraries of pyproject.toml, and those that the extension links."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    yield f"python3 ({project['requires-python'].replace('>=', '>= ')}~)"
    for requirement in project["dependencies"]:
        name, _, version = requirement.partition(">=")
        yield f"{PACKAGES[name]} (>= {version})"
    with tempfile.TemporaryDirectory() as place:
        control = Path(place, "debian/control")
        control.parent.mkdir()
        control.write_text("Source: enforcer\n\nPackage: enforcer\nArchitecture: any\n")
        libraries = [f"-e{path}" for path in (tree / MODULES).rglob("*.so")]
        told = run("dpkg-shlibdeps", "-O", *libraries, cwd=place)
    yield told.strip().removeprefix("shlibs:Depends=")


def write_control(tree: Path, version: str) -> None:
    folder = tree / "DEBIAN"
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    folder.mkdir()
    values = {
        "VERSION": version,
        "ARCHITECTURE": run("dpkg", "--print-architecture").strip(),
        "SIZE": str(size // 1024),
        "DEPENDS": ", ".join(depends(tree)),
    }
    text = (TEMPLATES / "control").read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    (folder / "control").write_text(text)
    (folder / "conffiles").write_text("".join(f"/{name}\n" for name in CONFFILES))
    for name in SCRIPTS:
        copy(TEMPLATES / name, tree, f"DEBIAN/{name}", 0o755)


def make(revision: str, into: Path) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        tree = Path(place, "tree")
        tree.mkdir()
        version, entry = unpack(make_wheel(Path(place)), tree)
        fit_to_debian(tree)
        write_program(tree, entry)
        add_system_files(tree)
        add_documents(tree)
        write_control(tree, f"{version}-{revision}")
        for path in tree.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        product = into / f"enforcer_{version}-{revision}.deb"
        run("dpkg-deb", "--build", "--root-owner-group", "-Zxz", tree, product)
    return product


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--revision", default="1", help="of the package (1)")
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="DIRECTORY")
    options = parser.parse_args()
    os.umask(0o022)
    print(make(options.revision, options.into))


if __name__ == "__main__":
    main()
