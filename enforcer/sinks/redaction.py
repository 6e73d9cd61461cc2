# SPDX-License-Identifier: MIT
"""
Secrets in arguments, hidden before they are written down.

A pattern is one word, or two with a blank between. One word is compared with each argument: what its
first wildcard begins to match is hidden, so ``--password=*`` leaves ``--password=***``. Of two words the
first is compared with an argument, the second with the one that follows: ``--token *``. If arguments of a
record are changed, its messages are made again, its own and that of each policy, since they may quote them.
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Final, overload

import attrs

from enforcer.events.enrich import with_messages
from enforcer.events.types import Lost, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.identity.actor import Actor

__all__ = ["HIDDEN", "Redactor"]

HIDDEN: Final = "***"
_WILD: Final = re.compile(r"[*?\[]")


@attrs.frozen
class _Pattern:
    """What hides (a part of) one argument; *before* must match the argument before it."""

    before: re.Pattern[str] | None
    word: re.Pattern[str]
    kept: int  # characters that stay

    @classmethod
    def read(cls, text: str) -> _Pattern:
        before, _, word = text.rpartition(" ")
        wild = _WILD.search(word)
        return cls(
            re.compile(fnmatch.translate(before)) if before else None,
            re.compile(fnmatch.translate(word)),
            wild.start() if wild else 0,
        )

    def hides(self, before: str | None, word: str) -> bool:
        if self.before is not None and (before is None or not self.before.match(before)):
            return False
        return self.word.match(word) is not None


@attrs.frozen
class Redactor:
    """Applies *patterns*; the first that matches an argument hides it."""

    patterns: tuple[_Pattern, ...] = ()

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Redactor:
        """Read *patterns*."""
        return cls(tuple(_Pattern.read(pattern) for pattern in patterns))

    def __bool__(self) -> bool:
        return bool(self.patterns)

    @overload
    def apply(self, record: Record) -> Record: ...
    @overload
    def apply(self, record: Record | Lost) -> Record | Lost: ...
    def apply(self, record: Record | Lost) -> Record | Lost:
        """Return *record* with what is to be hidden hidden."""
        if not self.patterns or isinstance(record, Lost):
            return record
        args = tuple(map(_encoded, self._words(map(_decoded, record.event.args))))
        changed = attrs.evolve(
            record,
            event=attrs.evolve(record.event, args=args),
            process=self._actor(record.process),
            parent=self._actor(record.parent),
            ancestors=tuple(map(self._actor, record.ancestors)),
        )
        if changed == record:
            return record
        return with_messages(changed)

    def _actor(self, actor: Actor) -> Actor:
        if actor.cmdline is None:
            return actor
        return attrs.evolve(actor, cmdline=tuple(self._words(actor.cmdline)))

    def _words(self, words: Iterable[str]) -> list[str]:
        shown: list[str] = []
        before: str | None = None
        for word in words:
            shown.append(self._shown(before, word))
            before = word
        return shown

    def _shown(self, before: str | None, word: str) -> str:
        for pattern in self.patterns:
            if pattern.hides(before, word):
                return word[: pattern.kept] + HIDDEN
        return word


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _encoded(word: str) -> bytes:
    return word.encode("utf-8", "surrogateescape")
