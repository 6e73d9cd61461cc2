# SPDX-License-Identifier: MIT
"""The line below a message, with a caret at the place; and when there are colours."""

import io
import os
import re
import sys

import pytest
from control_fakes import CHANGE, Served
from rich.cells import cell_len
from terminals import Terminal

from enforcer.cli.excerpts import Excerpts, cut
from enforcer.cli.exits import Exit, guarded
from enforcer.cli.main import main
from enforcer.cli.messages import tell_warnings
from enforcer.errors import LimitError, PolicyError, PolicyErrors
from enforcer.policy.text.loader import read
from enforcer.span import Span

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: tools}\nspec:\n  rules:\n"
WRONG = f"{HEAD}    - {{name: a, file: raed, match: {{path: /x}}, action: deny}}\n"
WARNED = f"{HEAD}    - {{name: a, file: read, match: {{path: /nowhere}}, action: deny}}\n"

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """No variable of whoever runs the tests; what --color sets is undone."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")


@pytest.fixture
def write(tmp_path):
    def make(text, name="policy.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


@pytest.fixture
def shown(capsys):
    """Check with colours; returns the lines of standard error, without them."""

    def check(*words):
        main(["check", "--color", "always", *map(str, words)])
        return _STYLE.sub("", capsys.readouterr().err).splitlines()

    return check


def column_of(caret, line):
    """Return the character of *line*, a line of an excerpt, above the caret of the next."""
    columns = cell_len(caret[: caret.index("^")])
    at = next(n for n in range(len(line) + 1) if cell_len(line[:n]) == columns)
    return line[at:]


def test_the_line_is_below_the_message(write, shown):
    """The message is the first line, as it is without."""
    path = write(WRONG)

    message, line, caret, summary = shown(path)

    assert message.startswith(f"{path}:6:23: ")
    assert "    6 |     - {name: a, file: raed, match: {path: /x}, action: deny}" == line
    assert column_of(caret, line).startswith("raed")
    assert "      | " + " " * 22 + "^" == caret
    assert "enforcer: 1 error in policies: nothing was loaded" == summary


def test_remarks_have_their_line_too(write, shown):
    """In another colour."""
    path = write(WARNED)

    message, line, caret = shown(path)

    assert message.startswith(f"{path}:6:43: info: /nowhere does not exist")
    assert column_of(caret, line).startswith("/nowhere")


@pytest.mark.parametrize(
    ("line", "column", "begins"),
    [
        ("a: b", 4, "b"),
        ("\ta:\tb", 5, "b"),
        ("日本語: 東京", 6, "東京"),
        ("e\u0301: b", 5, "b"),
        ("a\u200bb: c", 6, "c"),
        ("a\u3164b: c", 6, "c"),
        ("\x1b[2Ja: c", 8, "c"),
        ("a: c", 5, ""),
        ("a: c", 99, ""),
        ("", 1, ""),
    ],
)
def test_the_caret_is_below_the_place(line, column, begins):
    """Whatever the width of what is in front of it; nothing invisible, and nothing that is obeyed."""
    text, before = cut(line, column - 1, 72)

    assert column_of(" " * before + "^", text) == begins
    assert text.isprintable()
    assert "\u200b" not in text
    assert "\u3164" not in text


@pytest.mark.parametrize("filler", ["x", "日", "\t", "\x1b"])
@pytest.mark.parametrize(("before", "after"), [(0, 500), (500, 0), (300, 300), (60, 3), (3, 60)])
def test_a_long_line_is_cut_around_the_place(filler, before, after):
    """It fits, it says where something is missing, and the place is in it."""
    line = f"{filler * before}HERE{filler * after}"

    for room in (20, 40, 72, 200):
        text, at = cut(line, before, room)

        assert cell_len(text) <= room
        assert column_of(" " * at + "^", text).startswith("HERE")
        is_whole = (
            cell_len(filler.replace("\t", "    ").replace("\x1b", "\\x1b")) * (before + after) + 4
            <= room
        )
        assert is_whole is ("…" not in text)


def test_a_line_of_a_megabyte_takes_no_time():
    """Only what is near the place is looked at."""
    text, _ = cut("x" * 500_000 + "HERE" + "y" * 500_000, 500_000, 40)

    assert "HERE" in text
    assert text.startswith("…x")
    assert text.endswith("y…")


def test_on_a_narrow_terminal(write, shown, monkeypatch):
    """The message is not folded, the line is cut."""
    monkeypatch.setenv("COLUMNS", "40")

    message, line, caret, _ = shown(write(WRONG))

    assert len(message) > 40
    assert max(cell_len(line), cell_len(caret)) <= 40
    assert column_of(caret, line).startswith("raed")


def test_standard_input_has_lines_too(write, shown):
    """It cannot be read again."""
    with write(WRONG).open("rb") as file:
        before, _ = os.dup(0), os.dup2(file.fileno(), 0)
        try:
            message, line, caret, _ = shown("-")
        finally:
            os.dup2(before, 0)
            os.close(before)

    assert message.startswith("<stdin>:6:23: ")
    assert column_of(caret, line).startswith("raed")


@pytest.mark.parametrize(
    ("content", "begins"),
    [
        (b"a: \xff\n", "\\xff"),
        ("a: \u200b\n".encode(), "\\u200b"),
        ("\ufeffa: \u3164\n".encode(), "\\u3164"),
        (b"a: 1\r\nb: \x01\r\n", "\\x01"),
        (b"a: b\n\tc: d\n", "    c: d"),
    ],
)
def test_texts_that_are_none_are_shown(write, shown, content, begins):
    """As far as they can be."""
    _, line, caret, *_ = shown(write(content))

    assert column_of(caret, line).startswith(begins)


@pytest.mark.parametrize("content", [b"\xff\xfea\x00:\x00", b""])
def test_what_has_no_lines_has_no_excerpt(write, shown, content):
    """The message is enough."""
    message, summary = shown(write(content))

    assert ":1:1: " in message
    assert summary.startswith("enforcer: 1 error")


def test_what_is_about_the_file_shows_no_line(shown, tmp_path):
    """There is none, or it is not to blame."""
    assert 2 == len(shown(tmp_path / "none.yaml"))
    (tmp_path / "empty").mkdir()
    assert 2 == len(shown(tmp_path / "empty"))


@pytest.mark.parametrize("change", ["gone", "shorter", "a folder", "a pipe"])
def test_a_file_that_has_changed_meanwhile(write, change):
    """Nothing is shown that is not there, and nothing is waited for."""
    path = write(WRONG)
    span = Span(str(path), 6, 23)
    if change == "shorter":
        path.write_text("a\n")
    else:
        path.unlink()
    if change == "a folder":
        path.mkdir()
    if change == "a pipe":
        os.mkfifo(path)

    assert "x\n" == Excerpts().write("x", span, "error")


def test_a_file_is_read_once_for_all_of_its_messages(write, monkeypatch):
    """There may be a hundred."""
    path = write(WRONG)
    excerpts = Excerpts()
    first = excerpts.write("a", Span(str(path), 1, 1), "error")
    path.unlink()

    assert "apiVersion" in first
    assert "kind" in excerpts.write("b", Span(str(path), 2, 1), "error")


def test_what_a_message_says_is_not_obeyed(write):
    """It may have the name of a file in it."""
    path = write(WRONG, "a\x1b[2J\nb.yaml")

    text = Excerpts().write(f"{path}:6:23: x", Span(str(path), 6, 23), "error")

    assert "a\\x1b[2J\\nb.yaml:6:23" in _STYLE.sub("", text)
    assert "raed" in text


def test_one_error_without_a_list_has_its_line(write, capsys, monkeypatch):
    """Such as a limit, which the compiler tells at once."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    path = write(WARNED)

    def refuse():
        raise LimitError("too many", Span(str(path), 6, 7))

    assert Exit.POLICY == guarded(refuse)
    message, line, caret, _ = _STYLE.sub("", capsys.readouterr().err).splitlines()
    assert f"{path}:6:7: too many" == message
    assert column_of(caret, line).startswith("{name: a")


