# SPDX-License-Identifier: MIT
"""
What is explained is what is decided: the judge of ``enforcer explain`` says what the reference says.
"""

from __future__ import annotations

from random import Random

import attrs
import pytest
from amount import examples
from generate import Maker
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference.semantics import CONTAINER, UNKNOWN, Access, Actor, Identity, first, serving_marks

from enforcer.compiler import BareHost
from enforcer.policy.language.vocabulary import Dim, ObjectFlag, Op, SubjectFlag
from enforcer.policy.model.policy import Policy, Verb
from enforcer.policy.model.workloads import WORKLOAD_FIELDS
from enforcer.policy.store import load_text
from enforcer.workbench.explain.access import Facts, ProcessFacts
from enforcer.workbench.explain.changes import changes
from enforcer.workbench.explain.judge import Judge, Kind
from enforcer.workbench.explain.logic import Gap, Truth


def known(value):
    return Gap.UNKNOWN if value is UNKNOWN else value


def who(identity: Identity) -> ProcessFacts:
    return ProcessFacts(
        exe=known(identity.exe),
        cgroup=known(identity.cgroup),
        uid=identity.uid,
        euid=identity.euid,
        gid=identity.gid,
        egid=identity.egid,
        caps=identity.caps,
        flags=identity.flags,
        workload=workload(identity),
    )


def workload(identity: Identity) -> dict[str, tuple[bytes, ...] | Gap] | Gap:
    """Say of each field what the first workload has that knows: that it has none, or a value."""
    if identity.cgroup is UNKNOWN:
        return Gap.UNKNOWN
    if not CONTAINER.search(identity.cgroup):
        return {}
    path = identity.cgroup + b"/"
    above = [w for w in identity.workloads if path.startswith(w.cgroup + b"/")]
    found: dict[str, tuple[bytes, ...] | Gap] = {}
    for fields in WORKLOAD_FIELDS.values():
        for field in fields.values():
            said = [
                w.facts.get(field.name, ())
                for w in above
                if w.facts.get(field.name, ()) is not None
            ]
            has = [w for w in above if w.facts.get(field.name) is not None]
            if has:
                found[field.name] = has[0].facts[field.name] or ()
            elif not said:
                found[field.name] = Gap.UNKNOWN
    return found


class Ages(dict):
    """A record has the marks that its rule asks about; here every rule is asked."""

    def __contains__(self, mark: object) -> bool:
        return True

    def __missing__(self, mark: str) -> None:
        return None


def attempt(access: Access) -> tuple[frozenset[Op], int] | None:
    if Op.ATTEMPT not in access.ops:
        return None
    bits, error = access.operands[Dim.BITS], access.operands[Dim.N0]
    return frozenset(op for op in Op if bits >> op & 1), error


def facts(op: Op, actor: Actor, access: Access) -> Facts:
    return Facts(
        ops=frozenset({op}),
        operands={dim: known(value) for dim, value in access.operands.items()},
        args=access.args,
        argc=access.argc,
        flags=access.flags,
        process=who(actor.now),
        parents=(who(actor.parent),) if actor.parent else (),
        ancestors=tuple(who(each) for each in actor.ancestors),
        lineage=Gap.UNKNOWN if actor.lineage_unknown else None,
        attempt=attempt(access),
        marks=Ages({"/".join(m): access.now - at for m, at in access.marks.items()}),
    )


@settings(max_examples=examples(150), deadline=None)
@given(st.integers(0, 2**64 - 1))
@example(40864)  # capabilities that are claimed, of a process without an executable
def test_the_judge_agrees_with_the_reference(seed):
    """The same entry of every policy decides, with the same verdict, by the same kind of match."""
    maker = Maker(Random(seed), points=False)
    policies = maker.policies()
    judge = Judge.on(BareHost())
    for _ in range(20):
        actor, access = maker.actor(), maker.access(policies)
        for op in access.ops:
            for policy in policies.policies:
                expected = first(policy, op, actor, access, set(), serving=serving_marks(policies))
                found = judge.first(policy, facts(op, actor, access))
                if expected is None:
                    assert found is None
                    continue
                _, decision, _ = expected
                assert found is not None
                rule = policy.rules[decision.rule] if decision.kind != "default" else None
                # What a rule frees while a file system is nowhere yet is a row of the rule.
                is_freed = found.entry.kind is Kind.DETACHED
                kind = Kind.RULE if is_freed else found.entry.kind
                said = found.verb, kind.value, found.entry.action.errno
                assert (decision.verb, decision.kind, decision.errno) == said
                assert decision.on_error == (found.holds.value == "unknown")
                assert found.entry.rule is not None if is_freed else rule == found.entry.rule


HEAD = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: written}
spec:
  rules:
"""


def assert_says_what_it_means(snippet: tuple[str, ...], policy: Policy) -> None:
    """The YAML of a new rule is read as the very rule that was judged."""
    text = HEAD + "".join(f"    {line}\n" for line in snippet)
    (written,) = load_text(text, "snippet.yaml").policies[0].rules
    (meant,) = [rule for rule in policy.rules if rule.name == written.name]
    for part in ("event", "operations", "conditions", "subject", "action"):
        assert getattr(meant, part) == getattr(written, part), text
    assert {f.field: f.wanted for f in meant.flags} == {f.field: f.wanted for f in written.flags}


def moved_off(actor: Actor, access: Access) -> tuple[Actor, Access]:
    """The same of a program and a file that no mount of the host shows."""
    now = attrs.evolve(actor.now, flags=actor.now.flags | SubjectFlag.OFFHOST)
    return attrs.evolve(actor, now=now), attrs.evolve(
        access, flags=access.flags | ObjectFlag.OFFHOST
    )


@pytest.mark.parametrize("is_off_host", [False, True])
@settings(max_examples=examples(80), deadline=None)
@given(st.integers(0, 2**64 - 1))
def test_changes_allow_what_they_promise(is_off_host, seed):
    """By the reference, every change that is proposed lets the access through."""
    maker = Maker(Random(seed), points=False)
    policies = maker.policies()
    judge = Judge.on(BareHost())
    for _ in range(20):
        actor, access = maker.actor(), maker.access(policies)
        if is_off_host:
            actor, access = moved_off(actor, access)
        op = access.ops[0]
        given_facts = facts(op, actor, access)
        for policy in policies.policies:
            answer = judge.first(policy, given_facts)
            if answer is None or answer.verb < Verb.DENY:
                continue
            found = changes(judge, policy, answer, given_facts)
            if is_off_host and op is Op.READ and answer.holds is Truth.TRUE:
                assert any("    offHost: true" in change.snippet for change in found)
            for change in found:
                after = first(
                    change.policy, op, actor, access, set(), serving=serving_marks(policies)
                )
                assert after is None or after[1].verb < Verb.DENY, change
                if change.snippet:
                    assert_says_what_it_means(change.snippet, change.policy)
