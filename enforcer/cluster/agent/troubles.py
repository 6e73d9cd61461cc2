# SPDX-License-Identifier: MIT
"""What goes wrong, told once: not each time that it is tried again."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Troubles"]

_AGAIN: Final = 600.0  # seconds after which the same trouble is told again


@attrs.define(eq=False)
class _Trouble:
    sentence: str
    since: float
    told: float
    times: int = 1


@attrs.define(eq=False, repr=False)
class Troubles:
    """
    Troubles by what has them; any thread may tell of one.

    Attributes:
        report: gets sentences.
    """

    report: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _lock: Lock = attrs.field(factory=Lock, init=False)
    _open: dict[str, _Trouble] = attrs.field(factory=dict, init=False)

    def failed(self, what: str, error: object) -> None:
        """*what* failed, because of *error*."""
        sentence, now = str(error), self.clock()
        with self._lock:
            known = self._open.get(what)
            if known is None:
                known = self._open[what] = _Trouble(sentence, now, now)
            else:
                known.times += 1
                if known.sentence == sentence and now - known.told < _AGAIN:
                    return
                known.sentence, known.told = sentence, now
            times = f" ({known.times} times)" if known.times > 1 else ""
            self.report(f"{what}: {sentence}{times}; trying again")

    def works(self, what: str) -> None:
        """*what* works, again if it had failed."""
        with self._lock:
            known = self._open.pop(what, None)
            if known is not None:
                seconds = self.clock() - known.since
                self.report(f"{what}: works again after {seconds:.0f} s")

    def __bool__(self) -> bool:
        return bool(self._open)