def test_cases_and_the_configuration_have_lines_too(write, capsys):
    """Whatever has places."""
    cases = write("kind: EnforcerCases\n", "a.cases.yaml")
    config = write("quite: true\n", "enforcer.yaml")

    main(["test", "--color", "always", str(cases)])
    assert "    1 | kind: EnforcerCases" in _STYLE.sub("", capsys.readouterr().err)
    main(["start", "--color", "always", "--config", str(config)])
    assert "    1 | quite: true" in _STYLE.sub("", capsys.readouterr().err)


def test_errors_that_the_daemon_tells_have_lines_too(write, tmp_path, capsys):
    """It has read the same files, by whole names; what is at the start of a file is about the file."""
    path = write(WRONG)
    served = Served(tmp_path / "s.sock")
    served.policies.error = PolicyErrors(
        [
            PolicyError("bad", Span(str(path), 6, 23)),
            PolicyError("not root's", Span(str(path), 1, 1)),
            PolicyError("elsewhere", Span("b.yaml", 3, 5)),
            PolicyError("nowhere"),
        ]
    )
    try:
        words = ["--socket", str(tmp_path / "s.sock")]
        assert Exit.POLICY == main(["reload", *words])
        plain = capsys.readouterr().err
        assert Exit.POLICY == main(["reload", "--color", "always", *words])
    finally:
        served.close()

    said = _STYLE.sub("", capsys.readouterr().err).splitlines()
    assert [
        f"{path}:6:23: bad",
        f"{path}:1:1: not root's",
        "b.yaml:3:5: elsewhere",
        "nowhere",
        "enforcer: 4 errors in policies: nothing was loaded",
    ] == plain.splitlines()
    assert plain.splitlines() == [line for line in said if " | " not in line]
    assert ["    6 | ", "      | "] == [line[:8] for line in said if " | " in line]


