# SPDX-License-Identifier: MIT
"""How much working memory the kernel side gets."""

import pytest

from enforcer.kernel.loader import scratch_slots


@pytest.mark.parametrize(
    ("cpus", "expected"), [(1, (48, 48)), (2, (24, 48)), (5, (10, 50)), (128, (4, 512))]
)
def test_a_few_processors_have_many_slots_each(cpus, expected):
    assert expected == scratch_slots(cpus)
