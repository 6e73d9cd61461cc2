# SPDX-License-Identifier: MIT
"""
Letters that look like other ones: words that seem to be known and are not.

Unicode's compatibility form covers full-width and mathematical letters. Those of Cyrillic and Greek are listed
as far as words of the language can be written with them.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from enforcer.policy.text.characters import find_unreadable

__all__ = ["look_alike", "plain"]

# By code points, since nobody could check the letters themselves.
_LOOK_LIKE: Final = {
    # Cyrillic
    "\u0430\u0435\u0441\u043e\u0440\u0445\u0443\u0456": "aecopxyi",
    "\u0432\u0455\u0458\u04bb\u0501\u051b\u051d": "bsjhdqw",
    "\u043a\u043c\u0442\u043d\u0433": "kmthr",
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c": "ABESIJKM",
    "\u041d\u041e\u0420\u0421\u0422\u0425\u0423": "HOPCTXY",
    # Greek
    "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5": "aikvoptu",
    "\u03c7\u03b3\u03c9": "xyw",
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c": "ABEZHIKM",
    "\u039d\u039f\u03a1\u03a4\u03a5\u03a7": "NOPTYX",
    # Latin, and dashes
    "\u0131\u0261\u0269\u029f": "igil",
    "\u2010\u2011\u2013\u2212": "----",
}
_LATIN: Final = str.maketrans("".join(_LOOK_LIKE), "".join(_LOOK_LIKE.values()))


def plain(text: str) -> str:
    """Return *text* in the letters that it seems to have; what cannot be seen is left out."""
    return "".join(map(_seen, text)).strip()


def look_alike(text: str) -> str:
    """Name the first character of *text* that is not what it seems to be; empty if all are."""
    for char in text:
        seen = _seen(char)
        if seen == char:
            continue
        name = f"U+{ord(char):04X}, {unicodedata.name(char, 'a character without a name')}"
        if not seen.strip():
            return f"it has {name}"
        return f"its {char!r} is {name}, and only looks like {seen!r}"
    return ""


def _seen(char: str) -> str:
    if char.isascii():
        return char
    if find_unreadable(char) >= 0:
        return ""
    return unicodedata.normalize("NFKC", char).translate(_LATIN)
