# SPDX-License-Identifier: MIT
"""
Many processors: memory of maps hardly grows with them.

The guest has them, and has started one: ``tests/vm/run --cpus 1 --possible 256``.
"""

from __future__ import annotations

from pathlib import Path

import ledger
import pytest
from daemon import every_map
from many_rules import MOST_MAPS, VERY_MANY, write_very_many
from map_memory import Definition

from enforcer.kernel.host import possible_cpus
from enforcer.kernel.image_map import ImageHead
from enforcer.kernel.session import Session
from enforcer.policy.store import load_policies
from enforcer.runtime.policies.compilation import prepare

MANY = 64


@pytest.fixture(scope="module", autouse=True)
def many() -> int:
    """How many there may be; fewer show nothing here."""
    if possible_cpus() < MANY:
        pytest.skip(f"only {possible_cpus()} processors are possible: --possible {MANY}")
    return possible_cpus()


def test_ten_thousand_rules_stay_below_the_bound(many: int, tmp_path: Path):
    """And the formulas by which this is known of other machines are the kernel's."""
    write_very_many(tmp_path)
    image = prepare(load_policies([tmp_path]), generation=1)
    assert ImageHead.of(image.data).n_rows > VERY_MANY
    ledger.keep()
    before = {each["id"] for each in every_map()}
    with Session.open(image):
        maps = [each for each in every_map() if each["id"] not in before]

    size = sum(each["bytes_memlock"] for each in maps)
    print(f"{size:,} bytes in maps on {many} processors")
    for each in sorted(maps, key=lambda each: -each["bytes_memlock"]):
        print(f"{each['bytes_memlock']:>12,}  {each['name']}")
    assert size < MOST_MAPS
    for each in maps:
        if "." not in each["name"]:  # variables: whole pages
            computed = Definition.of(each).size(many)
            assert 0 <= computed - each["bytes_memlock"] <= 1024, each
