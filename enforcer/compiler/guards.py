# SPDX-License-Identifier: MIT
"""
Guards: what must not be renamed, linked, moved or unmounted, so that a path rule keeps naming the same
files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from enforcer.compiler.patterns import Below, Exact, Form, Glob, Token, Wild
from enforcer.policy.model.policy import TextKind

__all__ = ["ROOT", "directories", "itself"]

ROOT: Final = Exact(b"/")  # no name of its own, but a mount that could go
_ANY_DEPTH: Final = (Wild.DEEP, Wild.DIRS, Wild.BYTE)


def directories(form: Form) -> Iterator[Form]:
    """Yield the directories above what *form* names, as far as their depth is known."""
    if isinstance(form, Glob):
        first = form.tokens[0]
        if isinstance(first, bytes) and first.startswith(b"/"):
            yield ROOT
        yield from _glob_directories(form.tokens)
        return
    yield ROOT
    name = form.value if isinstance(form, Below) else form.value.rpartition(b"/")[0]
    while name not in {b"", b"/"}:
        yield Exact(name)
        name = name.rpartition(b"/")[0]


def _glob_directories(tokens: tuple[Token, ...]) -> Iterator[Form]:
    before: tuple[Token, ...] = ()
    for token in tokens:
        if token in _ANY_DEPTH:
            return
        if isinstance(token, bytes):
            at = token.find(b"/")
            while at >= 0:
                above = (*before, token[:at]) if at else before
                if above:
                    yield _form(above)
                at = token.find(b"/", at + 1)
        before = (*before, token)


def _form(tokens: tuple[Token, ...]) -> Form:
    first = tokens[0]
    return Exact(first) if len(tokens) == 1 and isinstance(first, bytes) else Glob(tokens)


def itself(form: Form, kind: TextKind, *, is_code: bool) -> Iterator[Form]:
    """
    Yield *form* if the files that it names must keep their names themselves.

    Programs and libraries work under any name, and a copy works like the original. So a rule on code
    (*is_code*) keeps neither the files of a directory that is named as a whole, nor files whose
    pattern does not say where they lie: otherwise a rule on /tmp/** would refuse every rename there.
    """
    if is_code:
        if kind in {TextKind.SUFFIX, TextKind.CONTAINS} or isinstance(form, Below):
            return
        if kind is TextKind.PREFIX and isinstance(form, Exact):
            return  # the directory that the prefix ends with
        if isinstance(form, Glob) and form.tokens[-2:] == (Wild.BYTE, Wild.DEEP):
            return
    yield form
