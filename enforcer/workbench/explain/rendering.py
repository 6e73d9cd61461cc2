# SPDX-License-Identifier: MIT
"""An explanation in words: lines for a terminal, and the same as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from enforcer.events.stats import outcome_of
from enforcer.policy.language.vocabulary import FIELDS, Dim, ObjectFlag, SubjectFlag
from enforcer.policy.model.policy import Flag, Within
from enforcer.policy.readers.marks import spell_duration
from enforcer.safe_text import neutral, readable
from enforcer.workbench.explain.access import PROTECTION
from enforcer.workbench.explain.judge import Kind
from enforcer.workbench.explain.logic import Gap, Truth
from enforcer.workbench.explain.values import NAMELESS, said, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from enforcer.workbench.explain.access import Facts
    from enforcer.workbench.explain.change import Change
    from enforcer.workbench.explain.conditions import Part
    from enforcer.workbench.explain.document_types import (
        AnswerDocument,
        ExplanationDocument,
        PartDocument,
    )
    from enforcer.workbench.explain.explanation import Explanation
    from enforcer.workbench.explain.judge import Answer

__all__ = ["as_dict", "lines"]

Line = tuple[str, str]
"""A line, and the name of its style."""

_MARKS = {
    Truth.TRUE: ("yes", "good"),
    Truth.FALSE: ("no", "bad"),
    Truth.UNKNOWN: ("?", "warn"),
    Truth.UNRECORDED: ("?", "dim"),
}
_AUDITED = (
    "audit mode or dry run: nothing was refused; this is what the policy does when it is enforced"
)
_VALUES = 4  # of a list of values that are named


def lines(explanation: Explanation) -> Iterator[Line]:
    """Yield the lines of *explanation*; text from outside is neutralised."""
    yield from _decided(explanation)
    if explanation.before:
        yield ("", "")
        yield ("Rules before it, which did not match", "title")
        for answer in explanation.before:
            yield from _brief(answer)
    near = [a for a in explanation.close if a not in explanation.before]
    if near:
        yield ("", "")
        yield ("Came close", "title")
        for answer in near:
            yield from _brief(answer)
    if explanation.others:
        yield ("", "")
        yield ("Other policies on the same operation", "title")
        for answer in explanation.others:
            mode = answer.entry.policy.mode.value
            yield (f"  {_named(answer)}: {answer.verb.name.lower()}, {mode}", "")
    yield from _remedies(explanation)


def _decided(explanation: Explanation) -> Iterator[Line]:
    document = explanation.document
    outcome = outcome_of(document)
    rule = neutral(f"policy {document['policy']}, {_kind(document)} {document['rule']}")
    yield ("Decided by", "title")
    if document["event"] == PROTECTION:
        yield ("  self-protection, which no policy can change", "name")
        return
    yield (f"  {neutral(document['place'])}: {rule}: {outcome}", "name")
    if explanation.is_audited:
        yield (f"  {_AUDITED}", "warn")
    if document["onError"]:
        yield ("  an operand could not be read: the rule's onError decided", "warn")
    if explanation.doubt:
        yield (f"  the given policies do not explain it: {neutral(explanation.doubt)}", "bad")
    if explanation.decided is not None:
        for part in explanation.decided.parts:
            yield _part(part)
        if not explanation.decided.parts:
            yield ("  yes  the rule has no condition", "good")
    for text in _off_host(explanation.facts):
        yield (f"       {text}", "warn")
    for setter in explanation.setters:
        text = f"{setter.rule.span}: policy {setter.policy}, rule {setter.rule.name} sets {setter.mark}"
        yield (f"       {neutral(text)}", "")


def _off_host(facts: Facts | None) -> Iterator[str]:
    """Say of the file and of the program that they are not on the host."""
    if facts is None:
        return
    who = facts.process
    is_off = not isinstance(who.flags, Gap) and who.flags & SubjectFlag.OFFHOST
    for what, is_there, name in (
        ("file", not facts.flags & ObjectFlag.OFFHOST, facts.operands.get(Dim.PATH)),
        ("program", not is_off, who.exe),
    ):
        if not is_there and isinstance(name, bytes):
            yield _not_there(what, name)


def _not_there(what: str, name: bytes) -> str:
    place = "the mount namespace of the process"
    if not name:
        return f"the {what} is not on the host, and has no name in {place}"
    return (
        f"the {what} is not on the host: {neutral(readable(name))} is its name in {place}; "
        "a rule that refuses matches this name, a rule that allows does not"
    )


def _kind(document: Any) -> str:
    if "attempt" in document:
        return "attempts of rule"
    if document["guard"]:
        return "guard of rule"
    return "default" if document["default"] else "rule"


def _named(answer: Answer) -> str:
    entry = answer.entry
    word = {
        Kind.RULE: "rule",
        Kind.GUARD: "guard of rule",
        Kind.DEFAULT: "default",
        Kind.ATTEMPT: "attempts of rule",
    }
    return neutral(f"{entry.span}: policy {entry.policy.name}, {word[entry.kind]} {entry.name}")


def _brief(answer: Answer) -> Iterator[Line]:
    """Write an entry that did not match: only what kept it from that."""
    yield (f"  {_named(answer)} ({answer.verb.name.lower()})", "")
    for part in answer.parts:
        if part.holds is not Truth.TRUE:
            text, style = _part(part)
            yield (f"  {text}", style)


def _part(part: Part) -> Line:
    mark, style = _MARKS[part.holds]
    place = f"  ({neutral(str(part.span))})" if part.span is not None else ""
    return (f"  {mark:<4} {_sentence(part)}{place}", style)


def _sentence(part: Part) -> str:
    where, condition, found = part.where, part.condition, part.found
    if condition is None:
        return _kept(part)
    if isinstance(condition, Within):
        return _within(part, condition)
    if isinstance(condition, Flag):
        wanted = "so" if condition.wanted else "not so"
        if isinstance(found, int):
            return f"{where} must be {wanted}, and is {'so' if found else 'not so'}"
        return f"{where} must be {wanted}: {shown(found, condition.field)}"
    operand = condition.operand
    signed = operand is not None and operand.signed
    had = shown(found, condition.field, signed=signed)
    if part.value is not None:
        return f"{where}: {had} is {said(part.value, condition.field, signed=signed)}"
    values = [said(value, condition.field, signed=signed) for value in condition.values]
    more = f" and {len(values) - _VALUES} more" if len(values) > _VALUES else ""
    asked = f"{' or '.join(values[:_VALUES])}{more}"
    if found is None or isinstance(found, Gap) or (had == NAMELESS and not condition.negate):
        return f"{where}: wanted {asked}, found {had}"
    return f"{where}: {had} is not {asked}"


def _within(part: Part, asked: Within) -> str:
    last = spell_duration(asked.last_ns)
    if isinstance(part.found, Gap):
        return f"{part.where}: the record does not say when it was set; the rule allows {last}"
    if not isinstance(part.found, int):
        return f"{part.where}: it was never set"
    side = "in" if part.found <= asked.last_ns else "longer ago than"
    return f"{part.where}: it was set {part.found / 1e9:.3f} s ago, {side} the last {last}"


def _kept(part: Part) -> str:
    """Write the part of a guard, or of a lineage that nothing is known of."""
    if not isinstance(part.found, bytes):
        return f"{part.where}: the record does not say"
    kept = "a guarded name" if part.holds is Truth.TRUE else "not a guarded name"
    return f"{part.where}: {shown(part.found, FIELDS['path'])} is {kept}"


def _remedies(explanation: Explanation) -> Iterator[Line]:
    yield ("", "")
    title = "What would allow it"
    more = " when the policy is enforced" if explanation.is_audited else ""
    yield (f"{title}{more}", "title")
    if explanation.document["event"] == PROTECTION:
        yield ("  a daemon that was started without --protect", "")
        return
    if explanation.decided is None:
        yield (f"  nothing can be proposed: {neutral(explanation.doubt)}", "warn")
        return
    if not explanation.refusals:
        yield ("  no change is needed: none of the given policies refuses it", "good")
        return
    for refusal in explanation.refusals:
        if len(explanation.refusals) > 1:
            yield (f"  for policy {neutral(refusal.answer.entry.policy.name)}:", "name")
        if not refusal.changes:
            yield ("  no single change was found; the record may say too little", "warn")
        for number, change in enumerate(refusal.changes):
            yield from _change(change, is_first=number == 0)
    if len(explanation.refusals) > 1:
        yield ("  change all of these policies: the strictest verdict counts", "warn")


def _change(change: Change, *, is_first: bool) -> Iterator[Line]:
    word = "" if is_first else "or: "
    style = "good" if is_first else ""
    yield (f"  {word}{neutral(str(change.place))}: {neutral(change.says)}", style)
    for line in change.snippet:
        yield (f"      {neutral(line)}", style)


# ---- JSON -----------------------------------------------------------------------------------------


def as_dict(explanation: Explanation) -> ExplanationDocument:
    """Return *explanation* as a JSON object."""
    document = explanation.document
    return {
        "version": 1,
        "id": document.get("id"),
        "policy": document["policy"],
        "rule": document["rule"],
        "place": document["place"],
        "audited": explanation.is_audited,
        "doubt": explanation.doubt or None,
        "parts": _parts(explanation.decided.parts) if explanation.decided is not None else [],
        "marks": [
            {
                "mark": setter.mark,
                "policy": setter.policy,
                "rule": setter.rule.name,
                "place": str(setter.rule.span),
            }
            for setter in explanation.setters
        ],
        "before": [_answer(answer) for answer in explanation.before],
        "close": [_answer(answer) for answer in explanation.close],
        "others": [_answer(answer) for answer in explanation.others],
        "refusals": [
            {
                "policy": refusal.answer.entry.policy.name,
                "rule": refusal.answer.entry.name,
                "changes": [
                    {
                        "place": str(change.place),
                        "says": change.says,
                        "snippet": list(change.snippet),
                    }
                    for change in refusal.changes
                ],
            }
            for refusal in explanation.refusals
        ],
    }


def _answer(answer: Answer) -> AnswerDocument:
    return {
        "policy": answer.entry.policy.name,
        "rule": answer.entry.name,
        "kind": answer.entry.kind.value,
        "place": str(answer.entry.span),
        "action": answer.verb.name.lower(),
        "matches": answer.holds.value,
        "parts": _parts(answer.parts),
    }


def _parts(parts: Iterable[Part]) -> list[PartDocument]:
    return [
        {
            "where": part.where,
            "holds": part.holds.value,
            "says": _sentence(part),
            "place": str(part.span) if part.span is not None else None,
            "met": said(part.value, part.condition.field)
            if part.value is not None
            and part.condition is not None
            and not isinstance(part.condition, Within)
            else None,
        }
        for part in parts
    ]
