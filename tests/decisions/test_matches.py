# SPDX-License-Identifier: MIT
"""What each policy says, whoever decides: the builds and the reference agree on that, too."""

from __future__ import annotations

import header
from builds import BORN, GENERATION, checked, decide_by, decide_by_reference
from reference.semantics import ALSO_ROOM, ROOM, Access, Actor, Decision, Outcome

from enforcer.compiler import BareHost, compile_policies
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.model.policy import Verb
from enforcer.policy.store import load_text


def said(builds, rules: list[tuple[str, str]], access: Access):
    """What all builds say that policies with these modes and rules say."""
    return outcome(builds, rules, access).said


def outcome(builds, rules: list[tuple[str, str]], access: Access) -> Outcome:
    """On which all builds agree."""
    policies = load_text(
        "".join(
            "---\napiVersion: enforcer/v1\nkind: EnforcerPolicy\n"
            f"metadata: {{name: p{i}}}\nspec: {{mode: {mode}, rules: [{rule}]}}\n"
            for i, (mode, rule) in enumerate(rules)
        ),
        "matches.yaml",
    )
    compiled = checked(
        compile_policies(policies, host=BareHost(), generation=GENERATION, now_ns=BORN)
    )
    expected = decide_by_reference(policies, Actor(), access)
    for name, run in builds.items():
        assert expected == decide_by(run, compiled, Actor(), access), name
    return expected


def by(policy: int, verb: Verb) -> Decision:
    return Decision(verb, f"p{policy}", 0, "rule", 0)


def test_every_policy_is_told_once_by_the_strictest_that_it_says(builds) -> None:
    """Enforced or on trial, for whichever part of the access."""
    both = Access((Op.READ, Op.WRITE), {Dim.PATH: b"/x"})

    found = said(
        builds,
        [
            ("enforce", "{file: read, action: log}, {file: write, action: deny}"),
            ("audit", "{file: write, match: {path: /x}, action: kill}"),
            ("enforce", "{file: open, match: {path: /x}, action: allow}"),
            ("enforce", "{file: open, match: {path: /y}, action: kill}"),
        ],
        both,
    )

    assert {Decision(Verb.DENY, "p0", 1, "rule", 0), by(1, Verb.KILL), by(2, Verb.ALLOW)} == found


def test_those_that_find_no_room_are_counted_once(builds) -> None:
    """Also where they speak of several parts of the access."""
    both = Access((Op.READ, Op.WRITE), {Dim.PATH: b"/x"})
    rules = [("enforce", "{file: open, action: log}")] * 130

    assert 130 == said(builds, rules, both)
    assert {by(i, Verb.LOG) for i in range(ROOM)} == said(builds, rules[:ROOM], both)
    assert ROOM + 1 == said(builds, rules[: ROOM + 1], both)
    assert header.constant("ENF_MATCHES") == ROOM


def test_nothing_is_told_of_what_nobody_spoke_of(builds) -> None:
    """An access that no rule is about."""
    other = Access((Op.READ,), {Dim.PATH: b"/y"})

    assert frozenset() == said(
        builds, [("enforce", "{file: read, match: {path: /x}, action: log}")], other
    )


def test_what_a_policy_says_beside_its_strictest_is_kept_for_the_record(builds) -> None:
    """Of another operation, if it wants a record; what finds no room is known as that."""
    access = Access((Op.READ, Op.WRITE), {Dim.PATH: b"/x"})
    rules = "{file: read, action: %s}, {file: write, action: %s}"
    write = Decision(Verb.LOG, "p0", 1, "rule", 0)

    def also(*actions: tuple[str, str]):
        rules_of = [("enforce", rules % pair) for pair in actions]
        return outcome(builds, rules_of, access).also

    assert {(write, Op.WRITE)} == also(("log", "log"))
    assert {(write, Op.WRITE)} == also(("deny", "log"))
    assert {(by(0, Verb.LOG), Op.READ)} == also(("log", "deny"))
    assert frozenset() == also(("allow", "deny"))
    assert ALSO_ROOM == len(also(*[("log", "log")] * ALSO_ROOM))
    assert also(*[("log", "log")] * (ALSO_ROOM + 1)) is None
    assert header.constant("ENF_ALSO") == ALSO_ROOM
