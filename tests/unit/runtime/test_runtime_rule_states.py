# SPDX-License-Identifier: MIT
"""The rules of a policy as `policy show` lists them."""

from enforcer.policy.store import load_text
from enforcer.runtime.policies.rule_states import rule_states
from enforcer.runtime.sessions.counts import Counts, Ledger

TEXT = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec:
  default: {exec: deny}
  rules:
    - {name: shells, exec: {}, match: {path: /bin/sh, lineage: {binary: /usr/bin/vault}}, action: kill}
    - {name: heirs, file: read, match: {path: /key, lineage: {binary: /usr/bin/vault}}, action: allow}
    - {name: others, file: {operations: read, strict: true}, match: {path: /key}, action: deny}
"""


def test_every_rule_is_listed_once_with_its_counts():
    """However many alternatives it has, and whatever it keeps in place or frees besides."""
    (policy,) = load_text(TEXT, "vault.yaml").policies

    found = list(rule_states(policy, Ledger({("vault", "shells"): Counts(3, 1)})))

    assert ["shells", "heirs", "others", "default-exec"] == [state["rule"] for state in found]
    assert (3, 1) == (found[0]["enforced"], found[0]["audited"])


def test_a_rule_that_allows_has_refused_nothing():
    """However often it decided; a rule and a default that refuse have refused each time."""
    (policy,) = load_text(TEXT, "vault.yaml").policies
    counts = {
        ("vault", "heirs"): Counts(12_287, 0),
        ("vault", "others"): Counts(5, 0),
        ("vault", "default-exec"): Counts(2, 0),
    }

    found = {state["rule"]: state for state in rule_states(policy, Ledger(counts))}

    assert (12_287, 0) == (found["heirs"]["enforced"], found["heirs"]["refused"])
    assert (0, 5, 2) == tuple(
        found[rule]["refused"] for rule in ("shells", "others", "default-exec")
    )
