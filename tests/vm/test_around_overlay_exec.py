# SPDX-License-Identifier: MIT
"""
No overlay is a way around a rule that refuses the programs of a directory that it has as a layer.

What a program writes is the witness that it ran. Directories with the same programs are the neighbours, and before
the engine starts the control.
"""

import errno
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attempter
import overlay_exec_attempts
import pytest
from engine import Engine, running

_SCRIPT = overlay_exec_attempts.__file__
_ROOT = Path("/srv/programs")
_NAMES = (
    *("kept", "killed", "free", "mixed", "scripted", "listed", "audited"),
    *("recorded-lower", "recorded-loader"),
)
_WAYS = (
    *("directly", "lower", "upper", "user", "nested", "descriptor", "left", "script"),
    *("interpreter", "loader", "loader_by_descriptor", "loader_of_user"),
)
_BY_LOADER = {"loader", "loader_by_descriptor", "loader_of_user"}
_POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: programs}}
spec:
  rules:
  - name: kept
    exec: {{}}
    match: {{path: [{_ROOT}/kept/**, {_ROOT}/recorded-*/**]}}
    action: {{deny: {{errno: EDOM}}}}
  - name: killed
    exec: {{}}
    match: {{path: {_ROOT}/killed/**}}
    action: kill
  - name: one-of-mixed
    exec: {{}}
    match: {{path: {_ROOT}/mixed/run}}
    action: allow
  - name: mixed
    exec: {{}}
    match: {{path: {_ROOT}/mixed/**}}
    action: {{deny: {{errno: EDOM}}}}
  - name: other-scripts
    exec: {{}}
    match: {{path: {_ROOT}/scripted/**, script: true}}
    action: {{deny: {{errno: EDOM}}}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: audited}}
spec:
  mode: audit
  rules:
  - name: audited
    exec: {{}}
    match: {{path: {_ROOT}/audited/**}}
    action: deny
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: list}}
spec:
  selector: {{uid: 4321}}
  default: {{exec: deny}}
  rules:
  - name: listed
    exec: {{}}
    match: {{path: [{_ROOT}/merged/run, /usr/bin/setpriv]}}
    action: allow
"""


def _furnish(directory: Path) -> None:
    directory.mkdir(parents=True)
    shutil.copy("/bin/echo", directory / "run")
    (directory / "script").write_text("#!/bin/sh\necho ran\n")
    (directory / "script").chmod(0o755)


def _ran(way: str, directory: Path) -> tuple[int, bool]:
    """Make an attempt: how it ended, and whether the program ran."""
    result = attempter.make(_SCRIPT, way, str(directory))
    return result.returncode, b"ran" in result.stdout


@pytest.fixture(scope="module")
def controls() -> dict[str, tuple[int, bool]]:
    """What the attempts do before there is an engine."""
    _ROOT.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", _ROOT], check=True)
    _ROOT.chmod(0o755)
    for name in (*_NAMES, "empty"):
        if name != "empty":
            _furnish(_ROOT / name)
        else:
            (_ROOT / name).mkdir()
    (_ROOT / "merged").mkdir()
    options = f"lowerdir={_ROOT}/listed:{_ROOT}/empty"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "none", _ROOT / "merged"], check=True)
    return {way: _ran(way, _ROOT / "kept") for way in (*_WAYS, "hidden")}


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    """One engine; it starts after the controls were taken."""
    with running(_POLICY, tmp_path_factory.mktemp("programs")) as it:
        yield it


@pytest.mark.parametrize("way", _WAYS)
def test_program_of_a_layer_does_not_run(way, controls, daemon):
    """It ran before there was the rule, and does now in the directory beside."""
    assert (0, True) == controls[way]

    code, ran = _ran(way, _ROOT / "kept")

    assert not ran
    assert code == errno.EDOM or (code and way in _BY_LOADER)
    assert (0, True) == _ran(way, _ROOT / "free")


@pytest.mark.parametrize("way", ["lower", "user", "loader"])
def test_who_runs_it_is_killed(way, controls, daemon):
    """As who runs it by its own name is."""
    assert (-signal.SIGKILL, False) == _ran("directly", _ROOT / "killed")
    assert (-signal.SIGKILL, False) == _ran(way, _ROOT / "killed")


@pytest.mark.parametrize("way", ["lower", "user", "loader"])
def test_what_a_rule_in_front_allows_runs(way, controls, daemon):
    """The rule behind it refuses the others, by either name."""
    assert (0, True) == _ran(way, _ROOT / "mixed")
    assert (errno.EDOM, False) == _ran("script", _ROOT / "mixed")


def test_rules_on_what_the_open_does_not_tell_are_left_to_the_overlay_s_name(controls, daemon):
    """Whether it is a script is known when it has been read; the page says so."""
    assert (0, True) == _ran("lower", _ROOT / "scripted")
    assert (0, True) == _ran("script", _ROOT / "scripted")


def test_audited_program_runs_and_is_recorded(controls, daemon):
    """By the name in the layer."""
    assert (0, True) == _ran("lower", _ROOT / "audited")

    event = daemon.wait_for(lambda e: e["object"].get("path") == f"{_ROOT}/audited/run")
    assert ("audited", "deny", False) == (event["rule"], event["action"], event["enforced"])


def test_what_the_host_does_not_show_has_no_name(controls, daemon):
    """Below a file system that nobody else sees the same names mean nothing."""
    assert (0, True) == controls["hidden"]
    assert (0, True) == _ran("hidden", _ROOT / "kept")


def test_list_of_programs_has_the_names_in_the_overlay(controls, daemon):
    """A container's programs lie in layers whose names no list has."""
    as_user = ["setpriv", "--reuid=4321", "--regid=4321", "--clear-groups"]

    listed = subprocess.run(
        [*as_user, _ROOT / "merged/run", "ran"], capture_output=True, check=False
    )
    other = subprocess.run([*as_user, _ROOT / "free/run", "ran"], capture_output=True, check=False)

    assert (0, b"ran\n") == (listed.returncode, listed.stdout), listed
    assert other.returncode
    assert b"" == other.stdout


@pytest.mark.parametrize(("way", "word"), [("lower", "exec"), ("loader", "loaded")])
def test_refusal_is_recorded_with_the_name_in_the_layer(way, word, controls, daemon):
    """As of a program that was run by it, by who called exec."""
    path = f"{_ROOT}/recorded-{way}/run"
    _ran(way, _ROOT / f"recorded-{way}")

    event = daemon.wait_for(lambda e: e["object"].get("path") == path)
    assert ("exec", word, "deny") == (event["event"], event["operation"], event["action"])
    assert Path(event["process"]["exe"]).name.startswith("python")
