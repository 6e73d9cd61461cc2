# SPDX-License-Identifier: MIT
"""How much memory what was done has taken, and not given back."""

from __future__ import annotations

import contextlib
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import enforcer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OURS = tracemalloc.Filter(inclusive=True, filename_pattern=f"{Path(enforcer.__file__).parent}/*")


@contextlib.contextmanager
def kept() -> Iterator[Callable[[], int]]:
    """
    Give a function that tells how many bytes are kept of those which modules of ours took since.

    Python's own tables, such as that of interned strings, double once in a while, which is nobody's.
    """
    tracemalloc.start()
    try:
        yield lambda: sum(
            each.size for each in tracemalloc.take_snapshot().filter_traces([OURS]).traces
        )
    finally:
        tracemalloc.stop()
