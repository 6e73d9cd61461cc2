# SPDX-License-Identifier: MIT
"""Whether a pattern matches a text, in the spellings that the compiler gives it."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from enforcer.compiler import nfa
from enforcer.compiler.container_roots import ROOTS
from enforcer.compiler.patterns import Below, Exact, Form, Wild
from enforcer.workbench.explain.logic import Truth, truth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.compiler.patterns import Token

__all__ = ["accepts", "of_head"]

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


def of_head(form: Form, head: bytes) -> Truth:
    """Tell whether *form*, which is not longer, accepts a path of which only the *head* is known, and that goes on."""
    if isinstance(form, Exact):
        return Truth.FALSE
    if isinstance(form, Below):
        return truth((head + b"/").startswith(form.value.rstrip(b"/") + b"/"))
    source = _automaton(form.tokens)
    nodes = set(source.closure[0])
    for byte in head + b"/":
        nodes = set(_following(source, nodes, byte))
        if not nodes:
            return Truth.FALSE
    is_sure = any(source.final[node] >= 0 and source.any_byte[node] == node for node in nodes)
    return Truth.TRUE if is_sure else Truth.UNKNOWN


def _following(source: nfa.Nfa, nodes: set[int], byte: int) -> Iterator[int]:
    """Yield the nodes that *byte* leads to."""
    number = source.classes[byte]
    for node in nodes:
        targets = [target for wanted, target in source.steps[node] if wanted == number]
        targets.append(source.any_byte[node])
        if number != source.slash:
            targets.append(source.not_slash[node])
        for target in targets:
            if target >= 0:
                yield from source.closure[target]


@functools.lru_cache(maxsize=256)
def _automaton(tokens: tuple[Token, ...]) -> nfa.Nfa:
    return nfa.build([tokens])


@functools.lru_cache(maxsize=4096)
def _compiled(tokens: tuple[Token, ...]) -> re.Pattern[bytes]:
    return re.compile(b"".join(_expression(token) for token in tokens), re.DOTALL)


def _expression(token: Token) -> bytes:
    if isinstance(token, bytes):
        return re.escape(token)
    if token is Wild.ROOT:
        return b"(?:%s)" % b"|".join(b"".join(map(_expression, root)) for root in ROOTS)
    if isinstance(token, Wild):
        return _WILD[token]
    if not token:
        return rb"(?!)"
    return b"[" + b"".join(b"\\x%02x" % byte for byte in sorted(token)) + b"]"
