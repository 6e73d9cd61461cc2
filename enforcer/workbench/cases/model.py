# SPDX-License-Identifier: MIT
"""What a case of ``enforcer test`` is: who does what, and what is expected of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.libbpf.decision import Access, Identity

if TYPE_CHECKING:
    from pathlib import Path

    from enforcer.policy.language.symbols import Resolver
    from enforcer.policy.model.workloads import Workload
    from enforcer.span import Span

__all__ = ["Actor", "Case", "CaseFile", "Earlier", "Expected", "ExpectedAudit"]


@attrs.frozen(kw_only=True)
class Actor:
    """
    Who acts, with the parent and the ancestors above it, the oldest first.

    *workloads* are the containers and pods that these are in, as far as the case says what they are.
    """

    now: Identity
    parent: Identity | None = None
    ancestors: tuple[Identity, ...] = ()
    workloads: tuple[Workload, ...] = ()


@attrs.frozen(kw_only=True)
class ExpectedAudit:
    """What policies in audit mode should say; *verdict* as in :class:`Expected`."""

    verdict: str
    rule: str | None = None


@attrs.frozen(kw_only=True)
class Expected:
    """
    What should be decided; None is not asked for.

    Attributes:
        verdict: a verb, ``nothing``, or one of ``permitted`` and ``refused``.
        rule: ``policy/rule``.
        audit: of policies in audit mode.
    """

    verdict: str
    rule: str | None = None
    is_guard: bool | None = None
    on_error: bool | None = None
    error: int | None = None
    signal: int | None = None
    audit: ExpectedAudit | None = None


@attrs.frozen(kw_only=True)
class Earlier:
    """What the same process did *ago_ns* nanoseconds before."""

    ago_ns: int
    accesses: tuple[Access, ...]


@attrs.frozen(kw_only=True)
class Case:
    """
    One case.

    Attributes:
        accesses: what the kernel asks about, in its order: it stops at the first refusal.
        marks: how many nanoseconds ago marks were set, by ``policy/mark``.
        earlier: deeds before it, the oldest first.
    """

    name: str
    span: Span
    actor: Actor
    accesses: tuple[Access, ...]
    expected: Expected
    marks: dict[str, int] = attrs.field(factory=dict)
    earlier: tuple[Earlier, ...] = ()


@attrs.frozen(kw_only=True)
class CaseFile:
    """
    All cases of one file.

    Attributes:
        policies: files and folders.
        resolver: knows the users and groups that the file names, else those of this machine.
        links: symbolic links of the machine that the policies are for.
    """

    path: Path
    policies: tuple[Path, ...]
    cases: tuple[Case, ...]
    resolver: Resolver
    links: dict[bytes, bytes]
