# SPDX-License-Identifier: MIT
"""
Text values: literal and glob, paths and plain strings.

The syntax of globs is checked here, so the compiler gets only well-formed ones. A glob in which all special
characters are quoted becomes an exact text.
"""

from __future__ import annotations

import itertools
import re

import attrs

from enforcer.errors import LimitError, PolicyError
from enforcer.policy.model.policy import Text, TextKind
from enforcer.policy.readers.double_stars import has_double_star_beside, with_whole_double_stars
from enforcer.policy.readers.relative_paths import how_to_write
from enforcer.policy.text.nodes import shorten
from enforcer.span import Span

__all__ = ["TextForm", "glob_text", "literal_text", "quote"]

MAX_COMPONENT = 255
MAX_SHOWN_GLOBS = 2
# Tuples: compared by identity, where a set would hash enum members at every look-up.
_FROM_START = (TextKind.EXACT, TextKind.PREFIX)
_TO_END = (TextKind.EXACT, TextKind.SUFFIX)
_SPECIAL = "*?[\\{}"
_QUOTED = re.compile(r"\\(.)")
_NAMED: dict[str, dict[str, str]] = {
    "[:": {
        "": "the characters themselves, such as [0-9]",
        "digit": "[0-9]",
        "lower": "[a-z]",
        "upper": "[A-Z]",
        "alpha": "[a-zA-Z]",
        "alnum": "[a-zA-Z0-9]",
        "xdigit": "[0-9a-fA-F]",
    },
    "[.": {"": "the character itself"},
    "[=": {"": "the characters themselves"},
}
"""How classes of POSIX begin, and what to write instead of each; the empty name: of any other."""
_ANY_SPECIAL = re.compile(r"[*?\[\\{}]")


@attrs.frozen
class TextForm:
    """
    What the texts of a field look like: paths by component or not, and how long.

    *ends_at* is a character that none has: it parts them from a word that only the caller gives.
    """

    what: str
    limit: int
    is_path: bool = False
    ends_at: str = ""


def literal_text(text: str, kind: TextKind, form: TextForm, span: Span) -> Text:
    """
    Make a literal value, compared as *kind* says.

    Raises:
        PolicyError: nothing could ever match it.
    """
    _check_size(text, form, span)
    if form.is_path:
        _check_literal_path(text, kind, span)
    return Text(kind, text.encode(), span)


def glob_text(text: str, form: TextForm, span: Span) -> Text:
    """
    Make a value of a glob: EXACT if nothing in it is special, else GLOB.

    For paths a trailing ``/`` stands for ``/**``.

    Raises:
        PolicyError: the glob is malformed, or nothing could ever match it.
    """
    _check_size(text, form, span)
    if form.is_path and text.endswith("/"):
        text += "**"
    plain = _unquoted(text, form, span)
    if form.is_path:
        _check_components(text, plain, span)
    if plain is not None:
        return literal_text(plain, TextKind.EXACT, form, span)
    return Text(TextKind.GLOB, text.encode(), span)


def quote(text: str) -> str:
    """Quote *text* so that as a glob it means itself."""
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in text)


def _check_size(text: str, form: TextForm, span: Span) -> None:
    if not text:
        msg = f"{form.what} is empty"
        raise PolicyError(msg, span)
    if "\0" in text:
        msg = f"{form.what} holds a NUL character, which no {form.what.split()[-1]} has"
        raise PolicyError(msg, span)
    if len(text.encode()) > form.limit:
        msg = f"{form.what} has {len(text.encode())} bytes, the limit is {form.limit}"
        raise LimitError(msg, span)
    if form.ends_at and form.ends_at in text:
        front = text.partition(form.ends_at)[0]
        kept = "" if _ANY_SPECIAL.search(front) else front
        msg = (
            f"{form.what} {shorten(text)!r} has {form.ends_at!r} in it, and what is behind that is the caller's "
            f"own word: write {kept or 'what stands in front'}"
        )
        raise PolicyError(msg, span)


def _unquoted(text: str, form: TextForm, span: Span) -> str | None:
    """Check the glob; return the only text that it means, or None if it means several."""
    if not _ANY_SPECIAL.search(text):
        return text
    meant: list[str] = []
    many = False
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
            if at == len(text):
                msg = (
                    f"the glob {shorten(text)!r} ends in a backslash: leave it out, or write \\\\ "
                    "for a literal one"
                )
                raise PolicyError(msg, span)
            if form.is_path and text[at] == "/":
                msg = f"the backslash before / in the glob {shorten(text)!r} quotes nothing: leave it out"
                raise PolicyError(msg, span)
            meant.append(text[at])
        elif char == "[":
            many = True
            at = _class_end(text, at, form, span)
        elif char in "*?":
            many = True
        elif char in "{}":
            msg = (
                f"{char} in the glob {shorten(text)!r}: write alternatives as a list of globs, "
                f"and a literal one as \\{char}"
            )
            raise PolicyError(msg, span)
        else:
            meant.append(char)
        at += 1
    return None if many else "".join(meant)


