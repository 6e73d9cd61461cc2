# SPDX-License-Identifier: MIT
"""Short ways to write a policy in a test."""

from __future__ import annotations

from enforcer.errors import PolicyErrors
from enforcer.policy.language.symbols import TableResolver
from enforcer.policy.model.policy import Condition, Policy, Rule
from enforcer.policy.store import load_text

FILE = "p.yaml"
HEAD = "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: x}\n"
USERS = TableResolver(
    users={"root": 0, "alice": 1000, "www-data": 33}, groups={"wheel": 10, "web-data": 34}
)


def load(text: str | bytes) -> Policy:
    """Load a text with one policy."""
    (policy,) = load_text(text, FILE, USERS).policies
    return policy


def load_spec(spec: str) -> Policy:
    """Load a policy of which only the lines under spec are given."""
    return load(f"{HEAD}spec:\n{spec}")


def load_rule(rule: str) -> Rule:
    """Load one rule, written in flow style."""
    (rule_,) = load_spec(f"  rules:\n  - {rule}\n").rules
    return rule_


def load_conditions(event: str, match: str) -> tuple[Condition, ...]:
    """Load the object conditions of a rule that kills."""
    return load_rule(f"{{{event}, match: {{{match}}}, action: kill}}").conditions


def errors(text: str | bytes) -> list[str]:
    """Return the errors of a text as they are printed."""
    try:
        load_text(text, FILE, USERS)
    except PolicyErrors as found:
        return [str(error) for error in found.errors]
    return []
