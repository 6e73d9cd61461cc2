# SPDX-License-Identifier: MIT
"""Selectors of labels in the one line that ``kubectl get --selector`` takes: ``pool=canary,zone in (a,b),!gpu``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.kube.errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_SELECTOR", "Selector", "parse_selector"]

MAX_SELECTOR: Final = 256
"""Characters. Every node reports the selector by which it has decided."""

_WORD: Final = "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY: Final = f"(?:[a-z0-9](?:[a-z0-9.-]{{0,200}}[a-z0-9])?/)?{_WORD}"
_TERM: Final = re.compile(
    rf"(?:!\s*(?P<absent>{_KEY})"
    rf"|(?P<key>{_KEY})(?:\s*(?P<sign>==|!=|=)\s*(?P<value>(?:{_WORD})?)"
    rf"|\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\))?)"
)
_VALUE: Final = re.compile(f"(?:{_WORD})?")
_PARTS: Final = re.compile(r"(?:[^,()]|\([^()]*\))+")
"""Terms: a comma in parentheses parts none."""


@attrs.frozen
class _Term:
    """
    One condition on one label.

    Attributes:
        values: the label has one of these; None: whatever it has.
        is_negated: the condition must not hold. So it holds of a node without the label, as in Kubernetes.
    """

    key: str
    values: frozenset[str] | None
    is_negated: bool

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether it holds of what has *labels*."""
        is_there = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return is_there is not self.is_negated


@attrs.frozen
class Selector:
    """
    Conditions on labels, all of which must hold.

    Attributes:
        text: as it was written, without the blanks around it.
    """

    text: str
    terms: tuple[_Term, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether it selects what has *labels*."""
        return all(term.holds(labels) for term in self.terms)


def parse_selector(text: str) -> Selector:
    """
    Read a selector.

    Raises:
        ValueError: it is none, or it has no condition, by which it would select everything.
    """
    stripped = " ".join(text.split())
    if len(stripped) > MAX_SELECTOR:
        raise ValueError(f"a selector has {MAX_SELECTOR} characters at most")
    parts = _PARTS.findall(stripped)
    # What the parts leave out are commas, one between two of them: so nothing of the text is passed over.
    if ",".join(parts) != stripped or not parts:
        raise ValueError(f"{printable(text)!r} is no selector of labels")
    return Selector(stripped, tuple(_term(part.strip()) for part in parts))


def _term(part: str) -> _Term:
    found = _TERM.fullmatch(part)
    if found is None:
        raise ValueError(f"{printable(part)!r} is no condition on a label")
    if found["absent"]:
        return _Term(found["absent"], None, is_negated=True)
    if found["sign"]:
        return _Term(found["key"], frozenset({found["value"]}), is_negated=found["sign"] == "!=")
    if not found["word"]:
        return _Term(found["key"], None, is_negated=False)
    values = [each.strip() for each in found["values"].split(",")]
    if wrong := next((each for each in values if not _VALUE.fullmatch(each)), None):
        raise ValueError(f"{printable(wrong)!r} is no value of a label")
    return _Term(found["key"], frozenset(values), is_negated=found["word"] == "notin")
