# SPDX-License-Identifier: MIT
"""The part of a record with the verdict of each policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enforcer.events.operations import OPERATIONS

if TYPE_CHECKING:
    from enforcer.events.document_types import MatchesKeys, PolicyMatchDocument
    from enforcer.events.types import PolicyMatch, Record

__all__ = ["matches_document"]


def matches_document(record: Record) -> MatchesKeys:
    """Tell what each policy said, where more than one said something."""
    if not record.said:
        return {}
    found: MatchesKeys = {"matches": [_said(said) for said in record.said]}
    if left_out := max(0, record.event.n_matches - len(record.said)):
        found["matchesLeftOut"] = left_out
    return found


def _said(said: PolicyMatch) -> PolicyMatchDocument:
    match, origin = said.match, said.origin
    return {
        "policy": origin.policy,
        "rule": origin.rule,
        "place": origin.place,
        "message": said.message,
        "severity": origin.severity,
        "action": match.action.name.lower(),
        "enforced": match.is_enforced,
        "onError": match.is_on_error,
        "default": match.is_default,
        "guard": match.is_guard,
        "operation": OPERATIONS[match.op].word,
    }
