# SPDX-License-Identifier: MIT
"""The certificate of the server: two files, read again when they are others."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from pathlib import Path

    from enforcer.kube.troubles import Troubles

__all__ = ["Certificate"]

_WHAT: Final = "certificate"

_State = tuple[tuple[int, int, int, int], ...]


@attrs.define(eq=False, repr=False)
class Certificate:
    """
    A certificate with its key, in PEM.

    Attributes:
        certificate: the file of it, and of those that vouch for it.
        key: the file of its key.
        troubles: is told what is wrong with new files.
    """

    certificate: Path
    key: Path
    troubles: Troubles
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
        return self._context

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
