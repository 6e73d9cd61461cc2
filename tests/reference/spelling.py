# SPDX-License-Identifier: MIT
"""
Paths in directories that find a name by several spellings, in the plainest form.

What another spelling would meet is tried at each place where a pattern's names could begin to be folded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from enforcer.policy.model.policy import Text, TextKind

CASE, SHORT, OTHER = 1, 2, 3
"""The case of letters does not count; short names and ends neither; nobody knows."""


def folding(kind: int, at: int) -> int:
    """Return the flags of an object whose names are folded from byte *at* of its path on."""
    return kind << 30 | at << 16


def folding_exe(kind: int, at: int) -> int:
    """Return the flags of a process whose executable's names are."""
    return kind << 30 | at << 20


def of_flags(flags: int) -> tuple[int, int]:
    return flags >> 30, flags >> 16 & 0x3FFF


def of_exe_flags(flags: int) -> tuple[int, int]:
    return flags >> 30, flags >> 20 & 0x1FF


def settled(kind: int, name: bytes) -> bool:
    """Is it certain which names are the same as this?"""
    if kind == OTHER or not name.isascii():
        return False
    return kind == CASE or not re.search(rb":|[. ]\Z|~[0-9]+(?:\.|\Z)", name)


def seen(path: bytes, kind: int, at: int) -> tuple[bytes, bool]:
    """Return as much of *path* as is certain, with small letters, and whether there is more."""
    head = path[:at]
    for name in path[at + 1 :].split(b"/"):
        if not settled(kind, name):
            return head, True
        head += b"/" + name.lower()
    return head, False


def places(value: Text, skip_class: Callable[[bytes], int]) -> Iterator[int]:
    """Yield where names of a pattern may begin, and its end."""
    text, at = value.value, 0
    yield 0
    while at < len(text):
        if text[at : at + 1] == b"/":
            yield at
        if value.kind is TextKind.GLOB:
            if text[at : at + 1] == b"\\":
                at += 1
            elif text[at : at + 1] == b"[":
                at += skip_class(text[at:]) - 1
            elif text[at : at + 2] == b"**":
                while text[at + 1 : at + 2] == b"*":
                    at += 1
                yield at + 1
        at += 1
    yield len(text)


def whole_directory(value: Text) -> bytes | None:
    """Return the directory, with its slash, if the pattern is all that lies below one."""
    found = re.fullmatch(rb"((?:[^*?\[\\]|\\.)*/)\*\*", value.value, re.DOTALL)
    if value.kind is not TextKind.GLOB or not found:
        return None
    return re.sub(rb"\\(.)", rb"\1", found[1], flags=re.DOTALL)


def lowered(value: Text, at: int) -> Text:
    return Text(value.kind, value.value[:at] + value.value[at:].lower(), value.span)
