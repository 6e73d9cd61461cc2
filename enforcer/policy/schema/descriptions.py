# SPDX-License-Identifier: MIT
"""What editors and ``kubectl explain`` say about the keys of a policy and of a rule."""

from __future__ import annotations

from typing import Final

from enforcer.policy.readers.actions import ACTIONS_KEYS
from enforcer.policy.schema.fragments import Schema

__all__ = ["RULE_TEXTS", "SPEC_TEXTS", "described"]

SPEC_TEXTS: Final[dict[str, str]] = {
    "mode": "enforce, or audit: decide the same, permit everything, and record it. Default: enforce.",
    "message": "Template of the records of all rules, with placeholders such as {process} and {path}.",
    "selector": "The processes that the policy is about. Default: every process.",
    "default": "The action when no rule matched: one for the events of the rules, or one for each event.",
    "rules": "Tried from top to bottom: the first that matches decides.",
    **dict.fromkeys(ACTIONS_KEYS, "Actions by event, for rules that have no action."),
    "recordAllowed": "With a message, also record what the rules allow. Default: true.",
    "allowDegraded": "Take the policy even if this kernel can kill only after the fact. Default: false.",
}
"""By key of spec."""

RULE_TEXTS: Final[dict[str, str]] = {
    "name": "Unique in the policy. Default: rule-1, rule-2 and so on.",
    "exec": "Event: a program is run.",
    "syscall": "Event: a system call, by name, list or class.",
    "lsm": "Event: a hook of the kernel's security modules.",
    "kprobe": "Event: a function of the kernel, at its entry or its end.",
    "tracepoint": "Event: a tracepoint of the kernel.",
    "match": "The conditions. All must hold. Default: always.",
    "action": "allow, log, deny or kill. deny takes an errno, kill an errno and a signal.",
    "message": "Template of the records of this rule. Default: that of the policy.",
    "severity": "How serious a record is. Default: medium.",
    "tags": "Words for records, such as T1059.004.",
    "onError": "The verdict if an operand cannot be read. Default: deny for deny and kill, else allow.",
    "guard": "Keep the names of the path in place. Default: true.",
    "strict": "Decide also on descriptors that are already open. Default: false.",
    "loader": "Refuse also what a loader of programs runs. Default: true.",
    "mark": "What a match leaves behind for later rules.",
    "rateLimit": "How many records the rule makes of each operation in a time. Default: no limit.",
    "attempts": "Record also what the kernel itself refuses. Default: false.",
}
"""By key of a rule. Events of the vocabulary have their texts there."""


def described(properties: Schema, texts: dict[str, str]) -> Schema:
    """Return *properties* with the texts of those that have one there and none of their own."""
    return {
        key: {"description": texts[key], **form} if key in texts else form
        for key, form in properties.items()
    }
