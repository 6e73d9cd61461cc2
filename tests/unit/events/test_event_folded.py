# SPDX-License-Identifier: MIT
"""What the flags of objects and processes say of how names are folded."""

import header
import pytest

from enforcer.events.folded import Fold, Folded


def test_ways_to_fold_are_those_of_the_header():
    """Their numbers, and where the flags have them."""
    ways = {fold.name: fold.value for fold in Fold}

    assert {"NONE": 0, **ways} == header.enumeration("enf_fold", "ENF_FOLD_")
    how = header.constant("ENF_FOLD_AT")
    assert 2 << how | 7 << header.constant("ENF_FOLD_FROM_AT") == Folded(Fold.SHORT, 7).object_flags
    assert 2 << how | 7 << header.constant("ENF_FOLD_EXE_AT") == Folded(Fold.SHORT, 7).process_flags


def test_they_are_written_and_read():
    """As records have them."""
    folded = Folded(Fold.CASE, 12)

    assert folded == Folded.read("case 12") == Folded.read(str(folded))
    assert folded == Folded.of_object(folded.object_flags | 0x8000)
    assert folded == Folded.of_process(folded.process_flags | 0x8000)
    assert Folded.of_object(0x8000) is None
    assert Folded.of_process(0x8000) is None


@pytest.mark.parametrize(
    ("how", "path", "wanted"),
    [
        (Fold.CASE, b"/Mnt/A~1/B", (b"/Mnt/a~1/b", False)),
        (Fold.SHORT, b"/Mnt/A~1/B", (b"/Mnt", True)),
        (Fold.SHORT, b"/Mnt/B/A~1.x", (b"/Mnt/b", True)),
        (Fold.SHORT, b"/Mnt/A~/~1b/a.~1~/.C", (b"/Mnt/a~/~1b/a.~1~/.c", False)),
        (Fold.SHORT, b"/Mnt/A./b", (b"/Mnt", True)),
        (Fold.SHORT, b"/Mnt/A:0041", (b"/Mnt", True)),
        (Fold.CASE, b"/Mnt/\xc3\xa9/b", (b"/Mnt", True)),
        (Fold.OTHER, b"/Mnt/plain", (b"/Mnt", True)),
    ],
)
def test_what_is_settled_ends_before_the_first_name_that_is_not(how, path, wanted):
    """Short names, ends that are taken off, codes and other scripts."""
    assert wanted == Folded(how, 4).head_of(path)
