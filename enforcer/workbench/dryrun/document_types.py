# SPDX-License-Identifier: MIT
"""The report of a dry run as a JSON object, for type checkers and for ``enforcer schema``."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

__all__ = [
    "BrokenDocument",
    "DeedDocument",
    "DifferenceDocument",
    "DoerDocument",
    "FindingDocument",
    "FixDocument",
    "PairDocument",
    "ReportDocument",
    "SideDocument",
    "SumsDocument",
]


class BrokenDocument(TypedDict):
    """Something whose ordinary work would break."""

    name: Annotated[str, "Unit, container or program."]
    denials: Annotated[int, "Operations of it that would be denied."]
    kills: Annotated[int, "Processes of it that would be killed."]


class DeedDocument(TypedDict):
    """One operation."""

    time: Annotated[str, "RFC 3339, UTC."]
    operation: Annotated[str, "Operation."]
    on: Annotated[str, "Its object."]
    command: Annotated[str, "Command line of the process."]


class FixDocument(TypedDict):
    """A change that would allow it."""

    policy: Annotated[str, "Policy to change."]
    place: Annotated[str, "file:line:column where."]
    says: Annotated[str, "What to change."]
    snippet: Annotated[list[str], "Lines to add, if any."]


class DoerDocument(TypedDict):
    """One program, and what it did."""

    exe: Annotated[str, "Its executable."]
    parent: Annotated[str | None, "That of its parent; null if not known."]
    user: Annotated[str, "User."]
    unit: Annotated[str | None, "Unit of systemd, or null."]
    container: Annotated[str | None, "Container, or null."]
    withOthers: Annotated[
        bool, "Whether other users, parents and scopes of it are counted here, for lack of room."
    ]
    count: Annotated[int, "How many operations."]
    first: Annotated[str, "The first; RFC 3339, UTC."]
    last: Annotated[str, "The last."]
    looks: Annotated[str, "ordinary, unclear or unusual."]
    why: Annotated[list[str], "What speaks for that."]
    samples: Annotated[list[DeedDocument], "Some of the operations."]
    fixes: Annotated[list[FixDocument], "What would allow them, the least first."]


class FindingDocument(TypedDict):
    """What one rule would have refused."""

    policy: Annotated[str, "Policy."]
    rule: Annotated[str, "Its rule."]
    place: Annotated[str, "file:line:column of the rule."]
    wouldDeny: Annotated[int, "Operations that would have been denied."]
    wouldKill: Annotated[int, "Processes that would have been killed."]
    byOnError: Annotated[int, "How many of these by onError."]
    unrecorded: Annotated[int, "Counted by the kernel, without a record."]
    processes: Annotated[
        dict[str, int], "Executables, with counts: the first 1,000, then `(others)`."
    ]
    objects: Annotated[dict[str, int], "Objects, with counts: the first 1,000, then `(others)`."]
    first: Annotated[str, "The first; RFC 3339, UTC."]
    last: Annotated[str, "The last."]
    looks: Annotated[dict[str, int], "What it looks like, with counts."]
    notJudged: Annotated[int, "Operations of programs beyond 200, which are not in `by`."]
    by: Annotated[list[DoerDocument], "Each program, the most frequent first, 200 at most."]


class SideDocument(TypedDict):
    """What one set of policies said."""

    rule: Annotated[str | None, "POLICY/RULE; null: none."]
    verdict: Annotated[str, "The verdict, or nothing."]


class PairDocument(TypedDict):
    """Two verdicts on the same operations."""

    here: Annotated[SideDocument, "Of these policies."]
    there: Annotated[SideDocument, "Of the others."]
    count: Annotated[int, "How many operations."]
    samples: Annotated[list[DeedDocument], "Some of them."]


class SumsDocument(TypedDict):
    """What only one set does."""

    wouldDeny: Annotated[int, "Operations that only this set denies."]
    wouldKill: Annotated[int, "Processes that only this set kills."]
    wouldLog: Annotated[int, "Operations that only this set logs."]
    killsWhereOtherDenies: Annotated[int, "Both refuse, and only this set kills."]


class DifferenceDocument(TypedDict):
    """Two sets of policies, compared."""

    alike: Annotated[int, "Operations on which both say the same."]
    others: Annotated[int, "Operations that differ in further ways, which are not listed."]
    onlyHere: Annotated[SumsDocument, "Of these policies."]
    onlyThere: Annotated[SumsDocument, "Of the others."]
    pairs: Annotated[list[PairDocument], "Verdicts that differ, the most important first."]


class ReportDocument(TypedDict):
    """What ``dry-run`` found."""

    version: Annotated[Literal[1], "Version of this format."]
    verdict: Annotated[str, "What ordinary work would break, in a sentence."]
    wouldBreak: Annotated[list[BrokenDocument], "The same, the most frequent first."]
    source: Annotated[str, "What was observed."]
    seconds: Annotated[float, "How long."]
    wouldDeny: Annotated[int, "Sum over all rules."]
    wouldKill: Annotated[int, "Sum over all rules."]
    permitted: Annotated[int, "Records of rules that allow or log."]
    lostRecords: Annotated[int, "Records that found no room."]
    notes: Annotated[list[str], "Limits of the report."]
    fixesLeftOut: Annotated[
        int, "Operations for which it would take too long to propose something."
    ]
    rules: Annotated[list[FindingDocument], "What each rule would have refused."]
    operations: NotRequired[Annotated[int, "With --replay: recorded operations."]]
    difference: NotRequired[Annotated[DifferenceDocument, "With --against: the other policies."]]
