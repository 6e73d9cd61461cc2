# SPDX-License-Identifier: MIT
"""The tree of files that a package for a distribution installs, made of the wheel."""

import configparser
import email
import gzip
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
HOOK = "etc/enforcer/container-hook.json"
CONFFILES = ("etc/enforcer/enforcer.yaml", "etc/logrotate.d/enforcer", HOOK)


class Release(NamedTuple):
    """What a wheel says of itself: its version, its licence, and what each program calls (``module:function``)."""

    version: str
    licence: str
    entries: dict[str, str]


def run(*command, cwd=ROOT) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, check=False, capture_output=True, text=True
    )
    if done.returncode:
        program = Path(sys.argv[0]).stem
        sys.exit(f"{program}: {command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def make_wheel(into: Path) -> Path:
    """Make the wheel whose extension links the libraries of this system."""
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "wheel", *options, "-w", into, ".")
    (wheel,) = into.glob("*.whl")
    return wheel


def unpack(wheel: Path, tree: Path, modules: str) -> Release:
    """Lay out the *wheel* in *tree*, its modules in the directory *modules*, its other files in /usr."""
    with tempfile.TemporaryDirectory() as place:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(place)
            for each in archive.infolist():  # extractall() leaves that out
                if each.external_attr >> 16 & stat.S_IXUSR:
                    Path(place, each.filename).chmod(0o755)
        (data,) = Path(place).glob("*.data/data")
        shutil.copytree(data, tree / "usr", dirs_exist_ok=True)
        shutil.rmtree(data.parent)
        (info,) = Path(place).glob("*.dist-info")
        for name in ("RECORD", "WHEEL"):  # of the wheel, which is not installed
            (info / name).unlink()
        shutil.copytree(place, tree / modules, dirs_exist_ok=True)
        told = email.message_from_string((info / "METADATA").read_text())
        points = configparser.ConfigParser()
        points.read(info / "entry_points.txt")
    return Release(told["Version"], told["License-Expression"], {**points["console_scripts"]})


def write_programs(tree: Path, entries: dict[str, str], *, modules: str | None = None) -> None:
    """Write /usr/bin/*; their *modules* are where Python looks anyway, or in a directory of their own."""
    for name, entry in entries.items():
        write_program(tree / "usr/bin" / name, entry, modules=modules)


def write_program(path: Path, entry: str, *, modules: str | None = None) -> None:
    module, _, function = entry.partition(":")
    path.parent.mkdir(parents=True, exist_ok=True)
    place = f'sys.path.insert(0, "/{modules}")\n' if modules else ""
    # -I: neither PYTHONPATH nor root's own packages have a say in what runs as root.
    path.write_text(
        f"#!/usr/bin/python3 -I\nimport sys\n\n{place}from {module} import {function}\n\nsys.exit({function}())\n"
    )
    path.chmod(0o755)


def copy(source: Path, tree: Path, to: str, mode: int = 0o644) -> None:
    path = tree / to
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, path)
    path.chmod(mode)


def compress(path: Path, name: str) -> None:
    """Replace the file by a compressed one of this *name*."""
    path.with_name(name).write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()


def add_settings(tree: Path) -> None:
    """Put what an administrator edits where it is read: settings, rotation of logs, no policies."""
    share = tree / "usr/share/enforcer"
    copy(share / "enforcer.yaml", tree, CONFFILES[0], 0o600)
    copy(share / "logrotate/enforcer", tree, CONFFILES[1])
    (tree / "etc/enforcer/policies").mkdir()


def add_container_hook(tree: Path, modules: str) -> None:
    """Let podman and CRI-O run the hook, whose program is where the *modules* are; an administrator may choose otherwise."""
    place = tree / HOOK
    place.write_text(fill(ROOT / "packaging/container-hook.json", MODULES=modules))
    place.chmod(0o644)
    link = tree / "usr/share/containers/oci/hooks.d/enforcer.json"
    link.parent.mkdir(parents=True)
    link.symlink_to(f"/{HOOK}")


def requirements() -> Iterator[tuple[str, str]]:
    """Yield the name and the least version of Python, and of each library in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    yield "python3", project["requires-python"].removeprefix(">=")
    for requirement in project["dependencies"]:
        name, _, version = requirement.partition(">=")
        yield name, version


def fill(template: Path, **values: str) -> str:
    """Return the text of the *template*, each @NAME@ replaced by its value."""
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def scriptlet(script: Path) -> str:
    """Return the text of a *script* of a package, with the functions that the packages share."""
    functions = (ROOT / "packaging/functions.sh").read_text().split("\n\n", 1)[1].rstrip()
    return script.read_text().replace("# @FUNCTIONS@", functions)


def open_folders(tree: Path) -> None:
    """Let everybody look into the folders, whatever the umask is."""
    for path in tree.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
