# SPDX-License-Identifier: MIT
"""Rules over time: ``mark`` of a rule, ``within`` of a match, and ``rateLimit`` for records."""

from __future__ import annotations

import re
from collections.abc import Iterable

from enforcer import _abi
from enforcer.policy.model.policy import Limit, Mark, Rule, Scope, Within
from enforcer.policy.readers.context import Context
from enforcer.policy.readers.metadata import POLICY_NAME
from enforcer.policy.text.nodes import Entry, List, Map, Node, Scalar, describe, shorten
from enforcer.policy.text.problems import suggest

__all__ = [
    "BY",
    "DURATION",
    "MAX_ASKED",
    "MAX_RECORDS",
    "NAME",
    "RATE",
    "SCOPES",
    "WITHIN_KEYS",
    "check_marks",
    "duration",
    "read_limit",
    "read_mark",
    "read_within",
    "spell_duration",
]

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
SCOPES = {scope.value: scope for scope in Scope}
MAX_ASKED = _abi.ENF_ROW_MARKS

WITHIN_KEYS = {"within": False, "notWithin": True}
"""Words of a match, and whether they say that the mark was *not* set."""

BY = {"rule": False, "process": True}
"""For whom records are counted, and whether for each process by itself."""

MAX_RECORDS = 1_000_000
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}
_LONGEST = 30 * _UNITS["d"]
DURATION = rf"([1-9][0-9]{{0,8}})({'|'.join(_UNITS)})"
RATE = r"([1-9][0-9]{0,6})/(s|m|h|d)"
_NAME = re.compile(NAME)
_DURATION = re.compile(DURATION)
_RATE = re.compile(RATE)


# ---- Times ------------------------------------------------------------------------------------


def duration(text: str) -> int | None:
    """Return the nanoseconds that *text*, such as 500ms or 5s, stands for; None if it is not a time."""
    found = _DURATION.fullmatch(text)
    length = int(found[1]) * _UNITS[found[2]] if found else 0
    return length if 0 < length <= _LONGEST else None


def spell_duration(nanoseconds: int) -> str:
    """Return the shortest text that stands for *nanoseconds*, whole milliseconds."""
    unit = max((u for u in _UNITS if nanoseconds % _UNITS[u] == 0), key=_UNITS.__getitem__)
    return f"{nanoseconds // _UNITS[unit]}{unit}"


def _duration(node: Node, what: str, context: Context) -> int | None:
    found = duration(node.text) if isinstance(node, Scalar) else None
    if found is None:
        form = "a time such as 500ms, 5s, 2m or 1h, of 30d at most"
        context.add(f"{what} must be {form}, not {describe(node)}", node.span)
    return found


# ---- Marks ------------------------------------------------------------------------------------


def read_mark(entry: Entry, context: Context) -> Mark | None:
    """Read ``NAME`` or ``{name: NAME, of: SCOPE}``; None after an error."""
    node, scope = entry.value, Scope.PROCESS
    if isinstance(node, Map):
        for part in node:
            if part.key not in {"name", "of"}:
                context.unknown(part, "key of mark", ("name", "of"), {})
        if of := node.get("of"):
            word = context.word(of.value, "of", SCOPES)
            scope = SCOPES[word] if word else scope
        name = node.get("name")
        if name is None:
            context.add("a mark needs a name", node.span)
            return None
        node = name.value
    text = _name(node, "the name of a mark", context)
    return Mark(text, scope, entry.span) if text else None


def _name(node: Node, what: str, context: Context) -> str | None:
    text = context.text(node, what)
    if text is not None and not _NAME.fullmatch(text):
        context.add(
            f"{shorten(text)!r} is not a name for a mark: use up to 63 letters, digits, '-', '_' "
            "and '.', with letters or digits at the ends",
            node.span,
        )
        return None
    return text


