# SPDX-License-Identifier: MIT
"""What was found in policies, cases or the configuration: errors, warnings and remarks alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import attrs

from enforcer.errors import PolicyError
from enforcer.policy.lint.kinds import INVALID_SETTING, LATE_DENIAL, NO_WAY_BACK
from enforcer.policy.lint.linter import Issue, Severity
from enforcer.runtime.protection.unit import NO_RELOAD_BACK
from enforcer.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from enforcer.cli.document_types import FindingDocument
    from enforcer.cli.settings import Settings
    from enforcer.runtime.policies.compilation import Prepared

__all__ = ["Finding", "found_in", "of_errors", "of_settings"]

_WORDS: Final[dict[Severity, Literal["warning", "info"]]] = {
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}


@attrs.frozen
class Finding:
    """
    One of them.

    Attributes:
        kind: what it is; ``enforcer.policy.lint.kinds`` has them all.
        line: how it is printed.
        others: how many more rules it is about.
    """

    kind: str
    severity: Literal["error", "warning", "info"]
    message: str
    span: Span | None
    line: str
    others: int = 0

    @property
    def document(self) -> FindingDocument:
        """It as a JSON object."""
        span = self.span
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "place": str(span) if span is not None else None,
            "file": span.file if span is not None else None,
            "line": span.line if span is not None else None,
            "column": span.column if span is not None else None,
            "others": self.others,
        }

    @classmethod
    def of_issue(cls, issue: Issue) -> Finding:
        """Return what a check has found."""
        word = _WORDS[issue.severity]
        return cls(issue.check, word, issue.message, issue.span, str(issue), issue.others)


def of_errors(
    errors: Iterable[PolicyError], *, is_configuration: bool = False
) -> tuple[Finding, ...]:
    """Return what is wrong; *is_configuration*: with a configuration."""
    return tuple(
        Finding(
            INVALID_SETTING if is_configuration and type(error) is PolicyError else error.kind,
            "error",
            error.message,
            error.span,
            str(error),
        )
        for error in errors
    )


def of_settings(settings: Settings, file: Path) -> tuple[Finding, ...]:
    """Return what the author of *file* should know of *settings*, which are valid."""
    if not settings.has_no_way_back:
        return ()
    place = Span(str(file), 1, 1)
    line = f"{place}: warning: {NO_RELOAD_BACK}"
    return (Finding(NO_WAY_BACK, "warning", NO_RELOAD_BACK, place, line),)


def found_in(prepared: Prepared) -> Iterator[Finding]:
    """Yield what policies that can be activated are warned of, then what is remarked on."""
    issues = [Finding.of_issue(issue) for issue in prepared.issues]
    yield from (each for each in issues if each.severity == "warning")
    for note in prepared.image.warnings:
        line = f"{note.span}: {note.text}"
        yield Finding(LATE_DENIAL, "warning", note.text, note.span, line)
    yield from (each for each in issues if each.severity == "info")
