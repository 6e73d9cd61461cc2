# SPDX-License-Identifier: MIT
"""Folders that a machine fills: what is wrong with one file lifts nothing, and keeps no other out."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from amount import number
from daemon import Daemon, managed, until
from engine import attempt

from enforcer import places

ROOT = Path("/opt/enforcer-test-tolerant")
GOOD = number(200, 40)
BROKEN = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: broken}\nspec: {rules: [{reed: x}]}\n"


def _policy(name: str, target: Path) -> str:
    return (
        f"apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {{name: {name}}}\n"
        f"spec: {{rules: [{{name: r, file: read, match: {{path: {target}}}, action: deny}}]}}\n"
    )


@attrs.define
class Tenants:
    """A folder with a policy for each file, and the daemon that follows it."""

    daemon: Daemon
    policies: Path = ROOT / "policies"

    def write(self, name: str, text: str) -> None:
        """Write a policy file at once, as a controller does."""
        beside = self.policies / f".{name}"
        beside.write_text(text)
        beside.rename(self.policies / f"{name}.yaml")

    def refused(self) -> dict[str, bool]:
        """The files that are not active as they stand, and whether what they said before is."""
        return {Path(f["file"]).stem: f["kept"] for f in self.daemon.status()["refusedFiles"]}

    def names(self) -> set[str]:
        """The policies that are active."""
        return {policy["name"] for policy in self.daemon.status()["policies"]}


def _target(name: str) -> Path:
    return ROOT / f"target-{name}"


def _reads(name: str) -> bool:
    ended = attempt("/bin/cat", str(_target(name)))
    assert ended.returncode == 0 or b"not permitted" in ended.stderr, ended.stderr
    return ended.returncode == 0


@pytest.fixture(scope="module")
def tenants(tmp_path_factory) -> Iterator[Tenants]:
    """Many files that can be active, and one that cannot."""
    ROOT.mkdir()
    (ROOT / "policies").mkdir()
    places.LAST_GOOD.unlink(missing_ok=True)
    with managed(tmp_path_factory.mktemp("tolerant"), ROOT / "policies") as daemon:
        tenants = Tenants(daemon)
        for name in ["new", "broken", *(f"t{number}" for number in range(GOOD))]:
            _target(name).write_text("content\n")
        for number in range(GOOD):
            tenants.write(f"t{number}", _policy(f"t{number}", _target(f"t{number}")))
        tenants.write("broken", BROKEN)
        assert _reads("t7")
        daemon.start("--tolerant")
        yield tenants


def test_one_of_many_is_refused_with_its_place(tenants: Tenants):
    """All others are active."""
    assert {"broken": False} == tenants.refused()
    assert {f"t{number}" for number in range(GOOD)} == tenants.names()
    assert f"{ROOT}/policies/broken.yaml:4:" in tenants.daemon.output
    assert "1 file refused" in tenants.daemon.output
    assert not _reads("t7")
    assert not _reads(f"t{GOOD - 1}")
    assert _reads("broken")


def test_what_a_file_said_before_stays(tenants: Tenants):
    """The watch sees the file that is wrong now, and activates another one all the same."""
    tenants.write("t7", BROKEN)
    tenants.write("new", _policy("new", _target("new")))

    until(lambda: "new" in tenants.names())

    assert {"broken": False, "t7": True} == tenants.refused()
    assert not _reads("new")
    assert not _reads("t7")
    (older,) = [p["name"] for p in tenants.daemon.status()["policies"] if p["older"]]
    assert "t7" == older
    status = subprocess.run(["enforcer", "status"], capture_output=True, check=True, text=True)
    said = " ".join(status.stdout.split())
    assert f"refused: {ROOT}/policies/t7.yaml: what it said before is active:" in said


def test_a_name_that_is_taken_lifts_nothing(tenants: Tenants):
    """Nor does a file that sorts before it, with a rule that is about something else."""
    tenants.write("a", _policy("t8", ROOT / "nothing"))

    until(lambda: "a" in tenants.refused())

    assert not _reads("t8")


def test_it_outlives_the_daemon(tenants: Tenants):
    """An orderly end lifts everything; what a file that is wrong said before is active again after it."""
    tenants.daemon.stop()
    assert _reads("t7")

    tenants.daemon.start("--tolerant", "--logfmt-log", "-")

    assert {"a": False, "broken": False, "t7": True} == tenants.refused()
    assert not _reads("t7")
    # Its records are on standard output, too, where a container's are collected.
    until(lambda: ' policy="t7" ' in tenants.daemon.output)


def test_to_remove_a_file_is_an_order(tenants: Tenants):
    """Also one that is wrong; the name is free then."""
    (tenants.policies / "t7.yaml").unlink()
    (tenants.policies / "t8.yaml").unlink()

    until(lambda: {"broken": False} == tenants.refused())

    assert _reads("t7")
    assert _reads("t8")
    assert {"t8", "new"} <= tenants.names()


def test_a_folder_that_vanishes_is_no_order(tenants: Tenants):
    """But one that is empty is."""
    away = ROOT / "away"
    tenants.policies.rename(away)
    until(lambda: "policies" in tenants.refused())
    assert not _reads("t9")

    tenants.policies.mkdir()

    until(lambda: not tenants.names())
    assert _reads("t9")
