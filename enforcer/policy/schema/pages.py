# SPDX-License-Identifier: MIT
"""Pages of the documentation with a part that is made from tables of the code."""

from __future__ import annotations

__all__ = ["renewed"]


def renewed(page: str, begin: str, end: str, part: str) -> str:
    """
    Return *page* with *part* between its marks.

    Args:
        page: the text of a document that has both marks.
        begin: the line above the part; it stays.
        end: the line below it; it stays.
        part: what is made.
    """
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{part}\n{end}{after}"