def test_warnings_of_a_change_have_lines_too(write, tmp_path, capsys):
    """As of a start. What the daemon calls by a name of its own is not looked for here."""
    path = write(WARNED)
    served = Served(tmp_path / "s.sock")
    warnings = [f"{path}:6:43: warning: hits sshd", "policy.yaml:6:43: warning: hits sshd", "late"]
    served.policies.answer = {**CHANGE, "warnings": warnings}
    try:
        main(["reload", "--color", "always", "--socket", str(tmp_path / "s.sock")])
    finally:
        served.close()

    first, line, caret, *rest = _STYLE.sub("", capsys.readouterr().err).splitlines()
    assert f"enforcer: {warnings[0]}" == first
    assert column_of(caret, line).startswith("/nowhere")
    assert [f"enforcer: {warning}" for warning in warnings[1:]] == rest


def test_warnings_of_a_start_are_of_files_here(write, capsys, monkeypatch, tmp_path):
    """By whatever name; into a pipe they are one line each."""
    write(WARNED)
    monkeypatch.chdir(tmp_path)

    tell_warnings(["policy.yaml:6:43: warning: hits sshd"])
    assert "enforcer: policy.yaml:6:43: warning: hits sshd\n" == capsys.readouterr().err
    monkeypatch.setenv("FORCE_COLOR", "1")
    tell_warnings(["policy.yaml:6:43: warning: hits sshd"])

    said = capsys.readouterr().err
    assert "\x1b[1mpolicy.yaml:6:43\x1b[0m\x1b[1;33m: warning\x1b[0m: hits sshd\n" in said
    assert "    6 | " in _STYLE.sub("", said)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a.yaml:3:4: x", Span("a.yaml", 3, 4)),
        ("/a b:c.yaml:3:14: x: y:1:2: z", Span("/a b:c.yaml", 3, 14)),
        ("<stdin>:1:1: x", Span("<stdin>", 1, 1)),
        ("a.yaml:0:4: x", None),
        ("a.yaml:3: x", None),
        ("3:4: x", None),
        ("x", None),
        ("", None),
    ],
)
def test_the_place_of_a_message(text, place):
    """It is what stands in front."""
    assert place == Span.before(text)


