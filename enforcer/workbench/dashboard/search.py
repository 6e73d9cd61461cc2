# SPDX-License-Identifier: MIT
"""The filter of a dashboard: words that an event must have, or must not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enforcer.events.document_types import BriefDocument

__all__ = ["KEYS", "Search", "unknown_keys"]


def _process(event: BriefDocument) -> str:
    actors = (event["process"], *event["ancestors"])
    return " ".join(f"{actor['name']}[{actor['pid']}] {actor['exe'] or ''}" for actor in actors)


KEYS: dict[str, Callable[[BriefDocument], str]] = {
    "policy": lambda event: event["policy"],
    "rule": lambda event: event["rule"],
    "action": lambda event: f"{event['action']} {event['outcome']}",
    "op": lambda event: event["operation"],
    "path": lambda event: event["target"],
    "process": _process,
    "container": lambda event: event["container"] or "",
    "reason": lambda event: event["message"],
}
"""Where a word is looked for if the key stands before it, ``path:/srv``; else it is looked for in all."""

_KEYED = re.compile(r"([a-z]+):(?!//)")  # 7:00, 2001:db8::1 and http://x have no keys


@attrs.frozen
class Search:
    """
    A filter.

    Attributes:
        text: as it was typed: words with blanks between; ``-`` before one turns it round.
    """

    text: str = ""

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return the keys that were typed and that there are not; such a word is looked for as it is."""
        words = [word.removeprefix("-") for word in self.text.casefold().split()]
        found = [_KEYED.match(word) for word in words]
        return tuple(dict.fromkeys(m[1] for m in found if m is not None and m[1] not in KEYS))

    def finds(self, event: BriefDocument) -> bool:
        """Tell whether *event* has all of the words; upper and lower case are the same."""
        return all(_has(event, word) for word in self.text.casefold().split())


def unknown_keys(names: Sequence[str]) -> str:
    """Say that there are no such keys, and which there are."""
    return f"no key {', '.join(names)} (there are {' '.join(KEYS)})"


def _has(event: BriefDocument, word: str) -> bool:
    if word.startswith("-") and len(word) > 1:
        return not _has(event, word[1:])
    key, colon, rest = word.partition(":")
    if colon and rest and key in KEYS:
        return rest in KEYS[key](event).casefold()
    return any(word in text(event).casefold() for text in KEYS.values())
