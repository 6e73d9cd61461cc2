# SPDX-License-Identifier: MIT
"""
Whether one text value accepts one text, for the checks of policies against names that matter.

The kernel side has its own automata with the same meaning; this form is easy to read.
"""

from __future__ import annotations

import functools
import re

from enforcer.policy.model.policy import Text, TextKind

__all__ = ["accepts", "beginning", "literal_directory"]

_SPECIAL = re.compile(rb"[*?\[\\]")


def accepts(value: Text, text: bytes, *, is_path: bool = True) -> bool:
    """Tell whether *value* accepts *text*."""
    if value.kind is TextKind.EXACT:
        return text == value.value
    if value.kind is TextKind.PREFIX:
        return text.startswith(value.value)
    if value.kind is TextKind.SUFFIX:
        return text.endswith(value.value)
    if value.kind is TextKind.CONTAINS:
        return value.value in text
    return _pattern(value.value, is_path).fullmatch(text) is not None


def literal_directory(value: Text) -> bytes | None:
    """Return the directory that everything accepted lies in, as far as it is spelt; None: none."""
    if value.kind in (TextKind.SUFFIX, TextKind.CONTAINS):
        return None
    head, _ = beginning(value)
    return head[: head.rfind(b"/")] or b"/"


def beginning(value: Text) -> tuple[bytes, bool]:
    """Return what everything accepted begins with, as far as it is spelt, and whether more may follow."""
    if value.kind in (TextKind.SUFFIX, TextKind.CONTAINS):
        return b"", True
    special = _SPECIAL.search(value.value) if value.kind is TextKind.GLOB else None
    if special is not None:
        return value.value[: special.start()], True
    return value.value, value.kind is TextKind.PREFIX


@functools.lru_cache(maxsize=4096)
def _pattern(glob: bytes, is_path: bool) -> re.Pattern[bytes]:  # noqa: FBT001 - key of the cache
    return re.compile(b"".join(_parts(glob, is_path=is_path)), re.DOTALL)


_TOKEN = re.compile(
    rb"""
    (?P<dirs>   (?<=/)\*\*+/  )           # components, none or more
  | (?P<below>  (?<=/)\*\*+$  )           # one component or more
  | (?P<deep>   \*\*+         )
  | (?P<whole>  (?<=/)\*(?=/|$) )         # a component is never empty
  | (?P<star>   \*            )
  | (?P<one>    \?            )
  | \[(?P<not>[!^]?)(?P<class>(?:\\.|.)(?:\\.|[^\]\\])*)\]
  | \\(?P<quoted>.)
  | (?P<text>[^*?\[\\]+)
    """,
    re.VERBOSE | re.DOTALL,
)

_PATH = {
    "dirs": rb"(?:.*/)?",
    "below": rb".+",
    "deep": rb".*",
    "whole": rb"[^/]+",
    "star": rb"[^/]*",
    "one": rb"[^/]",
}
_STRING = {
    "dirs": rb".*/",
    "below": rb".*",
    "deep": rb".*",
    "whole": rb".*",
    "star": rb".*",
    "one": rb".",
}


def _parts(glob: bytes, *, is_path: bool) -> list[bytes]:
    forms = _PATH if is_path else _STRING
    parts: list[bytes] = []
    for found in _TOKEN.finditer(glob):
        kind = found.lastgroup or ""
        if kind in forms:
            parts.append(forms[kind])
        elif kind == "class":
            slash = rb"(?!/)" if is_path else b""
            parts.append(slash + _class(found["class"], negated=bool(found["not"])))
        else:
            parts.append(re.escape(found["quoted"] or found["text"]))
    return parts


def _class(members: bytes, *, negated: bool) -> bytes:
    out = re.sub(
        rb"\\(.)|([\[\]^&~|])", lambda m: re.escape(m[1] or m[2]), members, flags=re.DOTALL
    )
    return b"[" + (b"^" if negated else b"") + out + b"]"
