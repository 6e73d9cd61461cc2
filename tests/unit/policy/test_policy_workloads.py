# SPDX-License-Identifier: MIT
"""Containers and pods in policies: how they are written, and what is meant."""

from __future__ import annotations

import attrs
import pytest
from policy_text import errors, load

from enforcer.policy.language.subject_parts import SUBJECT_PARTS
from enforcer.policy.language.vocabulary import PROCESS_FIELDS
from enforcer.policy.model.policy import Condition, Policy, Process, Subject, Text, TextKind
from enforcer.policy.model.workloads import (
    CONTAINER,
    LABELS,
    POD,
    holds,
    named_inside,
    seen_inside,
)
from enforcer.policy.store import load_text
from enforcer.policy.writers.conditions import spell_process
from enforcer.policy.writers.printer import print_policy

HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: x}\n"


def selector(text: str) -> Policy:
    return load(f"{HEAD}spec: {{selector: {text}, rules: [{{exec: {{}}, action: deny}}]}}\n")


def values(condition: Condition) -> list[tuple[TextKind, bytes]]:
    return [(v.kind, v.value) for v in condition.values if isinstance(v, Text)]


EXACT, GLOB, PREFIX = TextKind.EXACT, TextKind.GLOB, TextKind.PREFIX


@pytest.mark.parametrize(
    ("written", "field", "wanted", "negate"),
    [
        ("container: {id: 0a1b}", CONTAINER["id"], [(EXACT, b"0a1b")], False),
        (
            "container: {name: [web, w*]}",
            CONTAINER["name"],
            [(EXACT, b"web"), (GLOB, b"w*")],
            False,
        ),
        ("container: {image: {glob: 'a/*'}}", CONTAINER["image"], [(GLOB, b"a/*")], False),
        ("container: {runtime: {notIn: [lxc]}}", CONTAINER["runtime"], [(EXACT, b"lxc")], True),
        ("pod: {name: {prefix: web-}}", POD["name"], [(PREFIX, b"web-")], False),
        (
            "pod: {namespace: {notEqual: kube-system}}",
            POD["namespace"],
            [(EXACT, b"kube-system")],
            True,
        ),
        ("pod: {labels: {app: web}}", LABELS, [(EXACT, b"app=web")], False),
        ("pod: {labels: {app: w*}}", LABELS, [(GLOB, b"app=w*")], False),
        ("pod: {labels: {app: ''}}", LABELS, [(EXACT, b"app=")], False),
        ("pod: {labels: {app: 1}}", LABELS, [(EXACT, b"app=1")], False),
        ("pod: {labels: {x.y/app: true}}", LABELS, [(EXACT, b"x.y/app=true")], False),
        ("pod: {labels: {matchLabels: {app: web}}}", LABELS, [(EXACT, b"app=web")], False),
        (
            "pod: {labels: {matchExpressions: [{key: a, operator: In, values: [b, c]}]}}",
            LABELS,
            [(EXACT, b"a=b"), (EXACT, b"a=c")],
            False,
        ),
        (
            "pod: {labels: {matchExpressions: [{key: a, operator: NotIn, values: [b]}]}}",
            LABELS,
            [(EXACT, b"a=b")],
            True,
        ),
        (
            "pod: {labels: {matchExpressions: [{key: a, operator: Exists}]}}",
            LABELS,
            [(PREFIX, b"a=")],
            False,
        ),
        (
            "pod: {labels: {matchExpressions: [{key: a, operator: DoesNotExist}]}}",
            LABELS,
            [(PREFIX, b"a=")],
            True,
        ),
    ],
)
def test_what_is_written_and_written_again(written, field, wanted, negate):
    """Each form is read as what it means, and printed as text that means the same."""
    policy = selector(f"{{{written}}}")
    (condition,) = policy.selector.conditions

    assert (field, wanted, negate) == (condition.field, values(condition), condition.negate)
    again = load_text(print_policy(policy), "again.yaml").policies[0]
    assert policy.selector == again.selector


@pytest.mark.parametrize(
    "labels",
    [
        "{io.kubernetes.pod.name: web}",
        "{matchLabels: {app: web, io.kubernetes.x/y: web}}",
        "{matchExpressions: [{key: io.kubernetes.container.name, operator: In, values: [a]}]}",
        "{matchExpressions: [{key: io.kubernetes.container.name, operator: DoesNotExist}]}",
    ],
)
def test_labels_that_are_not_compared_are_refused(labels):
    """They are left out of what is known of pods, so a rule on them would silently match none, or all."""
    written = f"{{selector: {{pod: {{labels: {labels}}}}}, rules: [{{exec: {{}}, action: deny}}]}}"

    (error,) = errors(f"{HEAD}spec: {written}\n")

    assert ": labels that begin with io.kubernetes. are not compared" in error


def test_labels_of_kubernetes_with_another_beginning_are_compared():
    """Those that are written by people and controllers."""
    for key in ("app.kubernetes.io/name", "kubernetes.io/metadata.name", "io.kubernetesx", "io.k"):
        (condition,) = selector(f"{{pod: {{labels: {{{key}: web}}}}}}").selector.conditions
        assert [(EXACT, f"{key}=web".encode())] == values(condition)


