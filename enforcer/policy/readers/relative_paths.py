# SPDX-License-Identifier: MIT
"""Paths that do not begin with ``/``: what their author probably meant, and what to write for it."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["how_to_write"]

_OTHER_QUOTES: Final = "\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb`"
_FILE_URL: Final = re.compile(r"file:/*")
_EXPRESSION: Final = re.compile(r"\([^()]*\|[^()]*\)|[\])][+{]|\.[+*]|\$$")
_DRIVE: Final = re.compile(r"[A-Za-z]:\\")


def how_to_write(text: str, *, is_glob: bool) -> str:
    """Say what to write instead of *text*, which is no absolute path."""
    if text[0] in _OTHER_QUOTES:
        return f"{text[0]} is no quote of YAML, write \" or ' instead"
    if text.startswith("~"):
        rest = text.partition("/")[2]
        return f"~ is not expanded, write /root/{rest} or /home/*/{rest}"
    if text.startswith("$"):
        return "variables are not expanded, write the path itself"
    if found := _FILE_URL.match(text):
        return f"write /{text[found.end() :]}"
    if _DRIVE.match(text):
        return "write a path of Linux"
    if is_glob and (text.startswith("^") or _EXPRESSION.search(text)):
        return "it is a glob and no regular expression, start it with /"
    return "start it with /, or with /**/" if is_glob else "start it with /"