def _class_end(text: str, start: int, form: TextForm, span: Span) -> int:
    """Check the class that opens at *start*; return where it closes."""
    where = f"the class at {shorten(text[start:], 20)!r} in the glob"
    at = start + 1
    if text[at : at + 1] in {"!", "^"}:
        at += 1
    first = at
    while text[at : at + 1] != "]" or at == first:
        _check_named(text, at, span)
        low, at = _member(text, at)
        high = low
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] != "]":
            high, at = _member(text, at + 1)
        if not low or not high:
            msg = f"{where} is not closed: write \\[ for a literal one"
            raise PolicyError(msg, span)
        if not (low.isascii() and high.isascii()):
            msg = f"{where} has a character of several bytes: list one glob for each instead"
            raise PolicyError(msg, span)
        if form.is_path and "/" in {low, high}:
            msg = f"{where} has a '/', which a class cannot match"
            raise PolicyError(msg, span)
        if low > high:
            msg = f"{where} has the range {low}-{high} backwards"
            raise PolicyError(msg, span)
    return at


def _check_named(text: str, at: int, span: Span) -> None:
    """Refuse the classes with names of POSIX, which read as plain characters would mean something else."""
    opens = text[at : at + 2]
    if opens not in _NAMED:
        return
    closes = text.find(opens[1] + "]", at + 2)
    shown = text[at : closes + 2] if closes > 0 else opens
    instead = _NAMED[opens].get(text[at + 2 : closes], _NAMED[opens][""])
    msg = (
        f"{shorten(shown, 20)} in the glob {shorten(text)!r} is of POSIX: write {instead}, "
        "and a literal [ as \\["
    )
    raise PolicyError(msg, span)


def _member(text: str, at: int) -> tuple[str, int]:
    """Return the character of a class at *at* ("" at the end of the text) and where it ends."""
    at += text[at : at + 1] == "\\"
    return text[at : at + 1], at + 1


def _check_literal_path(text: str, kind: TextKind, span: Span) -> None:
    starts_whole, ends_whole = kind in _FROM_START, kind in _TO_END
    if starts_whole and not text.startswith("/"):
        msg = f"the path {shorten(text)!r} must be absolute: {how_to_write(text, is_glob=False)}"
        raise PolicyError(msg, span)
    if kind is TextKind.EXACT and text == "/":
        return
    if ends_whole and text.endswith("/"):
        msg = f"{shorten(text)!r} ends in /, but the kernel's paths do not: leave it out"
        raise PolicyError(msg, span)
    first, *rest = text.split("/")
    # The first component of a suffix and the last of a prefix are fragments and may be anything.
    for part in rest if ends_whole else rest[:-1]:
        _check_component(part, text, span)
    for part in (first, *rest):
        _check_length(part, text, span)


def _check_components(text: str, plain: str | None, span: Span) -> None:
    if not text.startswith("/"):
        msg = f"the path {shorten(text)!r} must be absolute: {how_to_write(text, is_glob=True)}"
        raise PolicyError(msg, span)
    if plain is not None:
        return  # checked as the literal that it is
    parts = text.split("/")[1:]
    if any(map(has_double_star_beside, parts)):
        msg = (
            f"** in the glob {shorten(text)!r} has other characters beside it, but it stands for whole "
            f"components: {_instead(text)}"
        )
        raise PolicyError(msg, span)
    for part in parts:
        _check_component(_QUOTED.sub(r"\1", part), text, span)
        if not _ANY_SPECIAL.search(part):
            _check_length(part, text, span)


def _instead(text: str) -> str:
    """Say what to write for a glob with ``**`` inside components."""
    globs = list(itertools.islice(with_whole_double_stars(text), MAX_SHOWN_GLOBS + 1))
    if len(globs) > MAX_SHOWN_GLOBS:
        return "write it between slashes or at the end, as in /a/**/*.b"
    if len(globs) == 1:
        return f"write {globs[0]}"
    return f"write [{', '.join(globs)}]"


def _check_component(part: str, text: str, span: Span) -> None:
    if part == "":
        msg = f"{shorten(text)!r} has an empty component (//), which no path of the kernel has"
        raise PolicyError(msg, span)
    if part in {".", ".."}:
        msg = f"{shorten(text)!r} has a component {part!r}: write the path that it leads to"
        raise PolicyError(msg, span)


def _check_length(part: str, text: str, span: Span) -> None:
    if len(part) * 4 > MAX_COMPONENT and len(part.encode()) > MAX_COMPONENT:
        msg = (
            f"a component of {shorten(text)!r} is longer than {MAX_COMPONENT} bytes, as no name is"
        )
        raise LimitError(msg, span)