@pytest.mark.parametrize("labels", ["{}", "{matchLabels: {}}", "{matchExpressions: []}"])
def test_no_labels_are_not_every_process(labels):
    """A selector without a condition would be the whole host."""
    written = f"{{selector: {{pod: {{labels: {labels}}}}}, rules: [{{exec: {{}}, action: deny}}]}}"

    (error,) = errors(f"{HEAD}spec: {written}\n")

    assert "or leave it out" in error


def test_several_parts_are_written_together():
    """Fields of pods and containers stand under their words, beside others."""
    written = {
        "uid": 1000,
        "pod": {"namespace": "prod", "labels": {"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "app", "operator": "NotIn", "values": ["a", "b"]}]}},
        "container": {"name": "main", "image": "r/*:*"},
    }  # fmt: skip
    policy = selector(str(written).replace("'", '"'))

    assert written == spell_process(policy.selector)


FACTS = {
    "pod.name": (b"web-1",),
    "pod.namespace": None,
    "pod.labels": (b"app=web", b"tier=front"),
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("pod: {name: web-*}", True),
        ("pod: {name: {notGlob: web-*}}", False),
        ("pod: {name: db}", False),
        ("pod: {namespace: x}", None),
        ("pod: {namespace: {notEqual: x}}", None),
        ("container: {name: x}", False),
        ("container: {name: {notEqual: x}}", False),
        ("pod: {labels: {app: web}}", True),
        ("pod: {labels: {tier: web}}", False),
        ("pod: {labels: {matchExpressions: [{key: app, operator: NotIn, values: [db]}]}}", True),
        ("pod: {labels: {matchExpressions: [{key: none, operator: NotIn, values: [db]}]}}", True),
        ("pod: {labels: {matchExpressions: [{key: app, operator: DoesNotExist}]}}", False),
        ("pod: {labels: {matchExpressions: [{key: ap, operator: Exists}]}}", False),
    ],
)
def test_whether_it_holds(written, expected):
    """What is not known is None; what is not there meets nothing, not even a negated condition."""
    (condition,) = selector(f"{{{written}}}").selector.conditions

    assert expected is holds(condition, FACTS)


def test_executables_are_named_inside_only_where_containers_are_asked_for():
    """A condition on an executable keeps to the host's names elsewhere."""
    binary = Condition(PROCESS_FIELDS["binary"], (Text(EXACT, b"/bin/app"),))
    plain, pods = selector("{uid: 0}"), selector("{pod: {name: x}}")
    subject = Subject(not_process=Process((binary,)))
    rule = attrs.evolve(plain.rules[0], subject=subject)

    found, inside = (seen_inside(each, rule)[1].not_process.conditions[0] for each in (plain, pods))

    assert (binary, False) == (found.as_written, found.is_inside)
    assert (binary, True) == (inside.as_written, inside.is_inside)


RULES = """
  - {name: deny, file: read, match: {path: {in: [/a], notIn: [/b]}}, action: deny}
  - {name: allow, file: read, match: {path: {in: [/a], notIn: [/b]}}, action: allow}
  - {name: log, file: read, match: {path: {in: [/a], notIn: [/b]}}, action: log}
  - {name: mark, file: read, match: {path: {in: [/a], notIn: [/b]}}, mark: seen}
  - {name: allow-mark, file: read, match: {path: {in: [/a], notIn: [/b]}}, action: allow, mark: seen}
  - {name: deny-mark, file: read, match: {path: {in: [/a], notIn: [/b]}}, action: deny, mark: seen}
"""
ONLY_LOG = """
  - {name: log, file: read, match: {path: {in: [/a], notIn: [/b]}}, action: log}
"""


@pytest.mark.parametrize(
    ("rules", "name", "asked"),
    [
        (RULES, "deny", {b"/a"}),
        (RULES, "allow", {b"/b"}),
        (RULES, "log", {b"/b"}),
        (RULES, "mark", set()),
        (RULES, "allow-mark", set()),
        (RULES, "deny-mark", {b"/a"}),
        (ONLY_LOG, "log", {b"/a"}),
    ],
)
def test_links_are_followed_against_the_container_alone(rules, name, asked):
    """What a rule refuses, and what one that permits leaves out; a mark may be either."""
    head = f"{HEAD}spec:\n  selector: {{container: {{name: x}}}}\n  rules:"
    policy = load(f"{head}{rules.replace(chr(10), chr(10) + '  ')}\n")
    (rule,) = (each for each in policy.rules if each.name == name)

    found = named_inside(policy, rule).conditions
    assert asked == {c.values[0].value for c in found if c.linked_in is not None}
    host = attrs.evolve(policy, selector=Process())
    assert not any(c.linked_in for c in named_inside(host, rule).conditions)


@pytest.mark.parametrize(
    ("action", "part", "is_followed"),
    [
        ("deny", "process", True),
        ("deny", "lineage", True),
        ("deny", "notProcess", False),
        ("allow", "process", False),
        ("allow", "notParent", True),
    ],
)
def test_links_to_executables_are_followed_likewise(action, part, is_followed):
    """A description that must not fit is the other way round."""
    match = f"path: /a, {part}: {{binary: /bin/sh}}"
    policy = load(
        f"{HEAD}spec: {{selector: {{container: {{name: x}}}}, rules: [{{file: read, match: {{{match}}}, action: {action}}}]}}\n"
    )

    _, subject = seen_inside(policy, policy.rules[0])
    process = getattr(subject, SUBJECT_PARTS[part].attribute)
    assert is_followed == (process.conditions[0].linked_in is not None)
