# SPDX-License-Identifier: MIT
"""
What the pages print is what comes out, in a kernel that enforces, with systemd as process 1.

``scripts/printed-pages.py --write PAGE`` renews a page. The README is in ``test_printed.py``.
"""

from pathlib import Path

import pytest
from pages import places
from pages.blocks import PAGES

pytestmark = pytest.mark.skipif(
    not Path("/run/systemd/system").is_dir(),
    reason="systemd is not process 1: start the guest with --systemd",
)

_VISITS = places.visits(PAGES[1:], ("machine", "systemd"))


@pytest.mark.parametrize(("page", "place"), _VISITS.values(), ids=_VISITS)
def test_the_page_prints_what_comes_out(page: Path, place: str) -> None:
    """All of its blocks that this machine is for, in their order."""
    if need := places.needs(page):
        pytest.skip(need)
    found = places.wrong(page, place)

    assert [] == found, "\n".join(found)
