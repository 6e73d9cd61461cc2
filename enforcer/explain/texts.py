# SPDX-License-Identifier: MIT
"""Whether a text is what a pattern means, in the spellings that the compiler gives it."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from enforcer.compiler.patterns import Below, Exact, Form, Wild

if TYPE_CHECKING:
    from enforcer.compiler.patterns import Token

__all__ = ["accepts"]

_WILD = {
    Wild.ONE: rb"[^/]",
    Wild.RUN: rb"[^/]*",
    Wild.BYTE: rb".",
    Wild.DEEP: rb".*",
    Wild.DIRS: rb"(?:.*/)?",
    Wild.SLICES: rb"(?:/[^/]*\.slice)*",
    Wild.UNITLESS: rb"(?:/(?![^/]*\.(?:service|scope)(?:/|\Z))[^/]*)*",
}


def accepts(form: Form, text: bytes) -> bool:
    """Tell whether *form* accepts *text*."""
    if isinstance(form, Exact):
        return text == form.value
    if isinstance(form, Below):
        above = form.value.rstrip(b"/") + b"/"
        return text.startswith(above) and len(text) > len(above)
    return _compiled(form.tokens).fullmatch(text) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(tokens: tuple[Token, ...]) -> re.Pattern[bytes]:
    return re.compile(b"".join(_expression(token) for token in tokens), re.DOTALL)


def _expression(token: Token) -> bytes:
    if isinstance(token, bytes):
        return re.escape(token)
    if isinstance(token, Wild):
        return _WILD[token]
    if not token:
        return rb"(?!)"
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(token)) + b"]"
