# SPDX-License-Identifier: MIT
"""
Text values of the model as the forms the image has: one string, a subtree, or a sequence of tokens.

Owns what a glob means. The tables that recognise the forms are built in ``strings`` and ``glob``.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable
from typing import Final

import attrs

from enforcer.errors import EnforcerBug
from enforcer.policy.model.policy import TextKind

__all__ = [
    "ANYTHING",
    "Below",
    "Chars",
    "Exact",
    "Form",
    "Glob",
    "Token",
    "Wild",
    "directory",
    "forms",
    "merge",
    "unit",
]


class Wild(enum.Enum):
    """What stands for bytes that the pattern does not spell."""

    ONE = enum.auto()  # one byte, not "/"
    RUN = enum.auto()  # any number of bytes, none "/"
    BYTE = enum.auto()  # one byte
    DEEP = enum.auto()  # any number of bytes
    DIRS = enum.auto()  # nothing, or any number of bytes and then "/"
    SLICES = enum.auto()  # any number of components "/….slice"
    UNITLESS = enum.auto()  # any number of components "/…", none ".service" or ".scope"
    ROOT = enum.auto()  # where a runtime has the root of a container; only at the beginning


Chars = frozenset[int]
"""One byte of a class."""

Token = bytes | Wild | Chars
ANYTHING: Final = (Wild.DEEP,)


@attrs.frozen(cache_hash=True)
class Exact:
    """The text is *value*."""

    value: bytes


@attrs.frozen(cache_hash=True)
class Below:
    """The text is a path strictly below the directory *value*."""

    value: bytes


@attrs.frozen(cache_hash=True)
class Glob:
    """The text is what *tokens* describe, from its beginning to its end."""

    tokens: tuple[Token, ...]


Form = Exact | Below | Glob


def forms(kind: TextKind, value: bytes, *, is_path: bool) -> tuple[Form, ...]:
    """Return the forms that together accept what a text value accepts."""
    if kind is TextKind.EXACT:
        return (Exact(value),)
    if kind is TextKind.PREFIX:
        return _prefix(value, is_path=is_path)
    if kind is TextKind.SUFFIX:
        return (Glob((Wild.DEEP, value)),)
    if kind is TextKind.CONTAINS:
        return (Glob((Wild.DEEP, value, Wild.DEEP)),)
    return (_simplest(_path_tokens(value) if is_path else _string_tokens(value)),)


def unit(name: bytes) -> tuple[Form, ...]:
    """
    Return the forms of the cgroups of a systemd unit of the host, and below.

    Only slices may lie above it: a user's own manager, or a container's, cannot claim the name.
    """
    head: tuple[Token, ...] = (Wild.SLICES, b"/" + name)
    return (Glob(head), Glob((*head, b"/", Wild.DEEP)))


def _prefix(value: bytes, *, is_path: bool) -> tuple[Form, ...]:
    if not is_path or not value.endswith(b"/"):
        return (Glob((value, Wild.DEEP)),)
    if value == b"/":
        return (Exact(b"/"), Below(b"/"))
    return (Below(value[:-1]),)


def _simplest(tokens: tuple[Token, ...]) -> Form:
    match tokens:
        case (bytes(text),):
            return Exact(text)
        case (b"/", Wild.BYTE, Wild.DEEP):
            return Below(b"/")
        case (bytes(text), Wild.BYTE, Wild.DEEP) if text.endswith(b"/"):
            return Below(text[:-1])
    return Glob(tokens)


def directory(glob: Glob) -> bytes:
    """Return the lowest directory below which every path lies that *glob* accepts."""
    first = glob.tokens[0]
    return (first.rpartition(b"/")[0] if isinstance(first, bytes) else b"") or b"/"


def merge(parts: Iterable[Token]) -> tuple[Token, ...]:
    """Merge adjacent literals."""
    out: list[Token] = []
    for part in parts:
        if isinstance(part, bytes) and out and isinstance(out[-1], bytes):
            out[-1] += part
        else:
            out.append(part)
    return tuple(out)


@functools.lru_cache(maxsize=4096)
def _string_tokens(glob: bytes) -> tuple[Token, ...]:
    parts: list[Token] = []
    for part in _scan(glob):
        if part == b"*" and isinstance(part, _Special):
            if parts[-1:] != [Wild.DEEP]:
                parts.append(Wild.DEEP)
        elif part == b"?" and isinstance(part, _Special):
            parts.append(Wild.BYTE)
        else:
            parts.append(bytes(part) if isinstance(part, bytes) else part)
    return merge(parts) or (b"",)


@functools.lru_cache(maxsize=4096)
def _path_tokens(glob: bytes) -> tuple[Token, ...]:
    """
    Read a glob over paths.

    A component that is ``**`` alone stands for any number of components: none or more before a
    further one, one or more at the end. No component of a path is empty, so one that is ``*`` alone
    takes at least a byte.
    """
    scanned = _scan(glob)
    star, slash = _Special(b"*"), b"/"
    parts: list[Token] = []
    at = 0
    while at < len(scanned):
        part = scanned[at]
        if not isinstance(part, _Special):
            parts.append(bytes(part) if isinstance(part, bytes) else part - {0x2F})
            at += 1
            continue
        if part == b"?":
            parts.append(Wild.ONE)
            at += 1
            continue
        stars = 1
        while at + stars < len(scanned) and _is_star(scanned[at + stars], star):
            stars += 1
        after = scanned[at + stars] if at + stars < len(scanned) else None
        opens = at == 0 or scanned[at - 1] == slash
        if stars == 1:
            whole = opens and after in {None, slash}
            parts += [Wild.ONE, Wild.RUN] if whole else [Wild.RUN]
        elif opens and after == slash:
            parts.append(Wild.DIRS)
            stars += 1
        elif opens and after is None:
            parts += [Wild.BYTE, Wild.DEEP]
        else:
            parts.append(Wild.DEEP)
        at += stars
    return merge(parts)


class _Special(bytes):
    """An unquoted ``*`` or ``?``."""

    __slots__ = ()


def _is_star(part: bytes | Chars, star: _Special) -> bool:
    return isinstance(part, _Special) and part == star


def _scan(glob: bytes) -> list[bytes | Chars]:
    """Split into single bytes, specials and classes."""
    out: list[bytes | Chars] = []
    at = 0
    while at < len(glob):
        byte = glob[at : at + 1]
        if byte == b"\\":
            out.append(glob[at + 1 : at + 2])
            at += 2
        elif byte == b"[":
            chars, at = _class(glob, at)
            out.append(chars)
        else:
            out.append(_Special(byte) if byte in {b"*", b"?"} else byte)
            at += 1
    return out


def _class(glob: bytes, start: int) -> tuple[Chars, int]:
    """Read the class that opens at *start*; return it and where the rest begins."""
    at = start + 1
    negated = glob[at : at + 1] in {b"!", b"^"}
    at += negated
    first = at
    members: set[int] = set()
    while glob[at : at + 1] != b"]" or at == first:
        low, at = _class_byte(glob, at)
        if glob[at : at + 1] == b"-" and glob[at + 1 : at + 2] != b"]":
            high, at = _class_byte(glob, at + 1)
            members.update(range(low, high + 1))
        else:
            members.add(low)
    return frozenset(range(256)) - members if negated else frozenset(members), at + 1


def _class_byte(glob: bytes, at: int) -> tuple[int, int]:
    at += glob[at : at + 1] == b"\\"
    if at >= len(glob):
        raise EnforcerBug(f"the glob {glob!r} was not checked: its class is not closed")
    return glob[at], at + 1
