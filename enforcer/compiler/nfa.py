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

from enforcer.compiler.container_roots import ROOTS
from enforcer.compiler.patterns import Chars, Token, Wild

__all__ = ["Nfa", "build", "weight"]

_SLASH: Final = 0x2F
_SLICE_TAIL: Final = b".slice"
_UNIT_TAILS: Final = (b".service", b".scope")
_NOWHERE: Final = -1


@attrs.frozen
class Nfa:
    """
    Several patterns as one tree: equal beginnings are the same nodes. Node 0 is the start.

    Attributes:
        classes: class of each byte; *slash* is that of "/" alone.
        steps: by node, (class, target) for each single class it goes on.
        otherwise: of some nodes, the target on any class but "/" that is in no step of theirs, and those
            that are.
        any_byte, not_slash: by node, the target on any byte, or on any but "/"; -1 for none.
        closure: by node, itself and what it reaches without a byte, as far as that goes on by bytes.
        final: by node, the pattern that ends there; -1 for none.
        parent: by node, a node that all that lies behind also lies behind; -1 for the start.
    """

    classes: bytes
    n_classes: int
    slash: int
    steps: list[list[tuple[int, int]]]
    otherwise: dict[int, tuple[int, frozenset[int]]]
    any_byte: list[int]
    not_slash: list[int]
    closure: list[tuple[int, ...]]
    final: list[int]
    parent: list[int]


def weight(tokens: Sequence[Token]) -> int:
    """Return about how many nodes *tokens* take."""
    return sum(len(t) if isinstance(t, bytes) else 1 for t in tokens) + 1


