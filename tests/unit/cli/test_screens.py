# SPDX-License-Identifier: MIT
"""Screens of 80, 120 and 160 columns: nothing that is printed on one is broken where it ends."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys

import pytest
from control_fakes import WEB, Served
from fakes import denied
from rich.cells import cell_len

from enforcer.cli.commands import COMMANDS
from enforcer.cli.main import main
from enforcer.events.document import as_document
from enforcer.events.types import Origin
from enforcer.kernel import probe
from enforcer.kernel.placement import Placement
from enforcer.libbpf import abi

SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
WIDTHS = (80, 120, 160)
ACTIONS = ("list", "show", "add", "remove", "enable", "disable", "set-mode")
HELP = [
    ["--help"],
    ["help"],
    *([command, "--help"] for command in COMMANDS),
    *(["policy", action, "--help"] for action in ACTIONS),
]
LONG = "/etc/enforcer/policies/of-a-department/with-a-long-name/and-a-longer-one/web.yaml"
VAULT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec:
  rules:
    - name: secrets
      file: write
      match: {path: /srv/vault/**, notProcess: {binary: [/usr/bin/vault, /usr/bin/backup]}}
      action: deny
"""
STATE = {
    "pid": 812,
    "uptimeSeconds": 12.5,
    "generation": 7,
    "programs": 18,
    "policies": [{**WEB, "file": LONG}, {**WEB, "name": "a-policy-with-a-long-name"}],
    "records": {"total": 5, "lostDecisions": 0, "lostActivity": 0, "malformed": 0},
    "sinks": [],
    "kernel": {"passed_by": 12345},
    "memory": {"residentBytes": 2048, "mapBytes": 1024},
    "pinned": "/sys/fs/bpf/enforcer",
    "protected": True,
    "enforcesAt": "security_* functions",
    "control": {},
}


@pytest.fixture(params=WIDTHS)
def screen(request, monkeypatch, capsys):
    """A terminal of some width; called, it runs a command and returns the lines that it shows."""

    def show(*words):
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        with contextlib.suppress(SystemExit):  # a help text ends the command
            main(list(words))
        shown = capsys.readouterr()
        return SEQUENCE.sub("", shown.out + shown.err).splitlines()

    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("NO_COLOR", "1")
    show.width = request.param
    return show


def too_wide(screen, lines):
    assert len(lines) > 1
    return [line for line in lines if cell_len(line) > screen.width]


@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_fits(screen, words):
    """Prose, options and examples."""
    assert [] == too_wide(screen, screen(*words))


@pytest.mark.parametrize("words", [["status"], ["policy", "list"]], ids=" ".join)
def test_what_the_daemon_says_fits(screen, words, tmp_path):
    """Sentences are folded, and of long paths the end stays."""
    served = Served(tmp_path / "s.sock", STATE)
    try:
        lines = screen(*words, "--socket", str(tmp_path / "s.sock"))
    finally:
        served.close()

    assert [] == too_wide(screen, lines)
    assert any(line.endswith("web.yaml") for line in lines)


@pytest.mark.parametrize(
    "words",
    [
        ["start", "--syslog", "/dev/log"],
        ["status", "--socket", "/run/" + "a-long-name/" * 8 + "e.sock"],
        ["dashboard", "--size", "1x1"],
    ],
    ids=" ".join,
)
def test_a_last_sentence_fits(screen, words):
    """What is wrong, and what to do, is not broken within a word."""
    lines = screen(*words)

    assert [] == [line for line in lines if cell_len(line) > screen.width and " " in line.strip()]
    assert lines[0].startswith("enforcer: ")


@pytest.mark.parametrize("words", [["-v"], ["--explain"]], ids=" ".join)
@pytest.mark.parametrize("action", ["deny", "dney"])
def test_check_fits(screen, words, action, tmp_path, monkeypatch):
    """Messages and the lines that they are about, and where rules are decided."""
    (tmp_path / "vault.yaml").write_text(VAULT.replace("deny", action))
    monkeypatch.chdir(tmp_path)

    lines = screen("check", *words, "vault.yaml")

    assert [] == too_wide(screen, lines)
    assert any(line.startswith("vault.yaml:") for line in lines)


def test_explain_fits(screen, tmp_path, monkeypatch):
    """What matched and what would allow it; a rule to be copied stays as it is."""
    origin = Origin("vault", "secrets", "vault.yaml:6:7")
    text = json.dumps(as_document(denied(origin=origin, path=b"/srv/vault" + b"/a b" * 8)))
    (tmp_path / "vault.yaml").write_text(VAULT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    lines = screen("explain", "-", "vault.yaml")

    assert [] == too_wide(screen, lines)
    assert "      - name: allow-tee" in lines


@pytest.mark.parametrize("gives", [probe.PREVENTS, probe.NOTHING])
def test_doctor_fits(screen, gives, monkeypatch):
    """With the table, and without it if there is nothing that it could say."""
    parts = tuple(probe.OperationSupport(op, gives, ("file_open",) * 3, None) for op in abi.OPS)
    problem = probe.Problem("this machine cannot do it " * 5, "take another one " * 5)
    report = probe.Report("6.12.1", Placement.HOOKS, parts, (problem,))
    monkeypatch.setattr(probe, "examine", lambda: report)
    monkeypatch.setattr("enforcer.cli.arguments.os.geteuid", lambda: 0)

    lines = screen("doctor")

    assert [] == too_wide(screen, [line.rstrip() for line in lines])
    assert any(line.startswith("file.read ") for line in lines) is (gives == probe.PREVENTS)
