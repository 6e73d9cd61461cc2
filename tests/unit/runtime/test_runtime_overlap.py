# SPDX-License-Identifier: MIT
"""How many conditions one value may meet: never fewer than it does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.policy.language.vocabulary import FIELDS
from enforcer.policy.model.glob_match import accepts
from enforcer.policy.model.policy import Condition, Interval, Text, TextKind
from enforcer.runtime.policies.overlap import most_met

_PATH = FIELDS["path"]
_PORT = FIELDS["port"]


def _paths(*values: str) -> Condition:
    kinds = {True: TextKind.GLOB, False: TextKind.EXACT}
    return Condition(_PATH, tuple(Text(kinds["*" in v], v.encode()) for v in values))


@pytest.mark.parametrize(
    ("conditions", "most"),
    [
        ([], 0),
        ([_paths("/a"), _paths("/b")], 1),
        ([_paths("/a", "/b"), _paths("/b", "/c"), _paths("/c")], 2),
        ([_paths("/a/**"), _paths("/a/b/*"), _paths("/a/b/c"), _paths("/b")], 3),
        ([_paths("/a"), _paths("/a/b"), _paths("/a/b/c")], 1),
        ([_paths("**/x"), _paths("/a"), _paths("/b")], 2),
        ([_paths("/a/*", "/a/b/*", "/a/b/c")], 1),
    ],
)
def test_of_paths(conditions, most):
    assert most == most_met(conditions)


def test_of_numbers():
    """Ranges that have a number in common; what is merely beside another is not."""
    spans = [(1, 5), (5, 9), (10, 20), (12, 13), (13, 30)]
    conditions = [Condition(_PORT, (Interval(low, high),)) for low, high in spans]

    assert 3 == most_met(conditions)


_ALPHABET = st.text("ab/", min_size=1, max_size=6).map(str.encode)
_TEXTS = st.builds(Text, st.sampled_from(TextKind), _ALPHABET | st.just(b"/a*") | st.just(b"*b"))
_CONDITIONS = st.lists(
    st.lists(_TEXTS, min_size=1, max_size=3).map(lambda v: Condition(_PATH, tuple(v))), max_size=8
)


@given(_CONDITIONS, _ALPHABET)
def test_never_fewer_than_are_met(conditions, value):
    met = sum(any(accepts(each, value) for each in c.values) for c in conditions)

    assert met <= most_met(conditions) <= len(conditions)
