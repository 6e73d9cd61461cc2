# SPDX-License-Identifier: MIT
"""A port that the kernel is to choose from a range: what some port of it satisfies is unknown, and nothing else."""

from __future__ import annotations

import pytest
from builds import BORN, GENERATION, decide_by_all
from reference.semantics import UNKNOWN, Access, Actor, Choice

from enforcer.compiler import BareHost, compile_policies
from enforcer.policy.language.vocabulary import Dim, Op
from enforcer.policy.store import load_text

POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: ports}
spec:
  rules:
    - {network: bind, match: {port: [80, 40000, 50000-50009], address: 10.0.0.2}, action: deny}
    - {network: bind, match: {port: {notIn: [100-109]}, address: 10.0.0.3}, action: deny}
    - {network: bind, match: {port: 1024-65535, address: 10.0.0.4}, action: deny}
    - {network: bind, match: {port: 200, address: 10.0.0.5}, action: allow}
    - {network: bind, match: {address: 10.0.0.5}, action: deny}
    - {network: bind, match: {port: 300, address: 10.0.0.6}, action: deny, onError: allow}
    - {network: connect, match: {port: 1024-65535, address: 10.0.0.4}, action: deny}
"""


@pytest.mark.parametrize(
    ("host", "port", "is_refused", "by_error"),
    [
        (2, Choice(40000, 40000), True, True),
        (2, Choice(39990, 40010), True, True),
        (2, Choice(40001, 40009), False, False),
        (2, Choice(81, 39999), False, False),
        (2, Choice(1, 80), True, True),
        (2, Choice(50005, 50020), True, True),
        (2, Choice(50010, 65535), False, False),
        (2, Choice(0, 65535), True, True),
        (2, UNKNOWN, True, True),
        (3, Choice(1, 99), True, False),
        (3, Choice(99, 100), True, True),
        (4, Choice(2000, 3000), True, True),
        (4, Choice(1, 1023), False, False),
        (5, Choice(201, 300), True, False),
        (5, Choice(200, 300), True, False),
        (6, Choice(300, 300), False, False),
        # Without a range of its own: each rule with an end of the kernel's has port 0.
        (2, 0, False, False),
        (4, 0, True, False),
    ],
)
def test_choice_is_unknown_where_a_port_of_it_is_met(
    builds, host, port, is_refused, by_error
) -> None:
    policies = load_text(POLICY, "ports.yaml")
    compiled = compile_policies(policies, host=BareHost(), generation=GENERATION, now_ns=BORN)
    asked = Access((Op.BIND,), {Dim.ADDR: 0xFFFF << 32 | 10 << 24 | host, Dim.PORT: port})

    found = decide_by_all(builds, policies, compiled, Actor(), asked).enforced

    assert is_refused == (found.verb is not None and found.verb.name == "DENY")
    assert by_error == found.on_error


def test_port_of_a_connection_counts_as_itself(builds) -> None:
    policies = load_text(POLICY, "ports.yaml")
    compiled = compile_policies(policies, host=BareHost(), generation=GENERATION, now_ns=BORN)
    asked = Access((Op.CONNECT,), {Dim.ADDR: 0xFFFF << 32 | 10 << 24 | 4, Dim.PORT: 0})

    assert decide_by_all(builds, policies, compiled, Actor(), asked).enforced.verb is None
