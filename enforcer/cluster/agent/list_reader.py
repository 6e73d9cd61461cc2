# SPDX-License-Identifier: MIT
"""
Read a list object by object, so that no more than one of them is held as a whole.

A megabyte of JSON is twenty of Python's objects where it says ``[[],[],[]…``, and whoever may write policies may
write ten of those.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["read_list"]

_T = TypeVar("_T")
_SPACE: Final = " \t\n\r"
_ITEMS: Final = "items"


def read_list(
    text: str, decoder: json.JSONDecoder, kept: Callable[[Any], _T]
) -> tuple[dict[str, Any], list[_T]]:
    """
    Return the object that *text* is but for its ``items``, and what *kept* makes of each of these.

    ``items`` that are no list stay in the object.

    Raises:
        ValueError: it is no object of JSON.
        RecursionError: it is nested too deep.
    """
    found: dict[str, Any] = {}
    items: list[_T] = []
    place = _behind(text, 0, "{")
    more = text[place : place + 1] != "}"
    place += not more
    while more:
        if text[place : place + 1] != '"':
            raise ValueError(f"a key that is no text at character {place}")
        word, place = decoder.raw_decode(text, place)
        place = _behind(text, place, ":")
        if word == _ITEMS and text[place : place + 1] == "[":
            items, place = _read_items(text, place + 1, decoder, kept)
            found[_ITEMS] = None
        else:
            found[word], place = decoder.raw_decode(text, place)
        more, place = _goes_on(text, place, "}")
    if place != len(text):
        raise ValueError("something behind the end")
    return found, items


def _read_items(
    text: str, place: int, decoder: json.JSONDecoder, kept: Callable[[Any], _T]
) -> tuple[list[_T], int]:
    items: list[_T] = []
    place = _skip(text, place)
    if text[place : place + 1] == "]":
        return items, _skip(text, place + 1)
    more = True
    while more:
        item, place = decoder.raw_decode(text, place)
        items.append(kept(item))
        del item  # before the next one is read
        more, place = _goes_on(text, place, "]")
    return items, place


def _goes_on(text: str, place: int, end: str) -> tuple[bool, int]:
    """Tell whether a comma follows, and not *end*, and where what is behind it begins."""
    place = _skip(text, place)
    found = text[place : place + 1]
    if found not in {",", end}:
        raise ValueError(f"neither a comma nor {end} at character {place}")
    return found == ",", _skip(text, place + 1)


def _behind(text: str, place: int, sign: str) -> int:
    place = _skip(text, place)
    if text[place : place + 1] != sign:
        raise ValueError(f"no {sign} at character {place}")
    return _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    while text[place : place + 1] and text[place] in _SPACE:
        place += 1
    return place
