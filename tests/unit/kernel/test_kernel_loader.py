# SPDX-License-Identifier: MIT
"""How much memory the kernel side gets."""

import pytest

from enforcer.kernel.loader import Sizes


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (1, 1 << 20),
        (600_000, 1 << 20),
        (2_700_000, 22 << 17),
        (3_316_000, 27 << 17),
        (4_100_000, 1 << 22),
    ],
)
def test_an_image_has_room_to_grow_and_not_twice_its_size(image, expected):
    """A small one fits whatever is added to it, ordinarily; a large one gets a sixteenth, if that is not beyond 4 MiB."""
    assert expected == Sizes.with_room(image=image, rows=1).image


@pytest.mark.parametrize(("rows", "expected"), [(1, 2048), (5000, 8192), (17_500, 19_456)])
def test_rows_have_room_to_grow(rows, expected):
    assert expected == Sizes.with_room(image=1, rows=rows).rows
