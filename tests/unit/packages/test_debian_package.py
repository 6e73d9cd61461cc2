# SPDX-License-Identifier: MIT
"""The Debian package: what it holds, what it needs, and that its scripts are sound."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaged_hook import require_hook

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = {
    "postinst": {"has_systemd", "replace"},
    "prerm": {"has_systemd", "end_enforcement"},
    "postrm": set(),
}

pytestmark = pytest.mark.skipif(
    not (shutil.which("dpkg-deb") and shutil.which("dpkg-shlibdeps")),
    reason="packages are made with dpkg-dev, which is not installed",
)


@pytest.fixture(scope="module")
def package(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("deb")
    command = [sys.executable, ROOT / "scripts/make-deb.py", "--wheel", wheel, "--into", into]
    made = subprocess.run(
        [*command, "--revision", "7"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert 0 == made.returncode, made.stderr
    assert made.stdout.strip().endswith("-7.deb")
    return Path(made.stdout.strip())


@pytest.fixture(scope="module")
def tree(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("tree")
    subprocess.run(["dpkg-deb", "-x", package, into], check=True)
    return into


def field(package: Path, name: str) -> str:
    return subprocess.check_output(["dpkg-deb", "-f", package, name], text=True).strip()


def test_it_depends_on_each_library(package: Path) -> None:
    """Those of the project, of the versions that it asks for; and those that the extension links."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {each.partition(">=")[2] for each in project["dependencies"]}

    found = dict(re.findall(r"(\S+) \(>= ([^)]+)\)", field(package, "Depends")))

    assert "3.11~" == found.pop("python3")
    assert {"libbpf1", "libc6"} <= found.keys()
    libraries = {name: version for name, version in found.items() if name.startswith("python3-")}
    assert len(project["dependencies"]) == len(libraries)
    assert wanted == set(libraries.values())
    assert "amd64" == field(package, "Architecture")


def test_what_an_administrator_edits_is_kept_by_dpkg(package: Path, tree: Path) -> None:
    """All of /etc but folders."""
    listed = subprocess.check_output(["dpkg-deb", "-I", package, "conffiles"], text=True)
    files = {f"/{path.relative_to(tree)}" for path in (tree / "etc").rglob("*") if path.is_file()}

    assert files == set(listed.split())
    assert (tree / "etc/enforcer/policies").is_dir()
    assert [] == list((tree / "etc/enforcer/policies").iterdir())


def test_the_program_runs_from_where_it_lies(tree: Path) -> None:
    """The modules, the extension and the BPF objects are complete."""
    program = tree / "usr/bin/enforcer"
    first, *rest = program.read_text().splitlines()
    assert "#!/usr/bin/python3 -I" == first
    code = f"import sys; sys.path.insert(0, {str(tree / 'usr/lib/python3/dist-packages')!r})\n"
    code += "\n".join(rest)

    policy = ROOT / "policies/secrets.yaml"
    ended = subprocess.run(
        [sys.executable, "-Ic", code, "check", "--quiet", policy],
        check=False,
        capture_output=True,
        text=True,
    )

    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert (tree / "usr/share/enforcer/policies/secrets.yaml").exists()


@pytest.mark.parametrize("name", ["kubectl-enforcer", "kubectl_complete-enforcer"])
def test_kubectl_finds_its_plugin(name: str, tree: Path) -> None:
    """Programs on the path, by the names that kubectl looks for."""
    program = tree / "usr/bin" / name

    assert program.read_text().startswith("#!/usr/bin/python3 -I\n")
    assert 0o755 == program.stat().st_mode & 0o777
    assert (tree / "usr/share/man/man1/kubectl-enforcer.1.gz").is_file()


def test_the_unit_finds_its_page_and_its_settings(tree: Path) -> None:
    """What the unit names is in the package."""
    unit = (tree / "usr/lib/systemd/system/enforcer.service").read_text()
    for path in re.findall(r"(?:file://|--config )(/\S+)", unit):
        assert (tree / path.lstrip("/")).is_file(), path


def test_man_and_the_shells_find_what_is_theirs(tree: Path) -> None:
    """Where those of Debian look, the pages compressed."""
    share = tree / "usr/share"
    start = gzip.decompress((share / "man/man1/enforcer-start.1.gz").read_bytes())

    assert b'.TH "ENFORCER\\-START" 1' in start
    assert (share / "man/man5/enforcer.yaml.5.gz").is_file()
    assert [] == [path for path in (share / "man").glob("man?/*") if path.suffix != ".gz"]
    assert (share / "bash-completion/completions/enforcer").is_file()
    assert (share / "fish/vendor_completions.d/enforcer.fish").is_file()
    assert "#compdef enforcer" in (share / "zsh/vendor-completions/_enforcer").read_text()


def test_container_runtimes_find_the_hook(tree: Path) -> None:
    """In the folder where podman and CRI-O look, with the defaults; what it runs is in the package."""
    require_hook(tree)


@pytest.mark.parametrize(("name", "needed"), SCRIPTS.items())
def test_scripts_are_sound(name: str, needed: set[str], package: Path, tmp_path: Path) -> None:
    """As the shell reads them, with an end at the first error, and with the functions that they call."""
    subprocess.run(["dpkg-deb", "-e", package, tmp_path / "control"], check=True)
    script = tmp_path / "control" / name
    subprocess.run(["sh", "-n", script], check=True)

    text = script.read_text()
    assert "\nset -e\n" in text
    assert needed <= set(re.findall(r"^(\w+)\(\) ", text, re.MULTILINE))
    assert "@FUNCTIONS@" not in text