def build(patterns: Sequence[Sequence[Token]]) -> Nfa:
    """Make the automaton of *patterns*, which differ."""
    classes, n_classes = _classes(token for tokens in patterns for token in tokens)
    builder = _Builder(classes)
    for i, tokens in enumerate(patterns):
        builder.add(i, tokens)
    return Nfa(
        classes=classes,
        n_classes=n_classes,
        slash=classes[_SLASH],
        steps=builder.steps,
        otherwise=builder.otherwise,
        any_byte=builder.any_byte,
        not_slash=builder.not_slash,
        closure=_closures(builder),
        final=builder.final,
        parent=builder.parent,
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
        elif token is Wild.UNITLESS:
            alone.update(*_UNIT_TAILS)
        elif token is Wild.ROOT:
            alone.update(*(part for root in ROOTS for part in root if isinstance(part, bytes)))
    known: dict[tuple[object, ...], int] = {}
    out = bytearray(256)
    order = sorted(sets, key=sorted)
    for byte in range(256):
        key = (byte,) if byte in alone else (None, *(byte in chars for chars in order))
        out[byte] = known.setdefault(key, len(known))
    return bytes(out), len(known)


def _closures(builder: _Builder) -> list[tuple[int, ...]]:
    """Follow the steps without a byte, which all lead to later nodes; leave out what only leads on."""
    out: list[tuple[int, ...]] = [()] * len(builder.silent)
    for node in reversed(range(len(out))):
        reached = [n for following in builder.silent[node] for n in out[following]]
        if builder.is_more_than_silent(node):
            reached.append(node)
        out[node] = tuple(reached)
    return out


class _Builder:
    """Nodes under construction."""

    def __init__(self, classes: bytes) -> None:
        self.classes = classes
        self.steps: list[list[tuple[int, int]]] = []
        self.otherwise: dict[int, tuple[int, frozenset[int]]] = {}
        self.any_byte: list[int] = []
        self.not_slash: list[int] = []
        self.silent: list[tuple[int, ...]] = []
        self.final: list[int] = []
        self.parent: list[int] = []
        self._behind: dict[tuple[int, Token | int], int] = {}
        self._node(_NOWHERE)

    def add(self, pattern: int, tokens: Sequence[Token]) -> None:
        """Add the nodes of one pattern."""
        self.final[self._walk(0, tokens)] = pattern

    def _walk(self, at: int, tokens: Sequence[Token]) -> int:
        """Return the node behind *tokens* from *at* on."""
        for token in tokens:
            if isinstance(token, bytes):
                at = self._literal(at, token)
                continue
            known = self._behind.get((at, token))
            if known is None:
                known = self._behind[at, token] = self._token(at, token)
            at = known
        return at

    def is_more_than_silent(self, node: int) -> bool:
        """Tell whether *node* ends a pattern or goes on with a byte."""
        return (
            self.final[node] != _NOWHERE
            or bool(self.steps[node])
            or node in self.otherwise
            or self.any_byte[node] != _NOWHERE
            or self.not_slash[node] != _NOWHERE
        )

    def _node(self, parent: int) -> int:
        self.steps.append([])
        self.any_byte.append(_NOWHERE)
        self.not_slash.append(_NOWHERE)
        self.silent.append(())
        self.final.append(_NOWHERE)
        self.parent.append(parent)
        return len(self.steps) - 1

    def _silently(self, at: int) -> int:
        """Return a new node that is reached whenever *at* is."""
        node = self._node(at)
        self.silent[at] += (node,)
        return node

    def _literal(self, at: int, text: bytes) -> int:
        for byte in text:
            following = self._behind.get((at, byte))
            if following is None:
                following = self._behind[at, byte] = self._node(at)
                self.steps[at].append((self.classes[byte], following))
            at = following
        return at

    def _token(self, at: int, token: Token) -> int:
        """
        Make what *token* needs behind node *at*; return the node behind it.

        Loops start from nodes of their own: others may continue from *at*.
        """
        if isinstance(token, frozenset):
            following = self._node(at)
            for number in sorted({self.classes[byte] for byte in token}):
                self.steps[at].append((number, following))
        elif token in {Wild.RUN, Wild.DEEP}:
            following = self._loop(self._silently(at), token)
        elif token in {Wild.ONE, Wild.BYTE}:
            base = self._silently(at)
            edges = self.not_slash if token is Wild.ONE else self.any_byte
            following = edges[base] = self._node(base)
        elif token is Wild.DIRS:
            inside = self._loop(self._silently(at), Wild.DEEP)
            following = self._node(inside)
            self.steps[inside].append((self.classes[_SLASH], following))
            self.silent[at] += (following,)
        elif token is Wild.UNITLESS:
            following = self._unitless(self._silently(at))
        elif token is Wild.ROOT:
            ends = [self._walk(at, root) for root in ROOTS]
            following = self._node(at)
            for end in ends:
                self.silent[end] += (following,)
        else:  # Wild.SLICES
            base = self._silently(at)
            inside = self._loop(self._literal(base, b"/"), Wild.RUN)
            last = self._literal(inside, _SLICE_TAIL[:-1])
            self.steps[last].append((self.classes[_SLICE_TAIL[-1]], base))
            following = self._node(last)
            self.silent[base] += (following,)
        return following

    def _unitless(self, base: int) -> int:
        """
        Make components behind *base* of which none ends like the name of a unit.

        A node for each beginning of such an end: that which the component ends with so far. Every
        class of bytes leads on to one of them, so there is one way only; most lead to where it ends
        with none.
        """
        ends = sorted({tail[:n] for tail in _UNIT_TAILS for n in range(len(tail) + 1)}, key=len)
        node = {end: self._node(base) for end in ends}
        self.steps[base].append((self.classes[_SLASH], node[b""]))
        for end in ends:
            for byte in sorted({*b"".join(_UNIT_TAILS)}):
                grown = end + bytes((byte,))
                longest = next(grown[n:] for n in range(len(grown) + 1) if grown[n:] in node)
                if longest:
                    self.steps[node[end]].append((self.classes[byte], node[longest]))
            listed = frozenset(number for number, _ in self.steps[node[end]])
            self.otherwise[node[end]] = (node[b""], listed)
            if end not in _UNIT_TAILS:
                self.steps[node[end]].append((self.classes[_SLASH], node[b""]))
        behind = self._node(base)
        for start in (base, *(node[end] for end in ends if end not in _UNIT_TAILS)):
            self.silent[start] += (behind,)
        return behind

    def _loop(self, node: int, token: Token) -> int:
        edges = self.not_slash if token is Wild.RUN else self.any_byte
        edges[node] = node
        return node
