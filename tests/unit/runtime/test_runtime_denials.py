# SPDX-License-Identifier: MIT
"""How often a policy refused: counts of its rules, without those that refuse nothing."""

from types import SimpleNamespace

from enforcer.events.types import Origin
from enforcer.policy.store import load_text
from enforcer.runtime.control.report import facts_of
from enforcer.runtime.policies.compilation import prepare
from enforcer.runtime.policies.policies_state import policy_states
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.sessions.counts import Counts, Ledger

POLICY = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: web}
spec:
  default: {file: deny, network: allow}
  rules:
    - {name: killed, exec: {}, match: {path: /bin/sh}, action: kill}
    - {name: denied, exec: {}, match: {path: /bin/dash}, action: deny}
    - {name: logged, exec: {}, match: {path: /bin/ls}, action: log}
    - {name: allowed, file: read, match: {path: /srv/a}, action: allow}
    - {name: called, network: connect, match: {port: 80}, action: log}
"""


def test_rules_that_refuse_nothing_are_told_by_the_names_of_the_rows():
    """Those of defaults included: each name is that of a row of the image."""
    (facts,) = facts_of(load_text(POLICY, "web.yaml"), Overlay())
    rows = {origin.rule for origin in prepare(load_text(POLICY, "web.yaml")).origins}

    assert {"logged", "allowed", "called", "default-network"} == {*facts.permitting}
    assert rows >= {*facts.permitting}


def test_denials_are_of_rules_that_refuse():
    """Over all policies, in one pass; another policy may have a rule of the same name."""
    ledger = Ledger()
    rules = [("web", "killed"), ("web", "logged"), ("web", "default-file"), ("db", "logged")]
    ledger.add(
        [Origin(policy=policy, rule=rule, place="x:1:1") for policy, rule in rules],
        [Counts(1, 100), Counts(20, 0), Counts(300, 0), Counts(4000, 0)],
    )

    assert {"web": 301, "db": 4000} == ledger.enforced_without({"web": ("logged",)})


def test_a_policy_whose_allow_rule_is_used_has_refused_nothing():
    """It decided all the same, and another policy has refused."""
    (web,) = facts_of(load_text(POLICY, "web.yaml"), Overlay())
    (db,) = facts_of(load_text(POLICY.replace("web", "db"), "db.yaml"), Overlay())
    now = SimpleNamespace(facts=(web, db), is_older=lambda _: False)
    ledger = Ledger(
        {
            ("web", "allowed"): Counts(12_287, 9),
            ("web", "default-network"): Counts(20, 0),
            ("db", "allowed"): Counts(3, 0),
            ("db", "killed"): Counts(4, 0),
        }
    )

    found = policy_states(now, now.facts, ledger)

    assert [("web", 12_307, 0, 9), ("db", 7, 4, 0)] == [
        (state["name"], state["enforced"], state["refused"], state["audited"]) for state in found
    ]
    assert [found[1]] == policy_states(now, (db,), ledger)
