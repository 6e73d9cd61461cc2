# SPDX-License-Identifier: MIT
"""What changed between two sets of policies is said by name, completely, and without noise."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enforcer.policy.language.syscall_table import SYSCALLS
from enforcer.policy.language.vocabulary import FIELDS, OPS, PROCESS_FIELDS
from enforcer.policy.model.points import Operand, OperandType, Point, PointKind
from enforcer.policy.model.policy import (
    Action,
    Address,
    Attempts,
    CapabilityMask,
    Condition,
    Flag,
    Interval,
    Limit,
    Mark,
    Mask,
    Mode,
    OnError,
    Policy,
    PolicySet,
    Process,
    Rule,
    Scope,
    Subject,
    Text,
    TextKind,
    Verb,
    Within,
)
from enforcer.policy.store import load_text
from enforcer.runtime.policies.difference import (
    MAX_SHOWN,
    Digests,
    describe,
    difference,
    digest_policies,
)
from enforcer.span import Span

OLD = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: web}
spec:
  rules:
    - {name: one, exec: {}, match: {path: /a}, action: deny}
    - {name: two, exec: {}, match: {path: /b}, action: deny}
    - {name: three, exec: {}, match: {path: /c}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: old}
spec: {default: {exec: log}}
"""

NEW = """\
# A comment moves everything down.
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: web}
spec:
  mode: audit
  default: {exec: log}
  rules:
    - {name: three, exec: {}, match: {path: /c}, action: deny}
    - {name: one, exec: {}, match: {path: /z}, action: deny}
    - {name: four, exec: {}, match: {path: /d}, action: deny}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec: {default: {exec: log}}
"""


def _digests(text, file="web.yaml"):
    return digest_policies(load_text(text, file))


def _change(old, new):
    return difference(_digests(old), _digests(new))


def test_the_control_socket_says_everything():
    """Names and places of policies and rules: where they are, or were if they are gone."""
    assert {
        "added": [{"policy": "vault", "place": "web.yaml:13:1"}],
        "removed": [{"policy": "old", "place": "web.yaml:10:1"}],
        "changed": [
            {
                "policy": "web",
                "place": "web.yaml:2:1",
                "mode": ["enforce", "audit"],
                "head": True,
                "rules": {
                    "added": [{"rule": "four", "place": "web.yaml:11:7"}],
                    "removed": [{"rule": "two", "place": "web.yaml:7:7"}],
                    "changed": [{"rule": "one", "place": "web.yaml:10:7"}],
                    "reordered": True,
                },
            }
        ],
    } == json.loads(json.dumps(_change(OLD, NEW).as_dict()))


def test_people_read_one_line_for_each_policy():
    """What came, what changed, what went."""
    assert [
        "+ policy vault (web.yaml:13:1)",
        (
            "~ policy web: mode audit, was enforce (web.yaml:2:1), head changed (web.yaml:2:1), "
            "rule one changed (web.yaml:10:7), rule four added (web.yaml:11:7), "
            "rule two removed (web.yaml:7:7), order of rules changed"
        ),
        "- policy old (web.yaml:10:1)",
    ] == describe(_change(OLD, NEW))


def test_places_are_no_change():
    """Comments, other lines, another file, another order of policies."""
    first, second = OLD.split("---\n")
    moved = _digests(f"# x\n\n{second}---\n{first}".replace("- {name: two", "-\n      {name: two"))
    change = difference(_digests(OLD), moved)
    assert change.is_empty
    assert [] == describe(change)
    assert difference(_digests(OLD), _digests(OLD, "elsewhere.yaml")).is_empty
    assert 1 == len({_digests(OLD).as_one(), moved.as_one(), _digests(OLD, "other.yaml").as_one()})


def test_many_rules_are_counted_not_cut():
    """The line stays readable and says how many it leaves out; the socket names all."""
    rule = "    - {{name: r{}, exec: {{}}, match: {{path: /r{}}}, action: log}}\n"
    text = OLD.replace("---\n", "".join(rule.format(n, n) for n in range(MAX_SHOWN + 5)) + "---\n")
    change = _change(OLD, text)
    (line,) = describe(change)
    assert MAX_SHOWN == line.count(" added (")
    assert line.endswith(", 5 more rules")
    assert MAX_SHOWN + 5 == len(change.as_dict()["changed"][0]["rules"]["added"])


