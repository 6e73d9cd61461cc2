# SPDX-License-Identifier: MIT
"""How kubectl completes the words behind ``kubectl enforcer``."""

import pytest

from enforcer.plugin.commands import COMMANDS
from enforcer.plugin.completion import main


@pytest.mark.parametrize(
    ("words", "candidates", "directive"),
    [
        ([""], list(COMMANDS), ":4"),
        (["st"], ["status"], ":4"),
        (["-n", "shop", "e"], ["explain", "events"], ":4"),
        (["events", "--fol"], ["--follow"], ":4"),
        (["events", "--action", ""], ["allow", "log", "deny", "kill"], ":4"),
        (["events", "--action", "d"], ["deny"], ":4"),
        (["status", "-n", ""], [], ":4"),
        (["status", ""], [], ":4"),
        (["explain", ""], [], ":0"),
        (["dry-run", "-f", "pol"], [], ":0"),
        (["dry-run", "--recording", ""], [], ":0"),
        (["dry-run", "--kubeconfig", ""], [], ":0"),
        (["nonsense", "--cont"], ["--context"], ":4"),
        ([], list(COMMANDS), ":4"),
    ],
)
def test_candidates(words, candidates, directive, capsys):
    """Commands, options, their values, and files where there may be some."""
    assert 0 == main(words)

    *found, last = capsys.readouterr().out.splitlines()
    assert candidates == [each.partition("\t")[0] for each in found]
    assert directive == last


def test_every_option_has_a_meaning_on_one_line(capsys):
    """kubectl takes what follows for another candidate."""
    for command in COMMANDS:
        main([command, "-"])
        *found, _ = capsys.readouterr().out.splitlines()
        assert all(each.startswith("-") and each.count("\t") == 1 for each in found)
