# SPDX-License-Identifier: MIT
"""Conditions on what an image did not bring."""

from __future__ import annotations

import pytest
from policy_text import HEAD, errors, load, load_rule

from enforcer.policy.language.vocabulary import Dim
from enforcer.policy.model.policy import CapabilityMask
from enforcer.policy.writers.printer import print_policy

EVERY, BUT_VOLUMES = 0xF, 0xB

WAYS = [
    ("drift: true", CapabilityMask("any", EVERY)),
    ("drift: {equal: true}", CapabilityMask("any", EVERY)),
    ("drift: false", CapabilityMask("none", EVERY)),
    ("drift: true, volumes: drift", CapabilityMask("any", EVERY)),
    ("volumes: trusted, drift: true", CapabilityMask("any", BUT_VOLUMES)),
    ("drift: false, volumes: trusted", CapabilityMask("none", BUT_VOLUMES)),
]


@pytest.mark.parametrize(("text", "value"), WAYS)
@pytest.mark.parametrize("event", ["exec: {}", "file: read", "file: mmapExec"])
def test_of_files(event: str, text: str, value: CapabilityMask) -> None:
    """What counts is a set of reasons."""
    rule = load_rule(f"{{{event}, match: {{{text}}}, action: deny}}")

    assert [(Dim.DRIFT, (value,), False)] == [
        (c.field.dim, c.values, c.negate) for c in rule.conditions
    ]


@pytest.mark.parametrize(("text", "value"), WAYS)
def test_of_processes(text: str, value: CapabilityMask) -> None:
    """The same of their executables."""
    rule = load_rule(f"{{file: read, match: {{parent: {{{text}}}}}, action: deny}}")

    (condition,) = rule.subject.parent.conditions
    assert (Dim.EXE_DRIFT, (value,)) == (condition.field.dim, condition.values)


@pytest.mark.parametrize(("text", "_value"), WAYS)
def test_what_is_read_is_printed(text: str, _value: CapabilityMask) -> None:
    """And reads the same again."""
    rule = f"{{exec: {{}}, match: {{{text}, notProcess: {{{text}}}}}, action: deny}}"
    policy = load(f"{HEAD}spec:\n  rules:\n  - {rule}\n")

    again = load(print_policy(policy))

    assert policy.rules[0].conditions == again.rules[0].conditions
    assert policy.rules[0].subject == again.rules[0].subject


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("drift: yes", "true or false, not the text 'yes'"),
        ("drift: written", "true or false, not the text 'written'"),
        ("drift: true, volumes: untrusted", "did you mean 'trusted'?"),
        ("drift: true, volumes: no", "write drift or trusted"),
        ("volumes: trusted", "write it beside drift"),
        ("process: {volumes: trusted}", "write it beside drift"),
    ],
)
def test_what_has_no_meaning_is_refused(match: str, said: str) -> None:
    """With a word on what to write."""
    (error,) = errors(
        f"{HEAD}spec:\n  rules:\n  - {{exec: {{}}, match: {{{match}}}, action: deny}}\n"
    )

    assert said in error


def test_sockets_have_no_content() -> None:
    """So nothing brings it."""
    rule = "{network: connect, match: {drift: true}, action: deny}"

    (error,) = errors(f"{HEAD}spec:\n  rules:\n  - {rule}\n")

    assert "drift does not exist for network connect" in error
