# SPDX-License-Identifier: MIT
"""A file that is written again and again, as a whole: for the textfile collector of Prometheus' node exporter, and others."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs

from enforcer.errors import EnforcerError
from enforcer.whole_file import beside, create, replace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from enforcer.runtime.reactor import Reactor

__all__ = ["EVERY", "Textfile"]

EVERY = 15.0
"""Seconds between two writings."""


@attrs.define(eq=False)
class Textfile:
    """
    Writes *path* again and again, until closed; then the file goes, as its numbers would only age.

    Attributes:
        report: gets a sentence when writing begins to fail, and when it works again.
        what: it has, for these sentences.
    """

    path: Path
    reactor: Reactor
    report: Callable[[str], None]
    what: str = "metrics"
    _text: Callable[[], bytes] = attrs.field(default=lambda: b"", init=False)
    is_failing: bool = attrs.field(default=False, init=False)
    _is_closed: bool = attrs.field(default=False, init=False)

    def open(self) -> None:
        """
        See whether it can be written.

        Raises:
            OSError: no file can be made there.
        """
        create(self._beside, 0o644).close()

    def serve(self, text: Callable[[], bytes]) -> None:
        """Write what *text* makes, from when the loop begins."""
        self._text = text
        self.reactor.after(0.0, self._begin)

    @property
    def _beside(self) -> Path:
        # The collector reads what ends with .prom; this does not.
        return beside(self.path)

    def _begin(self) -> None:
        self.write()
        self.reactor.every(EVERY, self.write)

    def write(self) -> None:
        """Write now; a failure is told once."""
        if self._is_closed:
            return
        try:
            self._replace(self._text())
        except (OSError, EnforcerError) as error:
            if not self.is_failing:
                self.report(
                    f"{self.what} {self.path}: {getattr(error, 'strerror', None) or error}: trying "
                    "again; until then the file is out of date"
                )
            self.is_failing = True
        else:
            if self.is_failing:
                self.report(f"{self.what} {self.path}: works again")
            self.is_failing = False

    def _replace(self, text: bytes) -> None:
        # The reader is another user. The numbers are out of date after a crash anyway.
        replace(self.path, text, 0o644, is_lasting=False)

    def close(self) -> None:
        """Write no more, and remove the file. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        for path in (self.path, self._beside):
            with contextlib.suppress(OSError):  # it is gone already, or its folder is
                path.unlink()
