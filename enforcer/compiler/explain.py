# SPDX-License-Identifier: MIT
"""
What a row says, in words: for records, reports and ``enforcer check``.
"""

from __future__ import annotations

from enforcer.compiler.rows import RowInfo, RowKind
from enforcer.policy.model.policy import Mode

__all__ = ["explain"]


def explain(row: RowInfo) -> str:
    """Return one line: place, policy, rule, verdict, and what implied it."""
    verdict = row.verb.name.lower()
    if row.mode is Mode.AUDIT:
        verdict = f"would {verdict}"
    if row.mark is not None and row.kind is RowKind.RULE:
        verdict = f"marks {row.mark}" if row.only_marks else f"{verdict}, marks {row.mark}"
    where = f"{row.span}: policy {row.policy!r}"
    if row.kind is RowKind.DEFAULT:
        return f"{where}, default for {row.event}: {verdict}"
    if row.kind is RowKind.ATTEMPT:
        return f"{where}, rule {row.rule!r}, attempts: {verdict}"
    if row.kind is RowKind.GUARD:
        return f"{where}, rule {row.rule!r}, guard: {verdict}"
    return f"{where}, rule {row.rule!r}: {verdict}"
