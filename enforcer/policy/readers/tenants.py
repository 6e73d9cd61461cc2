# SPDX-License-Identifier: MIT
"""
Policies of one namespace: what confines them to its pods, and what they may not ask for.

The author of such a policy decides on the own pods and on nothing else. So it has its own name in each
namespace, and it reaches neither the host nor the policies of others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import attrs

from enforcer.policy.model.policy import Policy, Rule, Scope
from enforcer.policy.model.workloads import known_in_namespace
from enforcer.policy.readers.context import Context
from enforcer.policy.text.nodes import Entry, Scalar, describe
from enforcer.span import Span

__all__ = ["NAMESPACE", "confine", "read_namespace"]

NAMESPACE: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""A label of RFC 1123, as Kubernetes names namespaces."""


def read_namespace(entry: Entry, context: Context) -> str:
    """Read ``namespace`` of the metadata; empty after an error."""
    text = entry.value.text if isinstance(entry.value, Scalar) else ""
    if re.fullmatch(NAMESPACE, text):
        return text
    context.add(
        "namespace must be up to 63 lower-case letters, digits and '-', with letters or digits at "
        f"the ends, not {describe(entry.value)}",
        entry.value.span,
    )
    return ""


def confine(policy: Policy, namespace: str, span: Span, context: Context) -> Policy:
    """
    Return *policy* for pods of *namespace* alone, named NAMESPACE/NAME.

    Args:
        policy: as it would be for the whole host.
        namespace: as it was read.
        span: where the namespace stands.
        context: gets an error for each thing that a policy of a namespace may not ask for.
    """
    for rule in policy.rules:
        for what, place in _reaches(rule):
            context.add(
                f"a policy of a namespace {what}: write one for the whole host, which has no namespace",
                place or rule.span,
            )
    selector = policy.selector
    own = known_in_namespace(namespace, span)
    conditions = (own, *(each for each in selector.conditions if each != own))
    return attrs.evolve(
        policy,
        name=f"{namespace}/{policy.name}",
        namespace=namespace,
        selector=attrs.evolve(selector, conditions=conditions),
    )


def _reaches(rule: Rule) -> Iterable[tuple[str, Span | None]]:
    """Yield how *rule* reaches beyond the pods of its namespace, the end of a sentence, and where."""
    if rule.point is not None:
        yield "has no rules at points of the kernel", None
    if rule.mark is not None and rule.mark.scope is Scope.HOST:
        yield "sets no marks of the host", rule.mark.span
    for asked in rule.within:
        if asked.policy is not None:
            yield "asks about its own marks only", asked.span
