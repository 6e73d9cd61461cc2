# SPDX-License-Identifier: MIT
"""
Patterns as AppArmor has them, which KubeArmor's documentation refers to, as globs of the language.

``{a,b}`` is written out. ``**`` between two slashes is one directory or more there, none or more here.
Beside other characters it stands for any there; here it is written as a component of its own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from enforcer.errors import LimitError, PolicyError
from enforcer.policy.model.policy import Text
from enforcer.policy.readers.double_stars import with_whole_double_stars
from enforcer.policy.readers.texts import TextForm, glob_text
from enforcer.policy.text.nodes import shorten
from enforcer.span import Span

__all__ = ["read_pattern"]

MAX_ALTERNATIVES = 64
_TOO_MANY = f"{{!r}} has more than {MAX_ALTERNATIVES} alternatives: write several patterns"

_PIECE = re.compile(r"\\.|\[(?:[!^]?\]?)(?:\\.|[^\]\\])*\]|[{},]|.", re.DOTALL)
_REGULAR = re.compile(r"[()|]|\$$|\\[A-Za-z0-9]")


def read_pattern(text: str, form: TextForm, span: Span) -> tuple[Text, ...]:
    """
    Read one pattern; any of the returned globs may match.

    Raises:
        PolicyError: it is malformed, a regular expression, or nothing could ever match it.
    """
    if _REGULAR.search(text):
        msg = (
            f"{shorten(text)!r} looks like a regular expression: patterns are globs as in AppArmor, "
            "with *, **, ?, [abc] and {a,b}"
        )
        raise PolicyError(msg, span)
    if "@{" in text:
        msg = f"{shorten(text)!r} has a variable of AppArmor: write out what it stands for"
        raise PolicyError(msg, span)
    pieces = [found[0] for found in _PIECE.finditer(text)]
    found = dict.fromkeys(_alternatives(pieces, text, span))
    if any(glob.endswith("/") for glob in found):
        msg = f"{shorten(text)!r} ends in /, which no file does: add * or ** for what lies there"
        raise PolicyError(msg, span)
    return tuple(glob_text(glob, form, span) for glob in _whole(found, text, span))


def _whole(globs: Iterable[str], text: str, span: Span) -> list[str]:
    """Return *globs*, all of *text*, in the language's form."""
    every = (whole for glob in globs for whole in with_whole_double_stars(_as_here(glob)))
    found = list(itertools.islice(every, MAX_ALTERNATIVES + 1))
    if len(found) > MAX_ALTERNATIVES:
        raise LimitError(_TOO_MANY.format(shorten(text)), span)
    return found


def _alternatives(pieces: list[str], text: str, span: Span) -> list[str]:
    """Write out ``{a,b}``, at any depth."""
    stack: list[list[list[str]]] = [[[""]]]  # open braces; their alternatives; texts of each
    for piece in pieces:
        if piece == "{":
            stack.append([[""]])
        elif piece == "}" and len(stack) > 1:
            inner = [one for alternative in stack.pop() for one in alternative]
            stack[-1][-1] = [a + b for a in stack[-1][-1] for b in inner]
        elif piece == "}":
            msg = f"}} in {shorten(text)!r} closes nothing: write a literal one as \\}}"
            raise PolicyError(msg, span)
        elif piece == "," and len(stack) > 1:
            stack[-1].append([""])
        else:
            stack[-1][-1] = [a + piece for a in stack[-1][-1]]
        if sum(len(alternative) for alternative in stack[-1]) > MAX_ALTERNATIVES:
            raise LimitError(_TOO_MANY.format(shorten(text)), span)
    if len(stack) > 1:
        msg = f"{{ in {shorten(text)!r} is not closed: write a literal one as \\{{"
        raise PolicyError(msg, span)
    return stack[0][0]


def _as_here(glob: str) -> str:
    return "/".join(_components(glob.split("/")))


def _components(parts: list[str]) -> Iterator[str]:
    for number, part in enumerate(parts, start=1):
        if part == "**" and number < len(parts):
            yield "*"
        yield part
