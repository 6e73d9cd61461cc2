# SPDX-License-Identifier: MIT
"""What policy files say that are active, kept for a later daemon: files may say something else by then."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import TYPE_CHECKING, Self

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KeptTexts"]


@attrs.frozen
class KeptTexts:
    """The texts of files by their paths, put away: policies are read again from them alone."""

    data: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, texts: Mapping[str, bytes]) -> Self:
        """Put *texts* away."""
        found = {path: text.decode("utf-8", "surrogateescape") for path, text in texts.items()}
        return cls(zlib.compress(json.dumps(found).encode(), level=1))

    def unpack(self) -> dict[str, bytes]:
        """Return them; raises ValueError if they are something else."""
        try:
            found = json.loads(zlib.decompress(self.data))
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return {str(path): text.encode("utf-8", "surrogateescape") for path, text in found.items()}

    def as_text(self) -> str:
        """Write it in ASCII."""
        return base64.b64encode(self.data).decode("ascii")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what :meth:`as_text` wrote; raises ValueError if it is something else."""
        try:
            return cls(base64.b64decode(text, validate=True))
        except binascii.Error as error:
            raise ValueError(str(error)) from error
