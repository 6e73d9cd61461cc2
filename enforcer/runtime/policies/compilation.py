# SPDX-License-Identifier: MIT
"""Policy files to an image that can be activated, with what the daemon must remember of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.compiler import LabelNumbers, LocalHost, compile_policies, verify
from enforcer.events.rows import RowTable
from enforcer.events.types import Origin
from enforcer.policy.lint.degradation import Gap, degrade
from enforcer.policy.lint.linter import Issue, Severity, lint
from enforcer.policy.model.policy import Mode, Policy, PolicySet, Rule
from enforcer.policy.store import load_policies
from enforcer.runtime.policies.difference import Digests, digest_policies
from enforcer.runtime.policies.followed_links import Followed, follow
from enforcer.runtime.policies.quotas import Quota

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from enforcer.compiler import CompiledImage
    from enforcer.compiler.automata import Automata
    from enforcer.policy.kernel_types.operand_path import Types
    from enforcer.policy.model.container_links import Links
    from enforcer.policy.model.workloads import Workload
    from enforcer.policy.store import Trust

__all__ = ["Prepared", "Sources", "prepare", "without_marks"]


@attrs.frozen
class Sources:
    """
    Where policies come from, and what holds for all of them.

    Attributes:
        paths: files and folders.
        audit: put every policy in audit mode, whatever it says.
        allow_degraded: accept rules that can only be enforced after the fact, or not every time.
        trust: who must own the files; None: anybody may.
        may_be_empty: a folder without policies is no error.
        is_tolerant: what is wrong with a file keeps no other out.
        quota: what the policies of one namespace may use together.
    """

    paths: tuple[Path, ...]
    audit: bool = False
    allow_degraded: bool = False
    trust: Trust | None = None
    may_be_empty: bool = False
    is_tolerant: bool = False
    quota: Quota = attrs.field(factory=Quota)

    def load(
        self,
        instead: Mapping[str, str | None] | None = None,
        texts: dict[str, bytes] | None = None,
    ) -> PolicySet:
        """
        Read the files.

        Args:
            instead: texts in place of what the files of these paths say; None: nothing of that.
            texts: gets what each file says.

        Raises:
            PolicyErrors: everything that is wrong with them.
        """
        return self.adapt(
            load_policies(
                self.paths,
                trust=self.trust,
                may_be_empty=self.may_be_empty,
                instead=instead,
                texts=texts,
            )
        )

    def adapt(self, policies: PolicySet) -> PolicySet:
        """Return *policies* with what holds for all."""
        return PolicySet(
            tuple(
                attrs.evolve(
                    policy,
                    mode=Mode.AUDIT if self.audit else policy.mode,
                    allow_degraded=policy.allow_degraded or self.allow_degraded,
                )
                for policy in policies.policies
            )
        )


@attrs.frozen
class Prepared:
    """
    Policies, compiled.

    Attributes:
        image: as the kernel session takes it.
        origins: where each row is from.
        digests: for the comparison with the next set.
        n_rules: rules that were written, without guards and defaults.
        issues: what was found in them.
        followed: the links in containers that it was made with.
    """

    image: CompiledImage
    origins: RowTable
    digests: Digests
    n_rules: int
    issues: tuple[Issue, ...]
    followed: Followed = attrs.field(factory=Followed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is worth knowing at every start."""
        found = (str(issue) for issue in self.issues if issue.severity is Severity.WARNING)
        return (*found, *(f"{note.span}: {note.text}" for note in self.image.warnings))

    @property
    def data(self) -> bytes:
        """The image as the kernel session takes it."""
        return self.image.image


def prepare(
    policies: PolicySet,
    *,
    generation: int = 1,
    previous: LabelNumbers | None = None,
    keep: PolicySet | None = None,
    is_thorough: bool = False,
    is_verbose: bool = False,
    late: Callable[[Rule], str | None] | None = None,
    gaps: Sequence[Gap] = (),
    seed: int | None = None,
    workloads: Sequence[Workload] = (),
    links: Mapping[bytes, Links] | None = None,
    now_ns: int | None = None,
    types: Types | None = None,
    automata: Automata | None = None,
    most_work: int | None = None,
    is_checked: bool = True,
) -> Prepared:
    """
    Check and compile *policies*.

    Args:
        policies: what is to be active.
        generation: number of the image.
        previous: label numbers of the active image.
        keep: policies that may become active again.
        is_thorough: run the checks that take time, too.
        is_verbose: say of every rule what is the same for many.
        late: why this kernel comes too late for a rule; None: it does for none.
        gaps: where this kernel lets operations pass undecided.
        seed: of the string hash; default random.
        workloads: containers and pods that are known.
        links: those in containers that counted until now.
        now_ns: the birth of marks that are new; default now.
        types: what is known of the kernel's functions; default what this machine says.
        automata: those of the active image.
        most_work: steps that automata may take, if fewer than for any image.
        is_checked: look for what the author should know; else only containers are others than before.

    Raises:
        LimitError, PolicyError: what is too large or has no meaning in the kernel.
        EnforcerBug: if the compiler made an image that the kernel side could not follow.
    """
    policies = degrade(policies, late if late is not None else lambda _: None, gaps)
    host, followed = follow(policies, LocalHost.read(workloads=workloads), links or {})
    image = compile_policies(
        policies,
        host=host,
        generation=generation,
        seed=seed,
        previous=previous,
        keep=keep,
        now_ns=now_ns,
        types=types,
        automata=automata,
        most_work=most_work,
    )
    verify(image.image)
    issues: tuple[Issue, ...] = ()
    if is_checked:
        issues = lint(policies, dangers_only=not is_thorough, is_folded=not is_verbose)
    return Prepared(
        image=image,
        origins=_origins(image),
        digests=digest_policies(policies),
        n_rules=sum(len(policy.rules) for policy in policies.policies),
        issues=issues,
        followed=attrs.evolve(followed, incomplete=followed.incomplete | image.unfollowed).told(
            workloads, image.renamed
        ),
    )


def without_marks(policy: Policy) -> Policy:
    """Return *policy* without what it asks about marks, which may be of others that are not there."""
    rules = tuple(attrs.evolve(rule, within=()) for rule in policy.rules)
    return attrs.evolve(policy, rules=rules)


def _origins(image: CompiledImage) -> RowTable:
    operands = {placed.point: placed.labels for placed in image.points}
    return RowTable.of(
        Origin(
            policy=row.policy,
            rule=row.rule,
            place=str(row.span),
            message=row.message,
            severity=row.severity,
            tags=row.tags,
            syscall=row.syscall,
            asked=row.asked,
            point=str(row.point) if row.point else None,
            operands=operands[row.point] if row.point else (),
        )
        for row in image.rows
    )
