# SPDX-License-Identifier: MIT
"""
Tests that one machine runs keep apart: no two files make the same directory.

Which files meet in one machine, and in which order, differs from run to run.
"""

import itertools
import re
from pathlib import Path

import pytest

VM = Path(__file__).parents[2] / "vm"
PLACE = re.compile(r"/(?:srv|opt)/[A-Za-z0-9_.-]+")
NEVER_MADE = {"/srv/none"}
APART = {"test_package.py", "test_service.py"}
"""Files with a boot of their own."""


def is_part(one: Path, other: Path) -> bool:
    """Whether *one* imports *other*: what it makes is then made by one of them."""
    return re.search(rf"\b(?:from|import) {other.stem}\b", one.read_text()) is not None


def pairs() -> list[tuple[Path, Path]]:
    files = [each for each in sorted(VM.glob("*.py")) if each.name not in APART]
    return [
        (one, other)
        for one, other in itertools.combinations(files, 2)
        if not is_part(one, other) and not is_part(other, one)
    ]


def places(file: Path) -> set[str]:
    return set(PLACE.findall(file.read_text())) - NEVER_MADE


def test_no_two_files_make_the_same_directory():
    used = {file: places(file) for file in VM.glob("*.py")}

    shared = [
        f"{one.name} and {other.name}: {', '.join(sorted(used[one] & used[other]))}"
        for one, other in pairs()
        if used[one] & used[other]
    ]

    assert shared == []


@pytest.mark.parametrize("place", ["/srv/protected-layers", "/srv/layers"])
def test_the_search_finds_what_files_make(place):
    assert any(place in places(file) for file in VM.glob("*.py"))
