# SPDX-License-Identifier: MIT
"""Ranges as sorted boundaries."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from enforcer.compiler.numbers import cover

near = st.integers(0, 20) | st.integers(2**64 - 4, 2**64 - 1)
spans = st.lists(
    st.tuples(near, near, st.integers(0, 5)).map(lambda t: (min(t[:2]), max(t[:2]), t[2])),
    max_size=8,
)


@given(spans, near)
def test_an_interval_holds_exactly_the_ranges_that_cover_it(given_spans, number) -> None:
    """Searching for the last bound not above a number finds what accepts it."""
    pieces = cover(given_spans, 64)
    expected = {entry for low, high, entry in given_spans if low <= number <= high}

    found = [entries for bound, entries in pieces if bound <= number]

    assert expected == set(found[-1] if found else ())


@given(spans)
def test_bounds_ascend_from_zero(given_spans) -> None:
    """As the kernel side's search takes for granted; neighbours differ."""
    pieces = cover(given_spans, 64)

    bounds = [bound for bound, _ in pieces]
    assert bounds == sorted(set(bounds))
    assert bounds[:1] == ([0] if given_spans else [])
    assert all(a[1] != b[1] for a, b in itertools.pairwise(pieces))


def test_the_last_number_of_all_ends_no_interval_behind_it() -> None:
    """A range up to the end has no bound past 128 bits."""
    assert [(0, ()), (5, (1,))] == cover([(5, 2**128 - 1, 1)], 128)
