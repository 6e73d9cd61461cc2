# SPDX-License-Identifier: MIT
"""
What the README and the pages print is what comes out with the Debian package, installed by a real dpkg.

``test_printed.py`` and ``test_printed_pages.py`` have the same with a clone: ``tests/pages`` says how.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import packaged
import pytest
from pages import places
from pages.blocks import PAGES
from patience import scaled

_LIMIT = 900.0  # a package is compiled when it is configured
_ENFORCER = Path("/usr/bin/enforcer")

pytestmark = [
    pytest.mark.skipif(
        not Path("/run/systemd/system").is_dir(),
        reason="systemd is not process 1: start the guest with --systemd",
    ),
    pytest.mark.skipif(not packaged.made(), reason="no packages: make test-package"),
]

_VISITS = places.visits(PAGES, ("machine", "systemd"))


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """The program of the package; its service does not run."""
    for argv in (
        ("dpkg", "-i", *packaged.dependencies(), packaged.version(1)),
        ("systemctl", "disable", "--now", "enforcer.service"),
    ):
        subprocess.run(argv, check=True, timeout=scaled(_LIMIT))
    yield _ENFORCER
    subprocess.run(["dpkg", "--purge", "enforcer"], check=True, timeout=scaled(_LIMIT))


@pytest.mark.parametrize(("page", "place"), _VISITS.values(), ids=_VISITS)
def test_the_page_prints_what_comes_out(installed: Path, page: Path, place: str) -> None:
    """All of its blocks that this machine is for, in their order."""
    if need := places.needs(page):
        pytest.skip(need)
    found = places.wrong(page, place, installed)

    assert [] == found, "\n".join(found)