def test_from_nothing_and_to_nothing():
    """A first start has only additions, an end only removals."""
    digests = _digests(OLD)
    assert ["web", "old"] == [p.name for p in difference(Digests(), digests).added]
    assert ["web", "old"] == [p.name for p in difference(digests, Digests()).removed]
    assert difference(Digests(), Digests()).is_empty


def test_digests_outlive_their_process():
    """Another daemon gets the same from the same text, whatever its hash seed."""
    code = (
        "import pickle, sys; from enforcer.policy.store import load_text;"
        "from enforcer.runtime.policies.difference import digest_policies;"
        "sys.stdout.buffer.write(pickle.dumps(digest_policies(load_text(sys.argv[1], 'web.yaml'))))"
    )
    for seed in ("1", "2"):
        out = subprocess.run(
            [sys.executable, "-c", code, NEW],
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        assert _digests(NEW) == pickle.loads(out)


# ---- Every field of the model counts ------------------------------------------------------------

SPAN = Span("f", 1, 1)
TEXT = Text(TextKind.EXACT, b"/a")
CONDITION = Condition(FIELDS["path"], (TEXT,))
PROCESS = Process((Condition(PROCESS_FIELDS["uid"], (Interval(0, 0),)),))
RULE = Rule("r", "exec", (OPS["exec.exec"],), Action(Verb.DENY), SPAN, (CONDITION,))
POLICY = Policy("p", Mode.ENFORCE, (RULE,), SPAN)

MARK, WITHIN, LIMIT = Mark("m"), Within("m", 1), Limit(1, 1)
OTHER = {
    Text: {"kind": TextKind.GLOB, "value": b"/b"},
    Interval: {"low": 1, "high": 9},
    Mask: {"mask": 3, "value": 0},
    Address: {"low": 1, "high": 9},
    CapabilityMask: {"how": "all", "mask": 3},
    Condition: {
        "field": FIELDS["abstract"],
        "values": (TEXT, Text(TextKind.EXACT, b"/b")),
        "negate": True,
        "index": 1,
        "is_inside": True,
        "linked_in": (),
        "by_root": True,
        "operand": Operand(0, OperandType.TEXT),
    },
    Flag: {"field": FIELDS["memfd"], "wanted": False},
    Process: {"conditions": (), "flags": (Flag(PROCESS_FIELDS["setid"], wanted=True),)},
    Subject: dict.fromkeys((f.name for f in attrs.fields(Subject)), PROCESS),
    Action: {"verb": Verb.KILL, "errno": 2, "signal": 15, "message": "m"},
    Rule: {
        "event": "file",
        "operations": (OPS["file.read"],),
        "action": Action(Verb.KILL),
        "conditions": (),
        "flags": (Flag(FIELDS["script"], wanted=True),),
        "subject": Subject(process=PROCESS),
        "on_error": OnError.DENY,
        "guard": False,
        "strict": True,
        "loader": False,
        "syscall": "execve",
        "calls": (SYSCALLS["keyctl"],),
        "point": Point(PointKind.LSM, "file_open"),
        "severity": "high",
        "tags": ("t",),
        "mark": MARK,
        "only_marks": True,
        "within": (WITHIN,),
        "attempts": Attempts(),
        "limit": LIMIT,
    },
    Mark: {"name": "other", "scope": Scope.HOST},
    Within: {"mark": "other", "last_ns": 2, "negate": True, "policy": "q"},
    Limit: {"records": 2, "per_ns": 2, "by_process": True},
    Policy: {
        "selector": PROCESS,
        "defaults": {"exec": Action(Verb.LOG)},
        "message": "m",
        "description": "d",
        "record_allowed": False,
        "allow_degraded": True,
        "namespace": "shop",
    },
}
"""By class and field, another value than the one below has."""

VALUES = {
    Text: TEXT,
    Interval: Interval(0, 5),
    Mask: Mask(1),
    Address: Address(0, 5),
    CapabilityMask: CapabilityMask("any", 1),
    Condition: CONDITION,
    Flag: Flag(FIELDS["script"], wanted=True),
    Process: PROCESS,
    Subject: Subject(),
    Action: Action(Verb.DENY),
    Mark: MARK,
    Within: WITHIN,
    Limit: LIMIT,
}

NO_CONTENT = {
    Rule: {"name", "span", "lifted_from"},
    Policy: {"name", "span", "mode", "rules", "notes"},
    Condition: {"span"},
    Flag: {"span"},
    Text: {"span"},
    Mark: {"span"},
    Within: {"span"},
}


def _policy_with(value):
    """Put *value* where it can stand in a policy."""
    if isinstance(value, Policy):
        return value
    if isinstance(value, Rule):
        rule = value
    elif isinstance(value, Subject):
        rule = attrs.evolve(RULE, subject=value)
    elif isinstance(value, Action):
        rule = attrs.evolve(RULE, action=value)
    elif isinstance(value, Mark):
        rule = attrs.evolve(RULE, mark=value)
    elif isinstance(value, Within):
        rule = attrs.evolve(RULE, within=(value,))
    elif isinstance(value, Limit):
        rule = attrs.evolve(RULE, limit=value)
    elif isinstance(value, Flag):
        rule = attrs.evolve(RULE, flags=(value,))
    elif isinstance(value, Process):
        rule = attrs.evolve(RULE, subject=Subject(process=value))
    else:
        condition = value if isinstance(value, Condition) else Condition(FIELDS["path"], (value,))
        rule = attrs.evolve(RULE, conditions=(condition,))
    return attrs.evolve(POLICY, rules=(rule,))


def _digest_of(value):
    return digest_policies(PolicySet((_policy_with(value),)))


@pytest.mark.parametrize("kind", OTHER, ids=lambda kind: kind.__name__)
def test_every_field_that_means_something_changes_the_digest(kind):
    """And nothing can be added to the model without a line in the table above."""
    fields = {field.name for field in attrs.fields(kind)} - NO_CONTENT.get(kind, set())
    value = VALUES.get(kind, RULE if kind is Rule else POLICY)

    assert fields == set(OTHER[kind])
    for name in fields:
        other = attrs.evolve(value, **{name: OTHER[kind][name]})
        assert not difference(_digest_of(value), _digest_of(other)).is_empty, name
        assert _digest_of(value).as_one() != _digest_of(other).as_one(), name


def test_spans_change_no_digest():
    """At any depth."""
    moved = Span("g", 7, 7)
    condition = attrs.evolve(CONDITION, span=moved, values=(attrs.evolve(TEXT, span=moved),))
    flag = Flag(FIELDS["script"], wanted=True)
    one = attrs.evolve(RULE, flags=(flag,))
    other = attrs.evolve(
        one, span=moved, conditions=(condition,), flags=(attrs.evolve(flag, span=moved),)
    )
    assert difference(_digest_of(one), _digest_of(other)).is_empty


def test_what_has_no_digest_is_refused():
    """Rather than digested by an address in memory."""
    with pytest.raises(TypeError, match="object in it"):
        _digest_of(attrs.evolve(RULE, tags=(object(),)))


# ---- Any edits ----------------------------------------------------------------------------------

NAMES = st.sampled_from("abcdefgh")
CONTENTS = st.integers(0, 3)
POLICIES = st.dictionaries(
    st.sampled_from(["p", "q", "r"]),
    st.tuples(
        st.sampled_from(["enforce", "audit"]),
        st.booleans(),
        st.dictionaries(NAMES, CONTENTS, min_size=1, max_size=6),
        st.randoms(use_true_random=False),
    ),
)


def _document(name, mode, rules, *, head=False, padding=0):
    lines = [
        *["#"] * padding,
        "apiVersion: enforcer/v1",
        "kind: EnforcerPolicy",
        f"metadata: {{name: {name}}}",
        "spec:",
        f"  mode: {mode}",
        *(["  message: changed"] if head else []),
        "  rules:",
    ]
    for rule, content in rules:
        named = f"name: {rule}, " if rule else ""
        lines += [f"    - {{{named}exec: {{}}, match: {{path: /{content}}}, action: log}}"]
    return "\n".join(lines) + "\n"


def _set_of(policies, padding):
    documents, orders = [], {}
    for name, (mode, head, rules, random) in policies.items():
        orders[name] = sorted(rules)
        random.shuffle(orders[name])
        listed = [(rule, rules[rule]) for rule in orders[name]]
        documents.append(_document(name, mode, listed, head=head, padding=padding))
    return _digests("---\n".join(documents)) if documents else Digests(), orders


@given(POLICIES, POLICIES, st.integers(0, 3))
def test_any_two_sets_differ_by_what_a_reader_would_find(old, new, padding):
    """Compared name by name with plain sets."""
    (before, old_orders), (after, new_orders) = _set_of(old, 0), _set_of(new, padding)

    change = difference(before, after)

    assert new.keys() - old.keys() == {p.name for p in change.added}
    assert old.keys() - new.keys() == {p.name for p in change.removed}
    changed = {p.name: p for p in change.changed}
    for name in old.keys() & new.keys():
        (old_mode, old_head, old_rules, _), (mode, head, rules, _) = old[name], new[name]
        both = old_rules.keys() & rules.keys()
        found = {
            "mode": (old_mode, mode) if old_mode != mode else None,
            "head": old_head != head,
            "added": rules.keys() - old_rules.keys(),
            "removed": old_rules.keys() - rules.keys(),
            "changed": {rule for rule in both if rules[rule] != old_rules[rule]},
            "reordered": [r for r in old_orders[name] if r in both]
            != [r for r in new_orders[name] if r in both],
        }
        if not any(found.values()):
            assert name not in changed
            continue
        policy = changed.pop(name)
        assert found == {
            "mode": policy.mode,
            "head": policy.head,
            "added": {r.name for r in policy.rules.added},
            "removed": {r.name for r in policy.rules.removed},
            "changed": {r.name for r in policy.rules.changed},
            "reordered": policy.rules.reordered,
        }
        assert after.policies[name].place == policy.place
    assert not changed


@given(
    st.lists(st.integers(), min_size=1, max_size=12, unique=True),
    st.data(),
)
def test_rules_without_names_are_known_by_what_they_say(contents, data):
    """Putting some in anywhere, or taking some out, is nothing else: though all numbers change."""
    taken = data.draw(st.sets(st.sampled_from(contents), max_size=len(contents) - 1))
    less = [c for c in contents if c not in taken]
    more, fewer = (
        _digests(_document("p", "audit", [(None, c) for c in x])) for x in (contents, less)
    )

    numbers = {f"rule-{contents.index(c) + 1}" for c in taken}
    for change, which in ((difference(fewer, more), "added"), (difference(more, fewer), "removed")):
        assert change.is_empty == (not taken)
        for policy in change.changed:
            assert numbers == {r.name for r in getattr(policy.rules, which)}
            assert len(numbers) == sum(
                len(r) for r in (policy.rules.added, policy.rules.removed, policy.rules.changed)
            )
            assert not policy.rules.reordered


def test_a_rule_without_a_name_that_changes_in_place_is_changed():
    """By its number; and two that change places are reordered."""
    digests = [
        _digests(_document("p", "audit", [(None, c) for c in contents]))
        for contents in ("abc", "axc", "bac", "aab")
    ]
    (policy,) = difference(digests[0], digests[1]).changed
    assert ["rule-2"] == [r.name for r in policy.rules.changed]
    assert not policy.rules.reordered
    (policy,) = difference(digests[0], digests[2]).changed
    assert () == policy.rules.changed
    assert policy.rules.reordered
    (policy,) = difference(digests[3], digests[0]).changed
    assert (["rule-3"], ["rule-2"]) == (
        [r.name for r in policy.rules.added],
        [r.name for r in policy.rules.removed],
    )
