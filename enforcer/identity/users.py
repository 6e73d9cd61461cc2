# SPDX-License-Identifier: MIT
"""
Names of users and groups from the host's ``/etc/passwd`` and ``/etc/group``, and from nowhere else.

The system's name service may ask a directory over the network, and the loop waits for nobody.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import attrs

from enforcer.identity.host_root import host_root

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Groups", "Users"]

_LOOK_EVERY = 5.0


@attrs.define(eq=False, repr=False)
class Users:
    """Names by number; the file is read again when it has changed."""

    FILE: ClassVar[str] = "etc/passwd"

    path: Path = attrs.field()
    clock: Callable[[], float] = time.monotonic
    _names: dict[int, str] = attrs.field(factory=dict, init=False)
    _stamp: tuple[int, int, int] | None = attrs.field(default=None, init=False)
    _look_at: float = attrs.field(default=0.0, init=False)

    @path.default
    def _of_the_host(self) -> Path:
        return host_root() / self.FILE

    def name(self, number: int) -> str | None:
        """Name who has *number*; None if the file does not."""
        now = self.clock()
        if now >= self._look_at:
            self._look_at = now + _LOOK_EVERY
            self._refresh()
        return self._names.get(number)

    def names(self) -> dict[int, str]:
        """Name all of the file."""
        self._refresh()
        return dict(self._names)

    def _refresh(self) -> None:
        try:
            found = self.path.stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp != self._stamp:
                self._names = _read(self.path.read_bytes())
                self._stamp = stamp
        except OSError:
            return  # what was read last is better than nothing


class Groups(Users):
    """The same of groups."""

    FILE: ClassVar[str] = "etc/group"


def _read(content: bytes) -> dict[int, str]:
    names: dict[int, str] = {}
    for line in content.split(b"\n"):
        name, *rest = line.split(b":")
        if len(rest) >= 2 and rest[1].isdigit():
            names.setdefault(int(rest[1]), name.decode("utf-8", "backslashreplace"))
    return names
