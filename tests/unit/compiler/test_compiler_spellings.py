# SPDX-License-Identifier: MIT
"""What patterns are where capital and small letters are the same."""

import pytest

from enforcer.compiler.patterns import Below, Exact, Glob, Wild
from enforcer.compiler.spellings import forms_of, glob_twins, heads, twins


def test_a_pattern_of_small_letters_has_no_twin():
    """It is one itself."""
    assert () == twins(Exact(b"/mnt/dir/a.key"))
    assert () == glob_twins(Glob((b"/mnt/", Wild.RUN, b".key")))


def test_a_name_may_be_folded_from_any_of_its_directories_on():
    """A twin for each place that makes a difference."""
    assert {Exact(b"/mnt/dir/key"), Exact(b"/Mnt/dir/key"), Exact(b"/Mnt/dir/Key")} == set(
        forms_of(Exact(b"/Mnt/dir/Key"))
    ) | {Exact(b"/Mnt/dir/key")}
    assert (Below(b"/mnt/dir"), Below(b"/Mnt/dir")) == twins(Below(b"/Mnt/Dir"))


@pytest.mark.parametrize(
    ("tokens", "wanted"),
    [
        ((b"/A", Wild.RUN, b"B"), {(b"/a", Wild.RUN, b"b")}),
        ((b"/A/", Wild.RUN, b"B"), {(b"/a/", Wild.RUN, b"b"), (b"/A/", Wild.RUN, b"b")}),
        ((Wild.DEEP, b".KEY"), {(Wild.DEEP, b".key")}),
        ((b"/A/", Wild.DIRS, b"B"), {(b"/a/", Wild.DIRS, b"b"), (b"/A/", Wild.DIRS, b"b")}),
        ((b"/", frozenset(b"AB")), {(b"/", frozenset(b"ABab"))}),
    ],
)
def test_globs_have_twins_from_where_a_name_may_begin(tokens, wanted):
    """In the midst of a name nothing begins to be folded."""
    assert wanted == {twin.tokens for twin in glob_twins(Glob(tokens))}


@pytest.mark.parametrize(
    ("name", "small"),
    [
        ("Straße", b"/strasse"),
        ("\N{KELVIN SIGN}ey", b"/key"),
        ("se\N{SOFT HYPHEN}cret", b"/secret"),
        ("\N{LATIN SMALL LIGATURE FI}le", b"/file"),
    ],
)
def test_letters_that_are_the_same_as_some_of_a_to_z_become_these(name, small):
    """A name of A to Z alone finds the file, and is not unknown."""
    assert Exact(small) in twins(Exact(b"/" + name.encode()))


def test_what_is_no_text_is_lowered_as_far_as_it_is():
    """Bytes of an older code page."""
    assert (Exact(b"/a\xe9"),) == twins(Exact(b"/A\xe9"))


def test_directories_that_a_path_may_go_on_from():
    """All above, the root last."""
    assert [b"/a/b", b"/a", b"/"] == list(heads(Exact(b"/a/b/c")))
    assert [] == list(heads(Below(b"/")))
