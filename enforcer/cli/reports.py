# SPDX-License-Identifier: MIT
"""Messages of a daemon: printed at once, or later if a dashboard has the terminal."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Reports"]

_HELD = 200  # sentences


@attrs.define(eq=False, repr=False)
class Reports:
    """
    Where the daemon's sentences go: to *tell*, at once or when the terminal is free again.

    Attributes:
        tell: prints one.
        heed: is told of each at once; for dashboards.
    """

    tell: Callable[[str], None]
    heed: Callable[[str], None] = lambda _: None
    _held: deque[str] | None = None

    def __call__(self, sentence: str) -> None:
        """Report *sentence*."""
        self.heed(sentence)
        if self._held is None:
            self.tell(sentence)
        else:
            self._held.append(sentence)

    def hold(self) -> None:
        """Print nothing from now on; of very many sentences the newest are kept."""
        self._held = deque(maxlen=_HELD)

    def release(self) -> None:
        """Print what was held, and again at once from now on."""
        held, self._held = self._held, None
        for sentence in held or ():
            self.tell(sentence)