def read_within(entry: Entry, context: Context) -> tuple[Within, ...]:
    """Read ``{mark: NAME, last: TIME}`` or a list of these, which must all hold."""
    node = entry.value
    items = node.items if isinstance(node, List) else (node,)
    if not items:
        context.add(f"{entry.key} is an empty list: leave it out", node.span)
    found = (_asked(item, entry.key, context) for item in items)
    return tuple(one for one in found if one is not None)


def _asked(node: Node, word: str, context: Context) -> Within | None:
    fields = context.map(node, word)
    if fields is None:
        return None
    for part in fields:
        if part.key not in {"mark", "last"}:
            context.unknown(part, f"key of {word}", ("mark", "last"), {})
    mark, last = fields.get("mark"), fields.get("last")
    if mark is None or last is None:
        missing = "mark" if mark is None else "last"
        context.add(f"{word} needs {missing}: write {{mark: NAME, last: 5s}}", node.span)
        return None
    policy, name = _reference(mark.value, context)
    length = _duration(last.value, "last", context)
    if name is None or length is None:
        return None
    return Within(name, length, WITHIN_KEYS[word], policy, node.span)


def _reference(node: Node, context: Context) -> tuple[str | None, str | None]:
    """Return policy and name of ``NAME`` or ``POLICY/NAME``."""
    text = node.text if isinstance(node, Scalar) else ""
    policy, slash, name = text.rpartition("/")
    if not slash:
        return None, _name(node, "the name of a mark", context)
    if not POLICY_NAME.fullmatch(policy) or not _NAME.fullmatch(name):
        context.add(f"{shorten(text)!r} is not the name of a policy, /, and a mark", node.span)
        return None, None
    return policy, name


def check_marks(policy: str, rules: Iterable[Rule], context: Context) -> None:
    """Refuse what no rule of *policy* ever marks, and marks that belong to two."""
    rules = list(rules)
    known: dict[str, Mark] = {}
    for rule in rules:
        if rule.mark is None:
            continue
        first = known.setdefault(rule.mark.name, rule.mark)
        if first.scope is not rule.mark.scope:
            context.add(
                f"mark {first.name!r} is of the {first.scope.value} in another rule: give one of "
                "them another name",
                rule.mark.span or rule.span,
            )
    for rule in rules:
        for asked in rule.within:
            own = asked.policy in {None, policy}
            if own and asked.mark not in known:
                hint = suggest(asked.mark, known) or ": add mark to a rule"
                context.add(
                    f"no rule of this policy sets the mark {asked.mark!r}{hint}; a mark of another "
                    f"policy is written POLICY/{asked.mark}",
                    asked.span or rule.span,
                )


# ---- Limits -----------------------------------------------------------------------------------


def read_limit(entry: Entry, context: Context) -> Limit | None:
    """Read ``10/m`` or ``{records: 10, per: 1m, by: process}``; None after an error."""
    node = entry.value
    if not isinstance(node, Map):
        found = _RATE.fullmatch(node.text) if isinstance(node, Scalar) else None
        if found is None or int(found[1]) > MAX_RECORDS:
            form = "records in a time, such as 10/m, or {records: 10, per: 1m, by: process}"
            context.add(f"rateLimit must be {form}, not {describe(node)}", node.span)
            return None
        return Limit(int(found[1]), _UNITS[found[2]])
    for part in node:
        if part.key not in {"records", "per", "by"}:
            context.unknown(part, "key of rateLimit", ("records", "per", "by"), {})
    records, per, by = node.get("records"), node.get("per"), node.get("by")
    if records is None or per is None:
        context.add("rateLimit needs records and per, such as {records: 10, per: 1m}", node.span)
        return None
    number = records.value.value if isinstance(records.value, Scalar) else None
    length = _duration(per.value, "per", context)
    word = context.word(by.value, "by", BY) if by else "rule"
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number <= MAX_RECORDS:
        context.add(f"records must be a number from 1 to {MAX_RECORDS}", records.span)
        return None
    return Limit(number, length, BY[word]) if length and word else None
