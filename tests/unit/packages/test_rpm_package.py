# SPDX-License-Identifier: MIT
"""The rpm: that its description names all files, what it needs, and that its scripts are sound. rpmbuild is not needed."""

from __future__ import annotations

import fnmatch
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaged_hook import require_hook

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = {
    "post": set(),
    "posttrans": {"has_systemd", "replace"},
    "preun": {"has_systemd", "end_enforcement"},
    "postun": set(),
}


@pytest.fixture(scope="module")
def laid_out(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The description for rpmbuild, and the tree of files that it describes."""
    place = tmp_path_factory.mktemp("rpm")
    tree = place / "tree"
    tree.mkdir()
    script = importlib.util.spec_from_file_location("make_rpm", ROOT / "scripts/make-rpm.py")
    module = importlib.util.module_from_spec(script)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        script.loader.exec_module(module)
    module.write_spec(place / "enforcer.spec", tree, wheel, "7")
    return (place / "enforcer.spec").read_text(), tree


def section(spec: str, name: str) -> str:
    return re.search(rf"^%{name}\n(.*?)(?=^%\w+\n|\Z)", spec, re.MULTILINE | re.DOTALL)[1]


def test_each_file_is_named(laid_out: tuple[str, Path]) -> None:
    """By itself, or by a directory that is the package's own; nothing is named that is not there."""
    spec, tree = laid_out
    (version,) = re.findall(r"^Version: (\S+)$", spec, re.MULTILINE)
    lines = section(spec, "files").replace("%{version}", version).split("\n")
    named = [line.split()[-1].lstrip("/") for line in lines if line]
    files = [str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()]

    folders = [name for name in named if name.startswith("usr/") and (tree / name).is_dir()]
    covered = {
        file
        for file in files
        for name in named
        if fnmatch.fnmatch(file, name) or (name in folders and file.startswith(f"{name}/"))
    }
    assert set(files) == covered
    assert [] == [name for name in named if not list(tree.glob(name))]


def test_it_needs_fedora_s_libraries(laid_out: tuple[str, Path]) -> None:
    """Each of the project's, of the version that it asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {requirement.replace(">=", " >= ") for requirement in project["dependencies"]}

    found = set(re.findall(r"^Requires: (.+)$", laid_out[0], re.MULTILINE))

    assert {"python3 >= 3.11"} | {f"python3-{each}" for each in wanted} == found


def test_what_an_administrator_edits_is_kept(laid_out: tuple[str, Path]) -> None:
    spec, tree = laid_out
    settings = {f"/{p.relative_to(tree)}" for p in (tree / "etc").rglob("*") if p.is_file()}

    kept = re.findall(r"%config\(noreplace\) (\S+)$", spec, re.MULTILINE)

    assert settings == set(kept)
    assert 0o600 == (tree / "etc/enforcer/enforcer.yaml").stat().st_mode & 0o777


def test_the_program_finds_its_modules(laid_out: tuple[str, Path]) -> None:
    """In a directory that no other Python program has."""
    tree = laid_out[1]
    text = (tree / "usr/bin/enforcer").read_text()
    assert text.startswith("#!/usr/bin/python3 -I\n")
    there = text.replace("/usr/lib64/enforcer", str(tree / "usr/lib64/enforcer"))

    code = there.replace("sys.exit(", "print(sys.modules['enforcer'].__file__); sys.exit(")
    ended = subprocess.run(
        [sys.executable, "-Ic", code, "check", "--quiet", ROOT / "policies/secrets.yaml"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert 0 == ended.returncode, ended.stderr
    assert f"{tree}/usr/lib64/enforcer/enforcer/__init__.py" == ended.stdout.splitlines()[0]


def test_container_runtimes_find_the_hook(laid_out: tuple[str, Path]) -> None:
    """In the folder where podman and CRI-O look, with the defaults; what it runs is in the package."""
    _, tree = laid_out
    require_hook(tree)


@pytest.mark.parametrize(("name", "needed"), SCRIPTS.items())
def test_scripts_of_the_rpm_are_sound(
    name: str, needed: set[str], laid_out: tuple[str, Path]
) -> None:
    """As the shell reads them, and with the functions that they call."""
    text = section(laid_out[0], name)
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)

    assert needed <= set(re.findall(r"^(\w+)\(\) ", text, re.MULTILINE))
    assert "@" not in text
