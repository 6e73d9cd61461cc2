# SPDX-License-Identifier: MIT
"""The findings and inputs of checks, and the registry of checks."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from enforcer.policy.lint.file_systems import folded_by
from enforcer.policy.lint.followed import link_of_others
from enforcer.policy.lint.lockout_needs import EnforcerPrograms, own_programs
from enforcer.policy.model.policy import Policy, Rule
from enforcer.policy.text.regular_files import open_regular
from enforcer.span import Span

__all__ = [
    "CHECKS",
    "Check",
    "Host",
    "Issue",
    "Severity",
    "check",
    "info",
    "is_for_everybody",
    "warning",
]


class Severity(enum.Enum):
    """How much a remark matters."""

    WARNING = "warning"
    INFO = "info"


@attrs.frozen
class Issue:
    """
    One remark, with its place.

    Attributes:
        check: its name.
        folds: it is reported once, for the first of all rules that it is about.
        others: how many more rules it is about, then.
    """

    severity: Severity
    span: Span
    message: str
    check: str = ""
    folds: bool = False
    others: int = 0

    def __str__(self) -> str:
        more = f" (and {self.others} more like it: -v lists them)" if self.others else ""
        return f"{self.span}: {self.severity.value}: {self.message}{more}"


def _is_script(path: bytes) -> bool:
    """Tell whether the file at *path* begins with ``#!``; what cannot be read counts as none."""
    try:
        with open_regular(Path(os.fsdecode(path))) as file:
            return file.read(2) == b"#!"
    except OSError:
        return False


@attrs.frozen
class Host:
    """What the checks may ask about this machine."""

    exists: Callable[[bytes], bool] = os.path.lexists
    own: EnforcerPrograms = attrs.field(factory=own_programs)
    folded_by: Callable[[bytes], str | None] = folded_by
    resolve: Callable[[bytes], bytes] = os.path.realpath
    is_directory: Callable[[bytes], bool] = os.path.isdir
    is_file: Callable[[bytes], bool] = os.path.isfile
    link_of_others: Callable[[bytes], bytes | None] = link_of_others
    is_script: Callable[[bytes], bool] = _is_script


Check = Callable[[Policy, Host], Iterator[Issue]]

CHECKS: dict[str, Check] = {}
"""Every check by name."""


def check(function: Check) -> Check:
    """Add *function* to the registry, under its name."""
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


def warning(span: Span, message: str) -> Issue:
    """Make a warning."""
    return Issue(Severity.WARNING, span, message)


def info(span: Span, message: str, *, folds: bool = False) -> Issue:
    """Make a remark for information; *folds*: once for all rules that it is about."""
    return Issue(Severity.INFO, span, message, folds=folds)


def is_for_everybody(policy: Policy, rule: Rule) -> bool:
    """Tell whether neither the policy nor the rule restricts the subject."""
    return not policy.selector and not any(attrs.astuple(rule.subject, recurse=False))
