# SPDX-License-Identifier: MIT
"""Where strings are put so that the kernel side finds them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.compiler import layout, strings
from enforcer.compiler.limits import LIMITS

NOTHING = (0, 0, 0, 0, 0)


def find(slots: strings.Slots, kind: int, text: bytes):
    """Look *text* up as ``enf_lookup`` does."""
    hashed = (strings.hash_path if kind == strings.PATH else strings.hash_string)(slots.seed, text)
    for i in range(LIMITS["ENF_MAX_PROBES"]):
        at = (hashed + i) % slots.n_slots * layout.SLOT.size
        slot = layout.SLOT.packer.unpack_from(slots.table, at)
        if slot[3] == 0:
            return None
        if slot[:1] == (hashed,) and slot[2:4] == (len(text), kind):
            at = slot[1]
            if slots.text[at : at + len(text)] == text:
                return slot[4:]
    return None


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100, 3000])
def test_every_string_is_within_reach_of_its_home(count) -> None:
    """All are found with their own ranges, absent ones are not."""
    keys = [(strings.PATH, b"/srv/%d/file" % i) for i in range(count)]
    keys += [(strings.STRING, b"/srv/%d/file" % i) for i in range(0, count, 2)]
    values = {key: (i & 3, i, 1, i, 2) for i, key in enumerate(keys)}

    slots = strings.place(values, seed=5)

    assert slots.n_slots > 0
    assert slots.n_slots & slots.n_slots - 1 == 0
    for (kind, text), expected in values.items():
        assert expected == find(slots, kind, text)
    assert find(slots, strings.PATH, b"/srv/x") is None


@given(st.sets(st.binary(max_size=20), min_size=1, max_size=12), st.integers(0, 2**64 - 1))
def test_small_tables_wrap_around_their_end(texts, seed) -> None:
    """Strings whose home is the last slot are found at the beginning."""
    values = {(strings.STRING, text): (0, i, 1, 0, 0) for i, text in enumerate(texts)}

    slots = strings.place(values, seed=seed)

    for (kind, text), expected in values.items():
        assert expected == find(slots, kind, text)


def test_seeds_are_chosen_anew_for_each_image() -> None:
    """Nobody outside can know which strings share a slot."""
    seeds = {strings.place({(strings.PATH, b"/a"): NOTHING}).seed for _ in range(4)}

    assert 4 == len(seeds)


def test_a_path_of_the_greatest_depth_is_hashed() -> None:
    """Depth is no matter of recursion."""
    deep = b"/a" * 2048

    slots = strings.place({(strings.PATH, deep): (1, 3, 1, 0, 0)}, seed=1)

    assert 4096 == slots.longest_path
    assert (1, 3, 1, 0, 0) == find(slots, strings.PATH, deep)


def test_text_is_padded_with_zeros_to_words() -> None:
    """The kernel side compares eight bytes at a time."""
    slots = strings.place({(strings.STRING, b"abc"): NOTHING}, seed=1)

    assert b"abc\0\0\0\0\0" == slots.text


def test_strings_that_are_alike_get_another_seed(monkeypatch) -> None:
    """The kernel side compares with the first of the hash, kind and length: there must be no second."""
    real = strings.hash_string
    monkeypatch.setattr(
        strings, "hash_string", lambda seed, text: 7 if seed == 1 else real(seed, text)
    )
    values = {(strings.STRING, text): (0, n, 1, 0, 0) for n, text in enumerate((b"abc", b"xyz"))}

    slots = strings.place(values, seed=1)

    assert 1 != slots.seed
    for (kind, text), expected in values.items():
        assert expected == find(slots, kind, text)
