# SPDX-License-Identifier: MIT
"""The command line of the laboratory."""

import subprocess

import pytest
from lab.cli import parse, report, script
from lab.machine import Outcome


def _outcome(*, code: int | None, timed_out: bool = False) -> Outcome:
    return Outcome(
        code=code,
        timed_out=timed_out,
        boot_seconds=5.0,
        total_seconds=9.0,
        console_tail="Kernel panic\n",
    )


def test_options_end_at_the_dashes() -> None:
    """What follows the first -- belongs to the command, however it looks."""
    options, command = parse(["--kernel", "6.1", "--", "ls", "--", "--kernel"])

    assert "6.1" == options.kernel
    assert ["ls", "--", "--kernel"] == command


def test_defaults() -> None:
    """A plain command gets a stock kernel, two processors and a time limit."""
    options, _ = parse(["--", "true"])

    assert ("cloud", 2, 600, False) == (
        options.kernel,
        options.cpus,
        options.timeout,
        options.icount,
    )


def test_systemd_is_asked_for() -> None:
    """A service manager costs time, so only tests of services get one."""
    plain, _ = parse(["--", "true"])
    asked, _ = parse(["--systemd", "--", "true"])

    assert (False, True) == (plain.systemd, asked.systemd)


@pytest.mark.parametrize(
    "arguments",
    [[], ["--kernel", "cloud"], ["--"], ["true"], ["--cpus", "0", "--", "true"]],
)
def test_bad_arguments_are_refused(arguments: list[str]) -> None:
    """A missing command or a senseless number is a usage error."""
    with pytest.raises(SystemExit) as caught:
        parse(arguments)

    assert 2 == caught.value.code


def test_one_word_is_a_line_for_bash() -> None:
    """A single word may be a whole pipeline."""
    done = subprocess.run(
        ["bash", "-c", script(["echo one | tr o 0"])], capture_output=True, text=True, check=True
    )

    assert "0ne\n" == done.stdout


def test_several_words_are_kept_apart() -> None:
    """Arguments with blanks and quotes arrive as they were given."""
    words = ["printf", "%s\n", "two words", "it's $HOME"]

    done = subprocess.run(["bash", "-c", script(words)], capture_output=True, text=True, check=True)

    assert "two words\nit's $HOME\n" == done.stdout


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (_outcome(code=0), 0),
        (_outcome(code=7), 7),
        (_outcome(code=None), 250),
        (_outcome(code=None, timed_out=True), 124),
        (_outcome(code=0, timed_out=True), 124),
    ],
)
def test_exit_code_tells_how_it_ended(outcome: Outcome, expected: int) -> None:
    """The command's own code, unless there is none to trust."""
    assert expected == report(outcome, verbose=False)


def test_dead_guest_shows_its_console(capfd: pytest.CaptureFixture[str]) -> None:
    """The reason why a guest died is on its console."""
    report(_outcome(code=None), verbose=False)

    assert "Kernel panic" in capfd.readouterr().err
