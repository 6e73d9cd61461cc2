# SPDX-License-Identifier: MIT
"""
The order of rules, in which the first that matches means what all mean in KubeArmor.

There, the rules for the program that acts (``fromSource``) are looked up before those for everybody, over all
policies. So what such a rule allows is not refused by a rule for everybody. Audit decides nothing there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from enforcer.policy.foreign.kubearmor.drafts import Draft
from enforcer.policy.foreign.kubearmor.whom import PolicyScope
from enforcer.policy.model.policy import Verb
from enforcer.policy.readers.context import Context

__all__ = ["note_other_policies", "ordered"]

_ORDER = {Verb.DENY: 2, Verb.LOG: 3, Verb.ALLOW: 4}


def ordered(drafts: list[Draft], context: Context) -> list[Draft]:
    """
    Return *drafts* of one policy in their order.

    What some programs are allowed comes first only where the same event is refused to everybody: else
    it would hide that a rule records it.
    """
    refused = {draft.event for draft in drafts if draft.refuses_everybody}
    first = [draft for draft in drafts if draft.event in refused and draft.lifts]
    for draft in drafts:
        hiding = next((d for d in first if draft.decided is Verb.LOG and d.may_meet(draft)), None)
        if hiding is not None:
            context.note(
                f"what this records is not recorded where line {hiding.item.span.line} allows it, since "
                "that rule comes first",
                draft.item.span,
            )

    def rank(draft: Draft) -> int:
        if draft.event in refused and draft.is_of_source and draft.decided is Verb.DENY:
            return 0
        return 1 if draft in first else _ORDER[draft.decided]

    return sorted(drafts, key=rank)


@attrs.frozen
class _Read:
    """A policy that was read: whom it is for, and what matters to the order over all policies."""

    whom: PolicyScope
    lifting: tuple[Draft, ...]
    refusing: tuple[Draft, ...]


def note_other_policies(drafts: Iterable[Draft], whom: PolicyScope, context: Context) -> None:
    """Note what a policy for *whom* allows some programs, and another one refuses everybody, or the reverse."""
    drafts = tuple(drafts)
    mine = _Read(
        whom,
        tuple(draft for draft in drafts if draft.lifts),
        tuple(draft for draft in drafts if draft.refuses_everybody),
    )
    for other in context.earlier:
        if isinstance(other, _Read) and whom.may_meet(other.whom):
            for allowed, refused in (*_pairs(mine, other), *_pairs(other, mine)):
                context.note(
                    f"the rule of {refused.item.span} refuses to everybody what this allows, and of "
                    "several policies the strictest verdict counts: put both into one policy",
                    allowed.item.span,
                    matters=True,
                )
    context.earlier.append(mine)


def _pairs(one: _Read, other: _Read) -> Iterator[tuple[Draft, Draft]]:
    """Yield what *one* allows with the first rule of *other* that refuses it."""
    for allowed in one.lifting:
        refused = next((draft for draft in other.refusing if draft.may_meet(allowed)), None)
        if refused is not None:
            yield allowed, refused
