# SPDX-License-Identifier: MIT
"""
Token sequences as one nondeterministic automaton over byte classes.

Bytes that no pattern of the automaton tells apart share a class, which keeps the tables of the
deterministic automaton (``glob``) narrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from enforcer.compiler.patterns import Chars, Token, Wild

__all__ = ["Nfa", "build", "weight"]

_SLASH: Final = 0x2F
_SLICE_TAIL: Final = b".slice"
_NOWHERE: Final = -1


@attrs.frozen
class Nfa:
    """
    Several patterns side by side.

    Attributes:
        classes: class of each byte; *slash* is that of "/" alone.
        steps: by node, (class, target) for each single class it goes on.
        any_byte, not_slash: by node, the target on any byte, or on any but "/"; -1 for none.
        closure: by node, itself and what it reaches without a byte.
        owner: by node, its pattern.
        final: by node, whether its pattern has been read.
        starts: first node of each pattern.
    """

    classes: bytes
    n_classes: int
    slash: int
    steps: list[list[tuple[int, int]]]
    any_byte: list[int]
    not_slash: list[int]
    closure: list[tuple[int, ...]]
    owner: list[int]
    final: list[bool]
    starts: list[int]


def weight(tokens: Sequence[Token]) -> int:
    """Return about how many nodes *tokens* take."""
    return sum(len(t) if isinstance(t, bytes) else 1 for t in tokens) + 1


def build(patterns: Sequence[Sequence[Token]]) -> Nfa:
    """Make the automaton of *patterns*."""
    classes, n_classes = _classes(token for tokens in patterns for token in tokens)
    builder = _Builder(classes)
    starts = [builder.add(i, tokens) for i, tokens in enumerate(patterns)]
    return Nfa(
        classes=classes,
        n_classes=n_classes,
        slash=classes[_SLASH],
        steps=builder.steps,
        any_byte=builder.any_byte,
        not_slash=builder.not_slash,
        closure=_closures(builder.silent),
        owner=builder.owner,
        final=builder.final,
        starts=starts,
    )


def _classes(tokens: Iterable[Token]) -> tuple[bytes, int]:
    """Return the class of each byte, and how many classes there are."""
    alone = {_SLASH}
    sets: set[Chars] = set()
    for token in tokens:
        if isinstance(token, bytes):
            alone.update(token)
        elif isinstance(token, frozenset):
            sets.add(token)
        elif token is Wild.SLICES:
            alone.update(_SLICE_TAIL)
    known: dict[tuple[object, ...], int] = {}
    out = bytearray(256)
    order = sorted(sets, key=sorted)
    for byte in range(256):
        key = (byte,) if byte in alone else (None, *(byte in chars for chars in order))
        out[byte] = known.setdefault(key, len(known))
    return bytes(out), len(known)


def _closures(silent: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Follow the steps without a byte, which all lead to later nodes."""
    out: list[tuple[int, ...]] = [()] * len(silent)
    for node in reversed(range(len(silent))):
        out[node] = (node, *(reached for following in silent[node] for reached in out[following]))
    return out


class _Builder:
    """Nodes under construction."""

    def __init__(self, classes: bytes) -> None:
        self.classes = classes
        self.steps: list[list[tuple[int, int]]] = []
        self.any_byte: list[int] = []
        self.not_slash: list[int] = []
        self.silent: list[tuple[int, ...]] = []
        self.owner: list[int] = []
        self.final: list[bool] = []
        self._pattern = 0

    def add(self, pattern: int, tokens: Sequence[Token]) -> int:
        """Add the nodes of one pattern and return the first."""
        self._pattern = pattern
        start = at = self._node()
        for token in tokens:
            at = self._token(at, token)
        self.final[at] = True
        return start

    def _node(self) -> int:
        self.steps.append([])
        self.any_byte.append(_NOWHERE)
        self.not_slash.append(_NOWHERE)
        self.silent.append(())
        self.owner.append(self._pattern)
        self.final.append(False)
        return len(self.steps) - 1

    def _literal(self, at: int, text: bytes) -> int:
        for byte in text:
            following = self._node()
            self.steps[at].append((self.classes[byte], following))
            at = following
        return at

    def _token(self, at: int, token: Token) -> int:
        """Continue from node *at* with *token*; return the node behind it."""
        if isinstance(token, bytes):
            return self._literal(at, token)
        if isinstance(token, frozenset):
            following = self._node()
            for number in sorted({self.classes[byte] for byte in token}):
                self.steps[at].append((number, following))
            return following
        if token is Wild.RUN:
            return self._loop(at, self.not_slash)
        if token is Wild.DEEP:
            return self._loop(at, self.any_byte)
        if token is Wild.SLICES:
            inside = self._literal(at, b"/")
            self._loop(inside, self.not_slash)
            last = self._literal(inside, _SLICE_TAIL[:-1])
            self.steps[last].append((self.classes[_SLICE_TAIL[-1]], at))
            return at
        if token is Wild.DIRS:
            inside, following = self._node(), self._node()
            self._loop(inside, self.any_byte)
            self.steps[inside].append((self.classes[_SLASH], following))
            self.silent[at] += (inside, following)
            return following
        edges = self.not_slash if token is Wild.ONE else self.any_byte
        if edges[at] != _NOWHERE:
            at = self._beside(at)
        following = edges[at] = self._node()
        return following

    def _loop(self, at: int, edges: list[int]) -> int:
        """Make a node at *at* repeat and return it."""
        if edges[at] not in {_NOWHERE, at}:
            at = self._beside(at)
        edges[at] = at
        return at

    def _beside(self, at: int) -> int:
        """Return a new node that is reached whenever *at* is."""
        node = self._node()
        self.silent[at] += (node,)
        return node
