# SPDX-License-Identifier: MIT
"""
Arguments in one piece, as the kernel has them, and split when somebody looks at them.

Processes choose their arguments, and many are kept. Each word would be an object of its own, with some 50
bytes beside its text: 4,096 bytes of short words would take 100,000. Only a few short ones are kept split,
as nearly all programs have them. Those that are not ASCII are not: as text, a byte takes up to 16.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Generic, TypeVar, overload

import attrs

from enforcer.safe_text import readable

__all__ = ["Texts", "Words"]

_END: Final = b"\0"
_FEW, _SHORT = 16, 512  # words, and bytes of all of them
_OWN_BYTES, _WORD_BYTES = 112, 60  # what the objects take beside their bytes

W = TypeVar("W", bytes, str)


@attrs.define(eq=False, repr=False)
class _Packed(Sequence[W], Generic[W]):
    """Words, each of which ends with NUL in *raw*. It never changes, and equals the tuple of these words."""

    raw: bytes
    _few: tuple[W, ...] = attrs.field(default=(), init=False)

    @abstractmethod
    def _split(self) -> list[W]:
        """Take the words apart; behind the last NUL stands an empty one."""

    def split(self) -> list[W]:
        """Take the words apart."""
        if self._few:
            return list(self._few)
        words = self._split()
        words.pop()
        if self._is_kept_split:
            self._few = tuple(words)
        return words

    @property
    def weight(self) -> int:
        """About how many bytes of memory it takes, once somebody has looked at it."""
        words = len(self) * _WORD_BYTES + len(self.raw) if self._is_kept_split else 0
        return _OWN_BYTES + len(self.raw) + words

    @property
    def _is_kept_split(self) -> bool:
        return len(self.raw) <= _SHORT and len(self) <= _FEW and self.raw.isascii()

    @overload
    def __getitem__(self, index: int) -> W: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[W]: ...
    def __getitem__(self, index: int | slice) -> W | Sequence[W]:
        return self.split()[index]

    def __iter__(self) -> Iterator[W]:
        return iter(self.split())

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __len__(self) -> int:
        return self.raw.count(_END)

    def __eq__(self, other: object) -> bool:
        if type(other) is type(self):
            return self.raw == other.raw
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.split()})"


@attrs.define(eq=False, repr=False)
class Texts(_Packed[str]):
    """Words as records show them: see :func:`enforcer.safe_text.readable`."""

    @classmethod
    def of(cls, words: Iterable[str]) -> Texts:
        """Pack *words*, which hold no NUL."""
        if isinstance(words, cls):
            return words
        return cls(b"".join(word.encode(errors="surrogatepass") + _END for word in words))

    def _split(self) -> list[str]:
        return readable(self.raw).split("\0")  # no character of UTF-8 goes over a NUL


@attrs.define(eq=False, repr=False)
class Words(_Packed[bytes]):
    """Words as they are."""

    _shown: Texts | None = attrs.field(default=None, init=False)

    @classmethod
    def of(cls, words: Iterable[bytes]) -> Words:
        """Pack *words*, which hold no NUL."""
        return words if isinstance(words, cls) else cls(b"".join(word + _END for word in words))

    @classmethod
    def ended(cls, raw: bytes) -> Words:
        """Take *raw* as it is; the NUL behind the last word may be missing."""
        return cls(raw if raw.endswith(_END) else raw + _END)

    @property
    def shown(self) -> Texts:
        """The same, as text."""
        if self._shown is None:
            self._shown = Texts(self.raw)
        return self._shown

    def _split(self) -> list[bytes]:
        return self.raw.split(_END)
