# SPDX-License-Identifier: MIT
"""
Patterns for directories that fold case: the other half of ``enf_match_folded`` in ``match.h``.

In such a directory the kernel side turns the letters of a path into small ones, from the first folded name
on. It is not known in advance which name that is, so a pattern has a twin for each place.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from enforcer.compiler.patterns import Below, Exact, Form, Glob, Token, Wild, merge
from enforcer.safe_text import IGNORABLE

_IGNORED: Final = re.compile(f"[{IGNORABLE}]")
"""What names of Unicode have besides what counts."""

__all__ = ["forms_of", "glob_twins", "heads", "twins"]


def forms_of(form: Form) -> tuple[Form, ...]:
    """Return *form* and its twins."""
    return (form, *(glob_twins(form) if isinstance(form, Glob) else twins(form)))


def twins(form: Exact | Below) -> tuple[Exact | Below, ...]:
    """Return *form* with small letters from each of its names on; not itself, which has these already."""
    text = form.value
    found = dict.fromkeys(text[:at] + _small(text[at:]) for at in _names(text))
    return tuple(type(form)(twin) for twin in found if twin != text)


def glob_twins(form: Glob) -> tuple[Glob, ...]:
    """Return *form* with small letters from each place on where a name may begin; not itself."""
    if _all_small(form.tokens) == form.tokens:
        return ()
    found = dict.fromkeys(merge(tokens) for tokens in _lowered(form.tokens))
    return tuple(Glob(twin) for twin in found if twin != form.tokens)


def heads(form: Exact | Below) -> Iterator[bytes]:
    """Yield the directories that a path may go on from to match *form*; of a glob its automaton knows that."""
    text = form.value
    while text not in {b"", b"/"}:
        text = text.rpartition(b"/")[0]
        yield text or b"/"


def _names(text: bytes) -> Iterator[int]:
    """Yield where names begin, each with its slash."""
    at = text.find(b"/")
    yield 0
    while at >= 0:
        yield at
        at = text.find(b"/", at + 1)


def _lowered(tokens: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    for i, token in enumerate(tokens):
        if isinstance(token, bytes):
            for at in _names(token):
                if at or not i or token.startswith(b"/"):
                    yield (
                        *tokens[:i],
                        token[:at] + _small(token[at:]),
                        *_all_small(tokens[i + 1 :]),
                    )
        elif token in {Wild.DEEP, Wild.DIRS}:
            yield (*tokens[: i + 1], *_all_small(tokens[i + 1 :]))


def _all_small(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return tuple(_small_token(token) for token in tokens)


def _small_token(token: Token) -> Token:
    if isinstance(token, bytes):
        return _small(token)
    if isinstance(token, frozenset):
        return token | {byte for member in token for byte in bytes((member,)).lower()}
    return token


def _small(text: bytes) -> bytes:
    """
    Return *text* with small letters.

    Some letters of other scripts are the same as some of A to Z in Unicode (the Kelvin sign, a sharp s): there a
    name of these alone is the same as one that is not.
    """
    if text.isascii():
        return text.lower()
    try:
        known = _IGNORED.sub("", unicodedata.normalize("NFD", text.decode()))
    except UnicodeDecodeError:
        return text.lower()
    return unicodedata.normalize("NFD", known.casefold()).encode()
