# SPDX-License-Identifier: MIT
"""
Bad inputs, each with the message that a person would want: what is wrong, where, and what to write instead.

``bad_input.py`` says how the tables are to be read. A message is written there first, and then the program is
made to say it: what it happens to print is no reason.
"""

from __future__ import annotations

from collections import Counter

import pytest
from bad_input import bad_inputs
from surroundings import tried

from enforcer.cli.exits import Exit

INPUTS = bad_inputs()


@pytest.mark.parametrize("given", INPUTS, ids=lambda given: given.name)
def test_a_bad_input_has_the_message_that_a_person_would_want(given, tmp_path):
    """This and nothing else is said, with the right exit code, and without waiting for anybody."""
    done = tried(given, tmp_path)

    assert given.says == done.err.strip("\n")
    assert given.code == done.code
    assert given.prints is None or given.prints == done.out.strip("\n")


def test_the_tables_are_large_and_have_no_row_twice():
    """What is the same twice shows nothing."""
    names = Counter(given.name for given in INPUTS)
    inputs = Counter(
        (given.arguments, str(given.files), given.prepare, given.stdin, given.stdout)
        for given in INPUTS
    )

    assert [] == [name for name, times in names.items() if times > 1]
    assert [] == [row for row, times in inputs.items() if times > 1]
    assert len(INPUTS) >= 150


def test_no_message_is_for_programmers():
    """No names of Python, of errors of its library, or of constants in C."""
    words = (
        "Traceback",
        "internal error",
        "Error:",
        "ENF_",
        "<class",
        "Expecting",
    )

    assert [] == [g.name for g in INPUTS if any(word in g.says for word in words)]


def test_what_is_accepted_is_warned_of():
    """An input that is only strange is no error, and a person is told of it."""
    accepted = [given.says for given in INPUTS if given.code == Exit.OK]

    assert accepted
    assert all(": warning: " in says or ": info: " in says for says in accepted)
