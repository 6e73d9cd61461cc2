# SPDX-License-Identifier: MIT
"""Selectors of labels in the one line that ``kubectl get --selector`` takes: ``pool=canary,zone in (a,b),!gpu``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import attrs

from enforcer.cluster.agent.errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_SELECTOR", "Selector", "parse_selector", "read_selector"]

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


def read_selector(found: Mapping[str, Any]) -> Selector:
    """
    Read a selector as objects have it: ``matchLabels`` and ``matchExpressions``. An empty one selects everything.

    KubeArmor writes ``*`` for any value, and several values with commas; no label of Kubernetes has such a value.

    Raises:
        ValueError: it is none.
    """
    if unknown := sorted(found.keys() - {"matchLabels", "matchExpressions"}):
        raise ValueError(f"{printable(unknown[0])!r} is no part of a selector")
    terms = []
    try:
        for key, value in dict(found.get("matchLabels") or {}).items():
            values = None if value == "*" else frozenset(map(str.strip, str.split(value, ",")))
            terms.append(_Term(key, values, is_negated=False))
        terms += [_expression(**each) for each in found.get("matchExpressions") or ()]
    except (TypeError, ValueError, KeyError, AttributeError):
        raise ValueError(f"{printable(str(found))!r} is no selector of labels") from None
    return Selector("", tuple(terms))


_OPERATORS: Final = {"In": False, "NotIn": True, "Exists": False, "DoesNotExist": True}


def _expression(key: object, operator: str, values: object = None) -> _Term:
    """Read one of ``matchExpressions``; raises one of the errors that :func:`read_selector` takes for nonsense."""
    if not isinstance(key, str):
        raise TypeError
    found = None
    if operator in ("In", "NotIn"):
        if not isinstance(values, list) or not values:
            raise TypeError
        found = frozenset(str(value) for value in values)
    elif values:
        raise ValueError
    return _Term(key, found, is_negated=_OPERATORS[operator])