# ---- When --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "words", "has"),
    [
        ({}, [], (False, False)),
        ({}, ["--color", "auto"], (False, False)),
        ({}, ["--color=always"], (True, True)),
        ({"FORCE_COLOR": "1"}, [], (True, True)),
        ({"CLICOLOR_FORCE": "1"}, [], (True, True)),
        ({"FORCE_COLOR": "0", "CLICOLOR_FORCE": "0"}, [], (False, False)),
        ({"FORCE_COLOR": "1"}, ["--color", "never"], (False, False)),
        ({"NO_COLOR": "1"}, ["--color", "always"], (True, True)),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, [], (True, False)),
        ({"TERM": "dumb"}, ["--color", "always"], (True, True)),
    ],
)
def test_into_a_pipe(write, capsys, environment, words, has):
    """Messages alone, so that others can read them; lines of the files, and colours, if they are asked for."""
    os.environ.update(environment)  # which the fixture restores

    main(["check", *words, str(write(WRONG))])

    said = capsys.readouterr().err
    assert has == (" | " in said, "\x1b[" in said)
    assert said.splitlines()[-1] == "enforcer: 1 error in policies: nothing was loaded"


@pytest.mark.parametrize(
    ("environment", "words", "has_colour"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({}, ["--color", "never"], False),
        ({"NO_COLOR": "1"}, ["--color", "always"], True),
        ({"TERM": "dumb"}, [], False),
    ],
)
def test_on_a_terminal(write, environment, words, has_colour):
    """The line is there in any case, the colours if they are wanted; it is cut at the width of the terminal."""
    path = write(WRONG.replace("/x", "/" + 100 * "x"))
    command = [sys.executable, "-m", "enforcer", "check", *words, str(path)]

    terminal = Terminal.running(command, size=(60, 24), **{"COLUMNS": "", **environment})
    assert Exit.POLICY == terminal.ends()
    os.close(terminal.fd)
    os.close(terminal.fd_there)
    raw = terminal.raw.decode()

    said = _STYLE.sub("", raw).splitlines()
    (line,) = [each for each in said if each.startswith("    6 | ")]
    assert cell_len(line) <= (80 if environment.get("TERM") == "dumb" else 60)
    assert line.endswith("…")
    assert has_colour is ("\x1b[" in raw)


def test_records_and_tables_heed_the_option(monkeypatch, capsys):
    """Those of `events` go by the same variables."""
    from enforcer.sinks.terminal import wants_colour

    assert not wants_colour(1, {"TERM": "xterm"})
    assert wants_colour(1, {"TERM": "xterm", "FORCE_COLOR": "1"})
    assert not wants_colour(1, {"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"})

    main(["version", "--json"])
    assert "" == os.environ["FORCE_COLOR"]
    main(["test", "--color", "always", "/nowhere.cases.yaml"])
    assert "1" == os.environ["FORCE_COLOR"]
    assert "NO_COLOR" not in os.environ
    assert capsys.readouterr().err


def test_a_reader_of_messages_that_has_gone(monkeypatch, write):
    """There is nobody left to tell."""

    class Gone(io.StringIO):
        def write(self, _):
            raise BrokenPipeError

    gone = []
    monkeypatch.setattr("enforcer.cli.messages.discard", gone.append)
    monkeypatch.setattr("enforcer.cli.exits.discard", gone.append)
    monkeypatch.setattr("sys.stderr", Gone())

    assert Exit.POLICY == main(["check", str(write(WRONG))])
    assert {2} == set(gone)


def test_standard_input_is_kept_as_it_was_last(monkeypatch):
    """Of the texts that a process reads by other ways nothing is kept."""
    from enforcer.policy.text import loader

    monkeypatch.setattr(loader, "_INPUT", [])
    read(b"a: 1\n", "a.yaml")

    assert loader.kept_input() is None
