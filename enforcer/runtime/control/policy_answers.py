# SPDX-License-Identifier: MIT
"""What the daemon says of policies and their rules, for type checkers and for ``enforcer schema``."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict, final

from enforcer.runtime.control.posture import PostureDocument

__all__ = ["PolicyAnswer", "PolicyDetail", "PolicyListAnswer", "PolicyState", "RuleState"]


class PolicyState(TypedDict):
    """One policy, with how often it decided."""

    name: Annotated[str, "Its name."]
    mode: Annotated[str, "enforce or audit."]
    file: Annotated[str, "File that it is from."]
    place: Annotated[str, "file:line:column of the policy."]
    rules: Annotated[int, "Number of its rules."]
    enabled: Annotated[bool, "It is not switched off."]
    origin: Annotated[str, "file, or added at run time."]
    modeSet: Annotated[bool, "Its mode was set at run time."]
    older: Annotated[bool, "It is as its file said before: what that says now was refused."]
    degraded: Annotated[list[str], "Rules that can be recorded but not prevented."]
    enforced: Annotated[int, "How often it decided: it denied, killed, allowed or logged."]
    refused: Annotated[
        int,
        "How often of these it denied or killed. Decisions of rules that it no longer has count as refused.",
    ]
    audited: Annotated[int, "How often it would have decided, in audit mode."]


class RuleState(TypedDict):
    """One rule, with how often it decided."""

    rule: Annotated[str, "Its name."]
    place: Annotated[str, "file:line:column of the rule."]
    says: Annotated[str, "What it does, in a sentence."]
    enforced: Annotated[int, "How often it decided."]
    refused: Annotated[int, "How often of these it denied or killed; 0 if it allows or logs."]
    audited: Annotated[int, "How often it would have decided, in audit mode."]


class PolicyDetail(PolicyState):
    """One policy and its rules."""

    message: Annotated[str | None, "Of the policy; null if it has none."]
    yaml: Annotated[str, "The policy in YAML."]
    rows: Annotated[list[RuleState], "Its rules, guards and defaults."]


class PolicyListAnswer(TypedDict):
    """The answer to ``policy-list``."""

    policies: Annotated[list[PolicyState], "All policies, those that are switched off included."]
    posture: NotRequired[Annotated[PostureDocument, "What is enforced."]]


@final
class PolicyAnswer(TypedDict):
    """The answer to ``policy-show``."""

    policy: PolicyDetail
