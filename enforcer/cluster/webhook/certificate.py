# SPDX-License-Identifier: MIT
"""The certificate of the server: two files, read again when they are others."""

from __future__ import annotations

import math
import ssl
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.cluster.webhook.validity import validity_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from enforcer.cluster.agent.troubles import Troubles

__all__ = ["Certificate"]

_WHAT: Final = "certificate"
_DAY: Final = 86400.0
_SOON: Final = 30 * _DAY
_SHARE: Final = 4  # of its life that is left; who makes short ones anew does that earlier

_State = tuple[tuple[int, int, int, int], ...]


@attrs.define(eq=False, repr=False)
class Certificate:
    """
    A certificate with its key, in PEM.

    Attributes:
        certificate: the file of it, and of those that vouch for it.
        key: the file of its key.
        troubles: is told what is wrong with new files.
        tell: is told, once a day, that the certificate ends soon.
        clock: seconds since 1970.
        end: when it ends, by that clock; None: that cannot be read.
    """

    certificate: Path
    key: Path
    troubles: Troubles
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.time
    end: float | None = attrs.field(default=None, init=False)
    _told: float = attrs.field(default=-math.inf, init=False)
    _soon: float = attrs.field(default=_SOON, init=False)
    _state: _State = attrs.field(default=(), init=False)
    _context: ssl.SSLContext | None = attrs.field(default=None, init=False)

    def read(self) -> None:
        """
        Read the files.

        Raises:
            OSError, ValueError: they cannot be read, or do not fit each other.
        """
        state = self._now()
        self._context = self._made()
        self._state = state
        self._told = -math.inf
        try:
            begin, end = validity_of(self.certificate.read_text(encoding="utf-8"))
            self.end = end.timestamp()
            self._soon = min(_SOON, (end - begin).total_seconds() / _SHARE)
        except (OSError, ValueError) as error:
            # It serves all the same: only nobody is warned of its end.
            self.end = None
            self.tell(f"the end of the certificate cannot be read: {error}")
        self._warn()

    @property
    def context(self) -> ssl.SSLContext:
        """
        What the next connection is to use.

        If new files are wrong, it is the last that was right: a secret that is being replaced may be half there.
        """
        if self._context is None:
            self.read()
        try:
            if self._now() != self._state:
                self.read()
                self.troubles.works(_WHAT)
        except (OSError, ValueError) as error:
            self.troubles.failed(_WHAT, f"the new files are not used: {error}")
        if self._context is None:
            raise ValueError("there is no certificate")
        self._warn()
        return self._context

    def _warn(self) -> None:
        """API servers refuse one that has ended, and the policy of failures then stores everything unchecked."""
        now = self.clock()
        if self.end is None or self.end - now > self._soon or now - self._told < _DAY:
            return
        self._told = now
        day = datetime.fromtimestamp(self.end, UTC).strftime("%Y-%m-%d %H:%M UTC")
        if self.end <= now:
            self.tell(
                f"the certificate has ended, on {day}: API servers refuse it, and store policies unchecked"
            )
        else:
            self.tell(f"the certificate ends on {day}: policies are stored unchecked after that")

    def _now(self) -> _State:
        found = (path.stat() for path in (self.certificate, self.key))
        # A volume of a secret is replaced by another folder, so the files are others.
        return tuple((each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns) for each in found)

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        # A key with a passphrase is refused: there is nobody to ask.
        context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
        return context


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase: give one without")
