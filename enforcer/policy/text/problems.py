# SPDX-License-Identifier: MIT
"""
Collecting errors: everything wrong with a file is reported at once, each error with its place.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import attrs

from enforcer.errors import PolicyError, PolicyErrors
from enforcer.policy.text.look_alikes import look_alike, plain
from enforcer.span import Span

__all__ = ["Problems", "closest", "suggest"]

MAX_SHOWN = 100


@attrs.define(eq=False, repr=False)
class Problems:
    """
    Errors found so far, in the order of finding.

    *made* is what they are unless somebody else made them; *broken*: where nodes are of which a part could
    not be read, which has been said.
    """

    errors: list[PolicyError] = attrs.field(factory=list)
    made: type[PolicyError] = PolicyError
    broken: set[Span] = attrs.field(factory=set)
    consequences: list[PolicyError] = attrs.field(factory=list)

    def add(self, message: str, span: Span) -> None:
        """Record one error at *span*, unless what stands there is broken."""
        self._take(self.made(message, span))

    def add_consequence(self, message: str, span: Span) -> None:
        """Record what follows from another error, and is told only if there is no other."""
        self.consequences.append(self.made(message, span))

    def _take(self, error: PolicyError) -> None:
        if error.span not in self.broken:
            self.errors.append(error)

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Record a :class:`PolicyError` raised inside instead of passing it on."""
        try:
            yield
        except PolicyError as error:
            self._take(error)
        except PolicyErrors as several:
            for each in several.errors:
                self._take(each)

    def check(self) -> None:
        """
        Raise what was recorded.

        Raises:
            PolicyErrors: something was; by place, a very long list cut with a note of how many more.
        """
        if found := self.errors or self.consequences:
            raise PolicyErrors(_ordered(found))


def _ordered(errors: Iterable[PolicyError]) -> list[PolicyError]:
    by_file: dict[str, list[PolicyError]] = {}
    # Of a list of system calls one part may say what another has said.
    for error in {(e.message, e.span): e for e in errors}.values():
        by_file.setdefault(error.span.file if error.span else "", []).append(error)
    shown: list[PolicyError] = []
    for of_file in by_file.values():
        of_file.sort(key=lambda e: (e.span.line, e.span.column) if e.span else (0, 0))
        shown += of_file[:MAX_SHOWN]
        if (more := len(of_file) - MAX_SHOWN) and more > 0:
            last = of_file[MAX_SHOWN]
            shown.append(type(last)(f"{more} more errors from here on are not shown", last.span))
    return shown


def suggest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """
    Return ``; did you mean 'x'?`` for a misspelt *word*, or nothing.

    A letter that only looks like the right one is named: nobody would find it. *cutoff*: how alike they must be.
    """
    known = tuple(known)
    seen = plain(word)
    meant = closest(word, known, cutoff=cutoff)
    if meant is None:
        return ""
    if seen != word and seen.casefold() == meant.casefold() and (other := look_alike(word)):
        return f"; {other}: did you mean {meant!r}?"
    return f"; did you mean {meant!r}?"


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return which of *known* was probably meant by *word*."""
    folded = {k.casefold(): k for k in known}
    found = difflib.get_close_matches(plain(word).casefold(), folded, n=1, cutoff=cutoff)
    return folded[found[0]] if found else None
