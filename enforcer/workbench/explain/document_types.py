# SPDX-License-Identifier: MIT
"""An explanation as a JSON object, for type checkers and for ``enforcer schema``."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

__all__ = [
    "AnswerDocument",
    "ChangeDocument",
    "ExplanationDocument",
    "PartDocument",
    "RefusalDocument",
    "SetterDocument",
]


class PartDocument(TypedDict):
    """One thing that must hold for a rule to match."""

    where: Annotated[str, "Words of the policy that lead to it."]
    holds: Annotated[
        str, "true, false, unknown to the kernel, unrecorded, or claimed by the caller."
    ]
    says: Annotated[str, "What was found, in a sentence."]
    place: Annotated[str | None, "file:line:column, or null."]
    met: Annotated[str | None, "Value that matched, or null."]


class SetterDocument(TypedDict):
    """A rule that sets a mark."""

    mark: Annotated[str, "The mark."]
    policy: Annotated[str, "Policy."]
    rule: Annotated[str, "Its rule."]
    place: Annotated[str, "file:line:column of the rule."]


class AnswerDocument(TypedDict):
    """What one rule, guard or default says of the same access."""

    policy: Annotated[str, "Policy."]
    rule: Annotated[str, "Its rule."]
    kind: Annotated[
        str, "rule, guard, attempt, default, or detached: of what is mounted nowhere yet."
    ]
    place: Annotated[str, "file:line:column of it."]
    action: Annotated[str, "What it would do."]
    matches: Annotated[str, "As holds of parts."]
    parts: Annotated[list[PartDocument], "What must hold for that."]


class ChangeDocument(TypedDict):
    """A change that would allow the access."""

    place: Annotated[str, "file:line:column where."]
    says: Annotated[str, "What to change."]
    snippet: Annotated[list[str], "Lines to add, if any."]


class RefusalDocument(TypedDict):
    """A rule that refuses, and what would change that."""

    policy: Annotated[str, "Policy."]
    rule: Annotated[str, "Its rule."]
    changes: Annotated[list[ChangeDocument], "One of these suffices, the least first."]


class ExplanationDocument(TypedDict):
    """What ``explain`` says of one record."""

    version: Annotated[Literal[1], "Version of this format."]
    id: Annotated[str | None, "Id of the record; null if it has none."]
    policy: Annotated[str, "Policy that decided."]
    rule: Annotated[str, "Its rule that decided."]
    place: Annotated[str, "file:line:column of the rule."]
    audited: Annotated[bool, "Decided in audit mode or in a dry run."]
    doubt: Annotated[str | None, "Why the policies do not explain it, or null."]
    parts: Annotated[list[PartDocument], "What the rule asks for."]
    marks: Annotated[list[SetterDocument], "Rules that set the marks that it asks about."]
    before: Annotated[list[AnswerDocument], "Rules that were asked before."]
    close: Annotated[list[AnswerDocument], "Rules that came close."]
    others: Annotated[list[AnswerDocument], "What other policies say of it."]
    refusals: Annotated[list[RefusalDocument], "What refuses it, and what would allow it."]
