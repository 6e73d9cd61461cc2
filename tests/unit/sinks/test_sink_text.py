# SPDX-License-Identifier: MIT
"""JSON lines and the terminal."""

import json
import os

import pytest
from fakes import WALL_NS, denied, record
from hypothesis import given
from hypothesis import strategies as st

from enforcer.events.document import as_document
from enforcer.events.types import Lost, Origin
from enforcer.policy.language.vocabulary import Op
from enforcer.policy.model.policy import Verb
from enforcer.sinks.jsonl import json_line
from enforcer.sinks.memory import Memory
from enforcer.sinks.spec import FileOutput
from enforcer.sinks.terminal import Terminal, terminal_line, wants_colour


@given(st.binary(max_size=80), st.binary(max_size=15))
def test_json_is_one_line_of_ascii(path, comm):
    """Whatever a process is called, the line parses and holds no control character."""
    line = json_line(record(path=path, comm=comm, op=Op.READ))

    assert line.isascii()
    assert line.count(b"\n") == 1
    assert line[:-1].decode().isprintable()
    assert json.loads(line)["version"] == 1


def test_json_log_is_appended_to(tmp_path):
    """A log that exists is continued."""
    path = tmp_path / "log.json"
    for _ in range(2):
        log = FileOutput(path=path).open()
        log.write(denied())
        log.flush()
        log.close()

    shown = [json.loads(line) for line in path.read_text().splitlines()]

    assert [s["action"] for s in shown] == ["deny", "deny"]


def test_terminal_line_of_a_denial():
    """Outcome, who, what and by which rule are on one line, once."""
    line = terminal_line(as_document(denied()))

    assert line[8:] == (
        " denied      tee[12345] write /srv/vault/secret [EPERM] by /usr/bin/tee (vault/no-writes)"
    )


def test_terminal_line_with_a_message():
    """What the policy has to say stands in it."""
    origin = Origin("vault", "no-writes", "vault.yaml:9:3", message="ask us: {path}")

    line = terminal_line(as_document(denied(origin=origin)))

    assert " [EPERM]: ask us: /srv/vault/secret (vault/no-writes)" in line


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"action": Verb.KILL, "signal": 9}, "killed      tee[12345] write /srv/vault/secret [EPERM, SIGKILL]"),
        ({"flags": 0}, "would deny  "),
        ({"flags": 1}, "[EPERM, not prevented]"),
        ({"flags": 1 | 2 | 4}, "[EPERM, operand unknown]"),
        ({"flags": 1 | 2 | 8}, "[EPERM, signal not delivered]"),
    ],
)  # fmt: skip
def test_terminal_says_what_was_done(values, words):
    """Audit, kill, and verdicts that did not take full effect read differently."""
    assert words in terminal_line(as_document(denied(**values)))


def test_terminal_is_not_obeyed():
    """Escape sequences in names are shown, and colours are ours alone."""
    line = terminal_line(as_document(denied(path=b"/tmp/\x1b[2J\nfake", comm=b"\x1b]0;x")))

    assert "\x1b" not in line
    assert "\n" not in line
    assert "\\x1b[2J\\nfake" in line


def test_colours_surround_the_verdict():
    """With colours the words are the same."""
    plain = terminal_line(as_document(denied()))
    coloured = terminal_line(as_document(denied()), colour=True)

    assert "\x1b[33mdenied" in coloured
    assert "\x1b" not in plain


def test_terminal_tells_losses():
    """A loss is a line too."""
    lost = Lost(time_ns=WALL_NS, decisions=1, malformed=2, reason="short\n")

    line = terminal_line(as_document(lost))

    assert "1 of denials and kills, 0 others, 2 unreadable (short\\n)" in line


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(environment, wanted):
    """NO_COLOR and dumb terminals get none."""
    main, terminal = os.openpty()
    try:
        assert wants_colour(terminal, environment) is wanted
    finally:
        os.close(main)
        os.close(terminal)


def test_pipes_get_no_colours():
    """Output that is not a terminal is plain."""
    reader, writer = os.pipe()
    sink = Terminal.on(writer, {"TERM": "xterm"})
    sink.write(denied())
    sink.flush()
    sink.close()

    assert b"\x1b" not in os.read(reader, 4096)
    os.close(reader)
    os.close(writer)


def test_memory_keeps_everything():
    """The list is the output."""
    sink = Memory()
    first = denied()

    sink.write(first)
    sink.flush()
    sink.close()

    assert sink.records == [first]
