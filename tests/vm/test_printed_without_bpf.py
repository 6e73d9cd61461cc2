# SPDX-License-Identifier: MIT
"""What the pages print is what comes out, where bpf is not among the active LSMs."""

from pathlib import Path

import pytest
from pages import places
from pages.blocks import PAGES, ROOT
from pages.sessions import runs_at

from enforcer.kernel import host

_PLACE = "no bpf"
_PAGES = [page for page in PAGES if runs_at(page, _PLACE)]

pytestmark = pytest.mark.skipif(
    "bpf" in (host.active_lsms() or ("bpf",)),
    reason="bpf is among the active LSMs: start the guest with --append lsm=…",
)


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_page_prints_what_comes_out(page: Path) -> None:
    """All of its blocks that this machine is for, in their order."""
    found = places.wrong(page, _PLACE)

    assert [] == found, "\n".join(found)
