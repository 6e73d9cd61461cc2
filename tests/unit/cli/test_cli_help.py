# SPDX-License-Identifier: MIT
"""What `enforcer` says of itself: help, versions and exit codes."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from enforcer import _abi
from enforcer.cli.commands import COMMANDS, parser
from enforcer.cli.exits import MEANINGS, Exit
from enforcer.cli.main import main

ROOT = Path(__file__).parents[3]


def enforcer(*words):
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "enforcer", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_version_names_what_enforcer_works_with():
    """A report of a mistake needs all of them; the option gives one line, as scripts expect."""
    said = enforcer("version").stdout

    assert [enforcer("--version").stdout] == said.splitlines(keepends=True)[:1]
    assert ["enforcer", "libbpf", "ABI", "kernel"] == [
        line.split()[0] for line in said.splitlines()
    ]
    assert re.search(r"^libbpf \d+\.\d+$", said, re.MULTILINE)
    assert f"ABI {_abi.ABI_HASH:016x}".startswith(re.search("^ABI .{8}$", said, re.MULTILINE)[0])
    assert f"kernel {os.uname().release}\n" in said


def test_the_version_without_the_extension_says_why(capsys, monkeypatch):
    """Who asks for it may ask because something is not installed."""
    monkeypatch.setitem(sys.modules, "enforcer.libbpf._ffi", None)
    for name in ("enforcer.libbpf", "enforcer.libbpf.abi", "enforcer.libbpf.calls"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    assert Exit.OK == main(["version"])

    said = capsys.readouterr().out.splitlines()
    assert said[1].startswith("libbpf: the extension cannot be loaded")
    assert ["enforcer", "kernel"] == [said[0].split()[0], said[2].split()[0]]


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        (["help"], ["--help"]),
        (["help", "dry-run"], ["dry-run", "--help"]),
        (["help", "policy", "add"], ["policy", "add", "--help"]),
        (["help", "help"], ["help", "--help"]),
    ],
)
def test_help_is_a_command(asked, same):
    """What a command says of itself, by a word that is easier to guess."""
    done = enforcer(*asked)

    assert (Exit.OK, "") == (done.returncode, done.stderr)
    assert enforcer(*same).stdout == done.stdout


def test_help_on_what_does_not_exist(capsys):
    """One sentence says so."""
    with pytest.raises(SystemExit) as ended:
        main(["help", "explode"])

    assert Exit.USAGE == ended.value.code
    assert "enforcer: there is no command 'explode' (enforcer help)\n" == capsys.readouterr().err


def test_every_exit_code_has_a_meaning(capsys):
    """The help lists those of enforcer, the documentation all."""
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    page = (ROOT / "docs/commands.md").read_text("utf-8")
    listed = re.findall(r"^\| ([\d, ]+) \|", page, re.MULTILINE)

    assert list(Exit) == list(MEANINGS)
    assert [code for code in Exit if f"  {code:d}  {MEANINGS[code]}" in said] == list(Exit)[:6]
    assert [int(code) for codes in listed for code in codes.split(",")] == list(Exit)


def test_the_options_of_start_are_in_groups(capsys):
    """Only the help itself is in none."""
    with pytest.raises(SystemExit):
        main(["start", "--help"])
    sections = re.findall(r"^([a-z ]+):\n((?:  .*\n)+)", capsys.readouterr().out, re.MULTILINE)
    options = {
        title: re.findall(r"^  (?:--)?([\w-]+)", body, re.MULTILINE) for title, body in sections
    }

    assert ["-h"] == options["options"]
    assert {"audit", "allow-degraded", "confirm-within", "protect", "key"} <= {*options["safety"]}
    assert [*("POLICY", "allow-empty", "tolerant", "policy-owner", "pods-dir", "watch")] == options[
        "policies"
    ]
    assert ["dashboard", "quiet", "color"] == options["terminal"]
    assert {"config", "persist", "pins", "socket"} <= {*options["service"]}
    assert {"json-log", "journald", "metrics"} <= {*options["records and metrics"]}


def test_a_command_with_many_options_has_groups():
    """More than eight are not found in a list."""
    root = parser(COMMANDS)
    commands = next(a for a in root._actions if isinstance(a, argparse._SubParsersAction)).choices
    plain = {
        name: [action.dest for action in command._optionals._group_actions]
        for name, command in commands.items()
    }

    assert COMMANDS.keys() == plain.keys()
    assert [] == [name for name, options in plain.items() if len(options) > 8]
