# SPDX-License-Identifier: MIT
"""
What the README prints is what comes out, in a kernel that enforces.

The other pages are in ``test_printed_pages.py``: ``make test-all``. ``tests/pages`` says how a page tells
what to run, and ``scripts/printed-pages.py --write README.md`` renews it.
"""

from pages import places
from pages.blocks import ROOT
from pages.sessions import problems


def test_the_readme_prints_what_comes_out() -> None:
    """Checked, tried, enforced: what a reader sees first."""
    outcomes = list(places.run(ROOT / "README.md", "machine"))
    found = [line for outcome in outcomes for line in problems(outcome)]

    assert len(outcomes) >= 4
    assert [] == found, "\n".join(found)
