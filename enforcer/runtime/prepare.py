# SPDX-License-Identifier: MIT
"""Policy files to an image that can be put in force, with what the daemon must remember of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.compiler import compile_policies
from enforcer.events.types import Origin
from enforcer.policy.lint import Severity, lint
from enforcer.policy.model import Mode, PolicySet
from enforcer.policy.store import load_policies
from enforcer.runtime.report import PolicyFacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from enforcer.compiler import CompiledImage

__all__ = ["Prepared", "prepare"]


@attrs.frozen
class Prepared:
    """Policies, compiled. *warnings* are worth knowing at every start, *remarks* while writing."""

    policies: PolicySet
    image: CompiledImage
    origins: tuple[Origin, ...]
    facts: tuple[PolicyFacts, ...]
    warnings: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def data(self) -> bytes:
        """The image as the kernel session takes it."""
        return self.image.image

    @property
    def n_rules(self) -> int:
        """Rules that were written, without guards and defaults."""
        return sum(len(policy.rules) for policy in self.policies.policies)


def prepare(
    paths: Sequence[Path], *, audit: bool = False, allow_degraded: bool = False
) -> Prepared:
    """
    Load, check and compile.

    Args:
        paths: files and folders.
        audit: put every policy in audit mode, whatever it says.
        allow_degraded: accept rules that can only be enforced after the fact.

    Raises:
        PolicyErrors: everything that is wrong.
    """
    policies = _adjusted(load_policies(paths), audit=audit, allow_degraded=allow_degraded)
    image = compile_policies(policies)
    issues = lint(policies)
    return Prepared(
        policies=policies,
        image=image,
        origins=_origins(image),
        facts=_facts(policies, image),
        warnings=(
            *(str(issue) for issue in issues if issue.severity is Severity.WARNING),
            *image.warnings,
        ),
        remarks=tuple(str(issue) for issue in issues if issue.severity is Severity.INFO),
    )


def _adjusted(policies: PolicySet, *, audit: bool, allow_degraded: bool) -> PolicySet:
    return PolicySet(
        tuple(
            attrs.evolve(
                policy,
                mode=Mode.AUDIT if audit else policy.mode,
                allow_degraded=policy.allow_degraded or allow_degraded,
            )
            for policy in policies.policies
        )
    )


def _origins(image: CompiledImage) -> tuple[Origin, ...]:
    return tuple(
        Origin(
            policy=row.policy,
            rule=row.rule,
            place=str(row.span),
            message=row.message,
            severity=row.severity,
            tags=row.tags,
            syscall=row.syscall,
        )
        for row in image.rows
    )


def _facts(policies: PolicySet, image: CompiledImage) -> tuple[PolicyFacts, ...]:
    rows: dict[str, list[int]] = {}
    for number, row in enumerate(image.rows):
        rows.setdefault(row.policy, []).append(number)
    return tuple(
        PolicyFacts(
            name=policy.name,
            mode=policy.mode.value,
            file=policy.span.file,
            rules=len(policy.rules),
            rows=tuple(rows.get(policy.name, ())),
        )
        for policy in policies.policies
    )
