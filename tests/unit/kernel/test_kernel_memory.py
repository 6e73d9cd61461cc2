# SPDX-License-Identifier: MIT
"""What all maps of an engine take, computed from their definitions, for machines of any size."""

from __future__ import annotations

import pytest
from many_rules import MOST_MAPS, write_very_many
from map_memory import ARRAY, Definition, variables

from enforcer import _abi
from enforcer.compiler.compiled import compile_policies
from enforcer.kernel.image_map import ImageHead
from enforcer.kernel.loader import Sizes, open_object
from enforcer.libbpf import abi
from enforcer.policy.store import load_policies

CPUS = (1, 4, 64, 256, 512)


@pytest.fixture(scope="module")
def sizes(tmp_path_factory) -> Sizes:
    folder = tmp_path_factory.mktemp("rules")
    write_very_many(folder)
    head = ImageHead.of(compile_policies(load_policies([folder])).image)
    return Sizes.with_room(image=head.size, rows=head.n_rows)


@pytest.fixture(scope="module")
def sized(sizes) -> dict[str, Definition]:
    """The maps of the engine, and the image, as they are for very many rules; variables are left out."""
    engine = open_object("enforcer")
    found = {
        name: Definition(*entry.definition())
        for name, entry in engine.maps.items()
        if "." not in name
    }
    found["variables"] = Definition(
        ARRAY,
        4,
        sum(variables(entry.value_size) for name, entry in engine.maps.items() if "." in name),
        1,
    )
    engine.close()
    hits = found["hits"]
    found["hits"] = Definition(hits.kind, hits.key, hits.value, 2 * sizes.rows)
    found["image"] = Definition(ARRAY, 4, sizes.image, 1)
    return found


@pytest.mark.parametrize("cpus", CPUS)
def test_ten_thousand_rules_stay_below_the_bound(sized, cpus):
    assert sum(each.size(cpus) for each in sized.values()) < MOST_MAPS


def test_what_grows_with_processors_is_little(sized):
    """A kilobyte for each processor: what it counts by itself, and an element to spare of each table."""
    grows = {name: (each.size(1024) - each.size(256)) / 768 for name, each in sized.items()}

    assert 8 * (_abi.ENF_HIT_SLOTS + len(abi.STATS)) == grows["hit_slots"] + grows["stats"]
    assert 0 == grows["scratches"] == grows["arguments"] == grows["seen"] == grows["image"]
    assert sum(grows.values()) < 2048, grows
