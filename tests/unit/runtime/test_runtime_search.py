# SPDX-License-Identifier: MIT
"""The search for the first that is too much: the place, its problem, and how many attempts it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from enforcer.runtime.policies.search import first_too_much


@st.composite
def _rows(draw) -> tuple[int, int]:
    number = draw(st.integers(1, 2000))
    return number, draw(st.integers(0, number - 1))


def _search(number, cut, guess):
    asked = []

    def problem(at):
        assert 0 < at < number
        asked.append(at)
        return f"with {at}" if at > cut else None

    return first_too_much(number, f"with {number}", problem, guess), asked


@given(_rows(), st.none() | st.integers(-10, 2010))
def test_whatever_is_guessed_the_place_is_found(row, guess):
    number, cut = row
    found, asked = _search(number, cut, guess)

    assert (cut, f"with {cut + 1}") == found
    assert len(set(asked)) == len(asked)
    assert len(asked) <= 2 * number.bit_length() + 1


@given(_rows())
def test_a_right_guess_takes_two_attempts(row):
    number, cut = row
    _, asked = _search(number, cut, cut)

    assert len(asked) <= 2


@given(_rows(), st.integers(1, 16))
def test_a_guess_that_is_off_a_little_takes_a_few(row, off):
    number, cut = row
    for guess in (cut - off, cut + off):
        _, asked = _search(number, cut, guess)

        assert len(asked) <= 2 * off.bit_length() + 2
