# SPDX-License-Identifier: MIT
"""
Which rows are in favour of the acting process.

Such a row must hold in every view of its names (``enf_of_views`` in ``match.h``): a claimed name can be
used against a process, never for it.
"""

from __future__ import annotations

from collections.abc import Iterable

from enforcer.compiler.rows import Row, RowFlag
from enforcer.policy.model.policy import Verb

__all__ = ["favouring"]


def favouring(rows: Iterable[Row], marks: int) -> list[Row]:
    """
    Return *rows* with ``FAVOURS`` set where a match is in favour of the subject.

    An allowing row is. One that logs is, if a row behind it in its policy refuses: it would take that
    refusal back. One that only marks is, if a permission or the end of a refusal hangs on its mark.

    Args:
        rows: in order of policies.
        marks: those on which a permission or the end of a refusal hangs, by number, as a mask.
    """
    out: list[Row] = []
    policy, refused = -1, 0
    for row in reversed(list(rows)):
        if row.policy != policy:
            policy, refused = row.policy, 0
        if row.action >= Verb.DENY:
            refused |= row.ops
        out.append(
            row._replace(flags=row.flags | RowFlag.FAVOURS) if _is(row, refused, marks) else row
        )
    return out[::-1]


def _is(row: Row, refused: int, marks: int) -> bool:
    if row.action == 0:
        return bool(marks >> (row.mark - 1) & 1)
    if row.action == Verb.LOG:
        return bool(row.ops & refused)
    return row.action == Verb.ALLOW
