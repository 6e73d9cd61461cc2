# SPDX-License-Identifier: MIT
"""The explanation of one record: what decided and why, what came close, what would allow it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import attrs

from enforcer.policy.language.vocabulary import Dim
from enforcer.policy.model.policy import Mode, Policy, PolicySet, Rule, Verb
from enforcer.workbench.explain.access import POINT, PROTECTION, SYSCALL, Facts, facts_of, untold_in
from enforcer.workbench.explain.change import Change
from enforcer.workbench.explain.changes import changes
from enforcer.workbench.explain.judge import Answer, Judge, Kind
from enforcer.workbench.explain.logic import Truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from enforcer.compiler import Host

__all__ = ["Explanation", "Refusal", "Setter", "explain"]

_CLOSE = 5


@attrs.frozen
class Refusal:
    """One policy that refuses the access, and what would make it let it through, least first."""

    answer: Answer
    changes: tuple[Change, ...]


@attrs.frozen
class Setter:
    """A rule that sets *mark*, POLICY/NAME."""

    mark: str
    policy: str
    rule: Rule


@attrs.frozen
class Explanation:
    """
    What is known of one record.

    Attributes:
        document: the record.
        decided: what decided, as the policies have it now; None: they have no such rule.
        doubt: why the policies that were given do not explain the record, if so.
        before: what the same policy was asked for before that, and that did not match.
        close: other entries that fail in little, the closest first.
        others: what else decided about the same access, of other policies.
        refusals: every policy that refuses it, with what would allow it. Of an access that was only
            audited, also those that would refuse it if they were enforced.
        setters: the rules that set the marks which decided.
    """

    document: Mapping[str, Any]
    facts: Facts | None = None
    decided: Answer | None = None
    doubt: str = ""
    before: tuple[Answer, ...] = ()
    close: tuple[Answer, ...] = ()
    others: tuple[Answer, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    setters: tuple[Setter, ...] = ()

    @property
    def is_audited(self) -> bool:
        """Whether the verdict was only recorded: in audit mode, or in a dry run."""
        return _is_audited(self.document)


def explain(
    document: Mapping[str, Any], policies: PolicySet, host: Host | None = None
) -> Explanation:
    """
    Explain the record *document* by *policies*, those that were active.

    Args:
        document: a record as JSON has it.
        policies: what was active; if they have changed since, the explanation says so.
        host: whose links and mounts names are looked up on; default this machine.

    Raises:
        RecordError: it is not a record of a verdict.
    """
    facts = facts_of(document)
    if document["event"] == PROTECTION:
        return Explanation(document, facts)
    if (text := untold_in(document)) is not None:
        doubt = (
            f"the record does not tell which name {text} is: a byte that is not UTF-8 is written as "
            "the four characters are"
        )
        return Explanation(document, facts, doubt=doubt)
    judge = Judge.on(host)
    policy = next((p for p in policies.policies if p.name == document["policy"]), None)
    if policy is None:
        doubt = f"there is no policy {document['policy']}"
        return Explanation(document, facts, doubt=doubt)
    # What was only audited is explained as if enforced. The files may even say that mode: a daemon can
    # audit all policies, and a dry run does.
    mode = Mode.ENFORCE if document["enforced"] else policy.mode
    ways = [(each, judge.answers(policy, each)) for each in (facts, *_by_mounts(facts, host))]
    facts, answers = next((way for way in ways if _decides(way[1], document)), ways[0])
    decided = next((a for a in answers if _is_of(a, document)), None)
    if decided is None:
        doubt = f"policy {policy.name} no longer has a rule {document['rule']} on this operation"
        return Explanation(document, facts, doubt=doubt)
    place = answers.index(decided)
    others = _others(judge, policies, policy, facts, mode)
    return Explanation(
        document,
        facts,
        decided,
        _doubt(document, policy, mode, decided, answers[:place]),
        before=tuple(answers[:place]),
        close=_closest(judge, policies, decided, answers, facts),
        others=tuple(others),
        refusals=tuple(
            Refusal(answer, tuple(changes(judge, answer.entry.policy, answer, facts)))
            for answer in (decided, *others)
            if answer.verb >= Verb.DENY
            and (_is_audited(document) or answer.entry.policy.mode is mode)
        ),
        setters=tuple(_setters(policies, decided)),
    )


def _by_mounts(facts: Facts, host: Host | None) -> Iterator[Facts]:
    """Yield *facts* with each other name that the object has by what a runtime shows in its container."""
    path = facts.operands.get(Dim.PATH)
    if host is None or not isinstance(path, bytes):
        return
    for place, inside in itertools.chain.from_iterable(each.mounted for each in host.workloads):
        if (path + b"/").startswith(place + b"/"):
            name = inside + path.rstrip(b"/")[len(place) :] or b"/"
            yield attrs.evolve(facts, operands={**facts.operands, Dim.PATH: name})


def _decides(answers: list[Answer], document: Mapping[str, Any]) -> bool:
    """Tell whether the first of *answers* that matches is of the entry that the record names."""
    first = next((answer for answer in answers if answer.matches), None)
    return first is not None and _is_of(first, document)


def _is_audited(document: Mapping[str, Any]) -> bool:
    """Tell whether a policy decided and was not obeyed; what the kernel itself refuses is no such thing."""
    return not document["enforced"] and "attempt" not in document


def _setters(policies: PolicySet, decided: Answer) -> Iterator[Setter]:
    own, rule = decided.entry.policy.name, decided.entry.rule
    if rule is None or decided.entry.kind not in {Kind.RULE, Kind.ATTEMPT}:
        return
    asked = dict.fromkeys((within.policy or own, within.mark) for within in rule.within)
    for policy in policies.policies:
        for each in policy.rules:
            if each.mark is not None and (policy.name, each.mark.name) in asked:
                yield Setter(f"{policy.name}/{each.mark.name}", policy.name, each)


def _is_of(answer: Answer, document: Mapping[str, Any]) -> bool:
    """Tell whether *answer* is of the entry that the record names."""
    kind = Kind.RULE
    if "attempt" in document:
        kind = Kind.ATTEMPT
    elif document["guard"]:
        kind = Kind.GUARD
    elif document["default"]:
        kind = Kind.DEFAULT
    return (answer.entry.kind, answer.entry.name) == (kind, document["rule"])


def _doubt(
    document: Mapping[str, Any],
    policy: Policy,
    mode: Mode,
    decided: Answer,
    before: list[Answer],
) -> str:
    """Say why the policies that were given cannot be those that decided, if they cannot."""
    if policy.mode is not mode:
        return f"policy {policy.name} is in mode {policy.mode.value} now; it was not then"
    earlier = next((answer for answer in before if answer.matches), None)
    if earlier is not None:
        return f"rule {earlier.entry.name} before it would have decided"
    if decided.holds is Truth.FALSE:
        where = ", ".join(part.where for part in decided.failing)
        return f"rule {decided.entry.name} no longer matches: {where}"
    is_late = document["event"] in {SYSCALL, POINT} and not document["prevented"]
    if is_late and (decided.verb, document["action"]) == (Verb.DENY, "kill"):
        return ""  # what a kernel cannot refuse there it kills for, where that is allowed
    if decided.holds is not Truth.UNRECORDED and decided.verb.name.lower() != document["action"]:
        return f"rule {decided.entry.name} says {decided.verb.name.lower()} now"
    return ""


def _others(
    judge: Judge, policies: PolicySet, policy: Policy, facts: Facts, mode: Mode
) -> list[Answer]:
    """What other policies say of the access; those of the same mode first, the strictest first."""
    found = [
        answer
        for other in policies.policies
        if other.name != policy.name and (answer := judge.first(other, facts)) is not None
    ]
    return sorted(found, key=lambda a: (a.entry.policy.mode is not mode, -a.verb))


def _closest(
    judge: Judge, policies: PolicySet, decided: Answer, answers: list[Answer], facts: Facts
) -> tuple[Answer, ...]:
    """Entries that fail in part: at least one thing of them holds, and something does not."""
    found = list(answers)
    for policy in policies.policies:
        if policy.name != decided.entry.policy.name:
            found += judge.answers(policy, facts)
    near = [
        answer
        for answer in found
        if answer.failing
        and len(answer.failing) < len(answer.parts)
        and answer.entry is not decided.entry
    ]
    return tuple(sorted(near, key=lambda answer: len(answer.failing))[:_CLOSE])
