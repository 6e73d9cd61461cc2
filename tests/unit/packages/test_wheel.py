# SPDX-License-Identifier: MIT
"""The wheel: it has all that runs, and all that an administrator needs besides."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from enforcer import __version__

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def files(wheel: Path) -> dict[str, str]:
    """Of the folder of the installation's prefix, or of ``modules``: the name of each file in the archive."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    data = f"enforcer-{__version__}.data/data/"
    return {n.removeprefix(data) if n.startswith(data) else f"modules/{n}": n for n in names}


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return email.message_from_bytes(
            archive.read(f"enforcer-{__version__}.dist-info/METADATA"),
        )


def test_it_is_for_every_python_from_3_11(wheel: Path, metadata: Message) -> None:
    """By the stable ABI; the platform is that of the libraries that the extension links."""
    assert wheel.name.startswith(f"enforcer-{__version__}-cp311-abi3-linux_")
    assert ">=3.11" == metadata["Requires-Python"]


def test_it_has_each_module(files: dict[str, str]) -> None:
    modules = {f"modules/{p.relative_to(ROOT)}" for p in (ROOT / "enforcer").rglob("*.py")}

    assert modules <= files.keys()
    assert {"modules/enforcer/_abi.py", "modules/enforcer/libbpf/_ffi.abi3.so"} <= files.keys()


def test_it_has_each_object_that_is_loaded(files: dict[str, str]) -> None:
    """The engine, what tries a kernel, and what decides there without a hook; none for tests alone."""
    objects = {name.removeprefix("modules/") for name in files if name.endswith(".o")}
    names = ("decide_test", "enforcer", "probe")

    assert {f"enforcer/libbpf/objects/{name}.bpf.o" for name in names} == objects


def test_no_source_of_the_extension_is_installed(files: dict[str, str]) -> None:
    assert [] == [name for name in files if name.endswith((".c", ".h", ".cdef.h", ".pyc"))]


@pytest.mark.parametrize(
    ("folder", "place"),
    [
        ("docs", "share/doc/enforcer"),
        ("packaging/grafana", "share/enforcer/grafana"),
        ("packaging/prometheus", "share/enforcer/prometheus"),
        ("policies", "share/enforcer/policies"),
    ],
)
def test_it_has_documents_and_policies(folder: str, place: str, files: dict[str, str]) -> None:
    """All that the repository has."""
    listed = subprocess.check_output(["git", "ls-files", folder], cwd=ROOT, text=True).split()
    wanted = {f"{place}/{name.removeprefix(f'{folder}/')}" for name in listed}

    assert wanted
    assert wanted <= files.keys()


def test_it_has_what_a_service_needs(files: dict[str, str], wheel: Path) -> None:
    """The files that docs/service.md installs, as they are in the repository."""
    wanted = {
        "lib/systemd/system/enforcer.service": "packaging/enforcer.service",
        "share/enforcer/enforcer.yaml": "packaging/enforcer.yaml",
        "share/enforcer/enforcer.schema.json": "packaging/enforcer.schema.json",
        "share/enforcer/logrotate/enforcer": "packaging/logrotate/enforcer",
    }
    with zipfile.ZipFile(wheel) as archive:
        for name, source in wanted.items():
            assert (ROOT / source).read_bytes() == archive.read(files[name])


def test_it_has_pages_and_completions(files: dict[str, str]) -> None:
    pages = {f"share/man/{p.relative_to(ROOT / 'build/man')}" for p in _pages()}

    assert {"share/man/man1/enforcer.1", "share/man/man5/enforcer.yaml.5"} <= pages
    assert pages <= files.keys()
    for place in (
        "share/bash-completion/completions/enforcer",
        "share/fish/vendor_completions.d/enforcer.fish",
        "share/zsh/site-functions/_enforcer",
    ):
        assert place in files


def _pages() -> list[Path]:
    return [path for path in (ROOT / "build/man").rglob("*") if path.is_file()]


def test_it_carries_its_licences(files: dict[str, str], metadata: Message) -> None:
    """What it says of them, and their texts: none of libraries, which are not inside this wheel."""
    texts = {
        f"modules/enforcer-{__version__}.dist-info/licenses/{name}" for name in _texts(metadata)
    }

    assert "MIT AND GPL-2.0-only" == metadata["License-Expression"]
    assert {"LICENSE", "LICENSES/GPL-2.0-only.txt"} == set(_texts(metadata))
    assert texts <= files.keys()


def _texts(metadata: Message) -> list[str]:
    return metadata.get_all("License-File") or []


def test_an_incomplete_sysroot_is_refused(tmp_path: Path) -> None:
    """A wheel for everybody is made with libraries that are there, or not at all."""
    ended = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "made"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"ENFORCER_SYSROOT": str(tmp_path)},
    )

    assert 0 != ended.returncode
    assert f"ENFORCER_SYSROOT={tmp_path} is not complete" in ended.stdout + ended.stderr
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(not shutil.which("objdump"), reason="objdump is not installed")
def test_the_extension_shows_only_its_beginning(wheel: Path, tmp_path: Path) -> None:
    """Nothing of ours takes the place of another library's functions."""
    with zipfile.ZipFile(wheel) as archive:
        extension = archive.extract("enforcer/libbpf/_ffi.abi3.so", tmp_path)

    shown = subprocess.check_output(["objdump", "-T", extension], text=True)
    defined = [line.split()[-1] for line in shown.splitlines() if " .text" in line]

    assert ["PyInit__ffi"] == defined
