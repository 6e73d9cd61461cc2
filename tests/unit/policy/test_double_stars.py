# SPDX-License-Identifier: MIT
"""A double star beside other characters, written as globs of whole ones."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from enforcer.policy.model.glob_match import accepts
from enforcer.policy.model.policy import Text, TextKind
from enforcer.policy.readers.double_stars import has_double_star_beside, with_whole_double_stars

PATHS = [
    "/" + "/".join(parts)
    for depth in (1, 2, 3)
    for parts in itertools.product(("a", "b", "ab", "ba", "aab"), repeat=depth)
]
components = st.lists(st.sampled_from(["a", "b", "*", "**", "?", "[ab]"]), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("component", "said"),
    [
        ("**", False),
        ("*", False),
        ("***", True),
        ("**a", True),
        ("a**", True),
        (r"\**a", False),
        (r"\*\**", False),
        ("[**]a", False),
        ("[]**]a", False),
    ],
)
def test_where_a_double_star_stands(component, said):
    """Quoted stars and those of a class are characters."""
    assert said is has_double_star_beside(component)


@given(st.lists(components, min_size=1, max_size=2))
@example([["a", "**"], ["b"]])
@example([["**", "a"]])
@example([["a", "**"]])
def test_the_globs_match_together_what_the_one_does(parts):
    """Whatever the kernel side makes of a double star inside a component, they make of it."""
    glob = "/" + "/".join("".join(part) for part in parts)

    globs = list(with_whole_double_stars(glob))

    assert not any(has_double_star_beside(part) for one in globs for part in one.split("/"))
    meant, written = (
        Text(TextKind.GLOB, glob.encode()),
        [Text(TextKind.GLOB, one.encode()) for one in globs],
    )
    for path in PATHS:
        assert accepts(meant, path.encode()) is any(accepts(w, path.encode()) for w in written)
