# SPDX-License-Identifier: MIT
"""
The dashboard and `explain` with a real daemon: what a kernel refused is seen and explained.

One daemon on one terminal serves all tests; the last one ends it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemon import ask, leftovers, told, until
from engine import EXECUTED, attempt, whole_lines
from terminals import Terminal

from enforcer.workbench.dashboard.painter import LEAVE

ROOT = Path("/opt/enforcer-test-dashboard")
SECRET = ROOT / "secret"
POLICY = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: vault}}
spec:
  rules:
    - name: nobody-reads
      file: read
      match: {{path: {ROOT}/secret}}
      action: deny
"""


@pytest.fixture(scope="module")
def policy() -> Iterator[Path]:
    ROOT.mkdir()
    SECRET.write_text("s")
    file = ROOT / "vault.yaml"
    file.write_text(POLICY)
    yield file
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def terminal(policy) -> Iterator[Terminal]:
    """`start --dashboard`, executed as a program of its own."""
    log = str(ROOT / "log.json")
    made = Terminal.running(
        [*EXECUTED, "start", "--dashboard", "--json-log", log, str(policy)], size=(160, 50)
    )
    yield made
    made.close()
    if any(leftovers().values()):
        ask("stop", "--force")


@pytest.fixture
def shown(terminal) -> Terminal:
    """The dashboard, back at its list from wherever the test before has left it."""
    terminal.until("live")
    terminal.type(b"\x7f\x7f")
    return terminal


def reads() -> bool:
    return attempt("/usr/bin/cat", str(SECRET)).returncode == 0


def test_a_denial_is_seen_and_explained(shown):
    """On the terminal of the daemon, from another one, and by the id of the record."""
    assert not reads()
    shown.until("vault/nobody-reads")
    shown.type(b"\r")
    shown.until("action: allow")

    (record, *_) = [json.loads(line) for line in whole_lines(ROOT / "log.json")]
    explained = told("explain", record["id"])
    assert f"yes  path: {SECRET} is {SECRET}" in explained
    assert "process: {binary: /usr/bin/cat}" in explained
    assert "vault/nobody-rea" in told("dashboard", "--once")
    assert {"id", "pid", "name", "exe", "cmdline"} == record["ancestors"][0].keys()


def test_a_mode_is_switched_with_a_key(shown):
    """What was refused is permitted, and refused again."""
    shown.type(b"\t")
    shown.type(b"m")
    shown.until("Let policy vault audit: nothing is refused?")
    shown.type(b"y")
    shown.until("policy vault: mode audit, generation")
    assert reads()
    shown.forget()
    shown.until("audit*")
    shown.type(b"my")
    shown.until("policy vault: mode enforce, generation")
    assert not reads()


def test_leaving_it_ends_no_enforcement(shown):
    """Neither does a dashboard that is killed; Ctrl-C does."""
    shown.type(b"q")
    shown.until("the dashboard is closed, enforcement goes on")
    assert shown.is_restored
    assert LEAVE in shown.raw  # where it came is forgotten by now
    assert not reads()
    shown.type(b"\x03")
    assert shown.ends() == 0
    assert "stopped after" in shown.text
    assert until(reads)
