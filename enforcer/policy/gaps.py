# SPDX-License-Identifier: MIT
"""
Remarks on what a rule leaves open: another way to the effect, which only another rule can close.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.policy.coverage import kernel_operations
from enforcer.policy.globs import accepts
from enforcer.policy.issues import Host, Issue, check, info
from enforcer.policy.model import Rule, Text, Verb
from enforcer.policy.vocabulary import Dim, Op

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.policy.model import Policy

__all__: list[str] = []

_KILL_FILE = b"/sys/fs/cgroup/system.slice/example.service/cgroup.kill"


@check
def ended_by_cgroup(policy: Policy, host: Host) -> Iterator[Issue]:
    """Processes that are kept from signals, and not from what ends all of a cgroup."""
    del host
    if any(_keeps_cgroups(rule) for rule in policy.rules):
        return
    for rule in policy.rules:
        keeps = rule.event == "process" and Op.SIGNAL in kernel_operations(rule)
        named = any(c.field.name == "target" for c in rule.conditions)
        if rule.action.verb >= Verb.DENY and keeps and named:
            yield info(
                rule.span,
                f"rule {rule.name!r} keeps signals from its target; what is written to cgroup.kill or "
                "cgroup.freeze of its cgroup is none: refuse file write on /sys/fs/cgroup/**/cgroup.kill, "
                "too; what the kernel sends for a descriptor (F_SETOWN, F_SETSIG) is not met either",
            )


def _keeps_cgroups(rule: Rule) -> bool:
    if rule.action.verb < Verb.DENY or Op.WRITE not in kernel_operations(rule):
        return False
    paths = [c for c in rule.conditions if c.field.dim is Dim.PATH]
    return all(
        any(isinstance(v, Text) and accepts(v, _KILL_FILE) for v in c.values) is not c.negate
        for c in paths
    )
