# SPDX-License-Identifier: MIT
"""
Files that are not active as they stand, and those of them that need not be tried again at each change.

What a file cannot be compiled for by itself is no other file's business. To find that out may take a minute, and
whoever wrote it must not let everybody wait for that minute whenever anybody changes anything.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.policy.text.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from enforcer.runtime.control.answers import RefusedFileState

__all__ = ["MAX_TOLD", "Costly", "RefusedFile", "is_at", "told"]

MAX_TOLD: Final = 10
"""Errors of one file that are told."""

_LONG: Final = 0.1  # seconds; what takes less is simply tried again
_SHARE: Final = 100  # the same text takes one hundredth of a processor at most
_LONGEST: Final = (
    3600.0  # seconds; links and containers, on which it may depend besides, change some time
)


@attrs.frozen
class RefusedFile:
    """
    A file that is not active as it stands.

    Attributes:
        path: of the file, or of a directory that cannot be listed.
        is_kept: whether an earlier version of it is active.
        errors: what is wrong, each with its place.
        digest: of what it says, in SHA-256; None: that cannot be read.
        again_at: before that, by the monotonic clock, the same text is not tried again; 0: it always is.
    """

    path: str
    is_kept: bool
    errors: tuple[str, ...]
    digest: str | None = None
    again_at: float = attrs.field(default=0.0, eq=False)

    def as_dict(self) -> RefusedFileState:
        """Describe it in JSON."""
        return {"file": self.path, "kept": self.is_kept, "errors": list(self.errors[:MAX_TOLD])}

    def covers(self, path: str) -> bool:
        """Whether *path* is this file, or lies in this directory."""
        return is_at(path, self.path)


@attrs.define(eq=False)
class Costly:
    """
    Texts that took long to be refused by themselves.

    Attributes:
        clock: seconds that only grow, the same in all processes of this boot.
        work: seconds of a processor: how busy the machine is says nothing of a text.
    """

    clock: Callable[[], float] = time.monotonic
    work: Callable[[], float] = time.process_time
    _known: dict[tuple[str, str | None], RefusedFile] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(
        cls,
        refused: Iterable[RefusedFile],
        clock: Callable[[], float] = time.monotonic,
        work: Callable[[], float] = time.process_time,
    ) -> Costly:
        """Remember those of *refused* that are not to be tried yet."""
        made, now = cls(clock, work), clock()
        made._known = {(each.path, each.digest): each for each in refused if each.again_at > now}
        return made

    def find(self, path: str, text: bytes) -> RefusedFile | None:
        """Return why the file *path* needs not be tried while it says *text*; None: it does."""
        return self._known.get((path, digest_of(text))) if self._known else None

    def again_at(self, began: float) -> tuple[float, str]:
        """Return until when not to try what *work* went into from *began* on, and say it; 0 if that was little."""
        took = self.work() - began
        if took < _LONG:
            return 0.0, ""
        pause = min(_SHARE * took, _LONGEST)
        until = time.strftime("%H:%M:%S", time.gmtime(time.time() + pause))
        return self.clock() + pause, (
            f"to find that took {took:.1f} s, so the same text is not tried again before {until} UTC"
        )


def told(refused: Iterable[RefusedFile]) -> Iterator[str]:
    """Say in sentences what is wrong with each file of *refused*, and what is active instead."""
    for each in refused:
        yield from each.errors[:MAX_TOLD]
        if (more := len(each.errors) - MAX_TOLD) > 0:
            yield f"{each.path}: {more} more errors are not shown"
        what = "what it said before stays active" if each.is_kept else "nothing of it is active"
        yield f"{each.path} is not activated: {what}"


def is_at(path: str, place: str) -> bool:
    """Tell whether *path* is the file *place*, or lies in the folder of this name."""
    return path == place or path.startswith(f"{place.rstrip('/')}/")
