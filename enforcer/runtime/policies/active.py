# SPDX-License-Identifier: MIT
"""One set of active policies: what its daemon remembers of it, and what a later one must know."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.kernel.image_map import boot_time
from enforcer.kernel.loader import LABEL_MAP
from enforcer.runtime.control.report import PolicyFacts, facts_of
from enforcer.runtime.policies.compact import CompactCopy
from enforcer.runtime.policies.followed_links import Followed
from enforcer.runtime.policies.kept_state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.compiler import ContainerAtoms, LabelNumbers
    from enforcer.compiler.automata import Automata
    from enforcer.events.rows import RowTable
    from enforcer.policy.model.policy import PolicySet
    from enforcer.policy.model.workloads import Workload
    from enforcer.runtime.policies.compilation import Prepared
    from enforcer.runtime.policies.difference import Digests
    from enforcer.runtime.policies.kept_texts import KeptTexts
    from enforcer.runtime.policies.refused_files import RefusedFile
    from enforcer.runtime.policies.runtime_changes import Overlay
    from enforcer.runtime.sessions.counts import Ledger

__all__ = ["ActiveSet", "Pending"]

_ANCESTORS: Final = "what was known of ancestors that have ended is forgotten"


@attrs.frozen
class ActiveSet:
    """
    One set of active policies.

    Attributes:
        generation: of its image.
        origins: of the rows of its image.
        labels: numbers of conditions on processes.
        continues: whether labels of tasks stay true under it.
        keeps_marks: whether their marks do.
        digests: for the comparison with the next set.
        digest: of all policies, for the comparison with *unconfirmed*.
        unconfirmed: digest of the set that was taken back last, which no start activates; empty: none was.
        n_rules: rules that are active.
        files: what the policy files said.
        overlay: what was changed at run time.
        facts: every policy, disabled ones included.
        workloads: the containers and pods that its image was made for; None: it does not ask for them.
        asked: what its image asks of containers, for those that begin while it counts; None: that is not known.
        followed: the links in containers that its image was made with, and of those that have begun since.
        texts: what files say that are active, if each has a verdict of its own; else None.
        written: what files say that are active, for a later daemon.
        refused: those of them that are not active as they stand.
        automata: those of its image.
        since: when its generation began, by a clock that only goes forward.
        is_return: whether it is active again because what followed it was not confirmed.
    """

    generation: int
    origins: RowTable = attrs.field(repr=False)
    labels: LabelNumbers = attrs.field(repr=False)
    continues: bool
    keeps_marks: bool
    digests: CompactCopy[Digests]
    digest: str
    n_rules: int
    files: CompactCopy[PolicySet]
    overlay: Overlay
    facts: tuple[PolicyFacts, ...]
    workloads: tuple[Workload, ...] | None = attrs.field(default=None, repr=False)
    asked: ContainerAtoms | None = attrs.field(default=None, eq=False, repr=False)
    followed: Followed = attrs.field(factory=Followed, repr=False)
    texts: CompactCopy[dict[str, bytes]] | None = None
    written: KeptTexts | None = attrs.field(default=None, eq=False, repr=False)
    refused: tuple[RefusedFile, ...] = ()
    automata: CompactCopy[Automata] | None = attrs.field(default=None, eq=False, repr=False)
    since: float = attrs.field(factory=time.monotonic, eq=False)
    unconfirmed: str = ""
    is_return: bool = attrs.field(default=False, eq=False)

    @classmethod
    def of(
        cls,
        prepared: Prepared,
        files: CompactCopy[PolicySet],
        overlay: Overlay,
        everything: PolicySet,
        workloads: tuple[Workload, ...] = (),
    ) -> ActiveSet:
        """Remember what *prepared* was made of; *everything* includes what is disabled."""
        return cls(
            generation=prepared.image.generation,
            origins=prepared.origins,
            labels=prepared.image.labels,
            continues=prepared.image.continues,
            keeps_marks=prepared.image.keeps_marks,
            digests=CompactCopy.of(prepared.digests),
            digest=prepared.digests.as_one(),
            n_rules=prepared.n_rules,
            files=files,
            overlay=overlay,
            facts=facts_of(everything, overlay),
            workloads=workloads if prepared.image.needs.containers else None,
            asked=prepared.image.asked,
            followed=prepared.followed,
            automata=CompactCopy.of(prepared.image.automata),
        )

    def carried(self, maps: Mapping[str, int] | None) -> Mapping[str, int] | None:
        """Return those of *maps*, of the engine before, whose content means the same under it."""
        if maps is None or not self.keeps_marks:
            return None
        if self.continues:
            return maps
        return {name: fd for name, fd in maps.items() if name != LABEL_MAP}

    @property
    def forgotten(self) -> tuple[str, ...]:
        """Sentences on what does not go on: numbers were used up by earlier changes."""
        if self.continues:
            return ()
        if self.keeps_marks:
            return (
                f"the numbers of conditions on processes are used up and begin anew: {_ANCESTORS}",
            )
        return (
            f"the numbers of marks are used up and begin anew: all marks are forgotten, and {_ANCESTORS}",
        )

    def like(self, other: ActiveSet) -> ActiveSet:
        """Return it with what may differ in *other*, whose image is the same."""
        return attrs.evolve(
            self,
            texts=other.texts,
            written=other.written,
            refused=other.refused,
            followed=other.followed,
        )

    def after(self, unconfirmed: str) -> ActiveSet:
        """Return it with what earlier sets say was taken back, unless it is that itself, which somebody has asked for."""
        return attrs.evolve(self, unconfirmed="" if unconfirmed == self.digest else unconfirmed)

    @property
    def unfollowed(self) -> list[str]:
        """The cgroups of containers in which not all links are followed."""
        return sorted(map(os.fsdecode, self.followed.incomplete))

    @property
    def age(self) -> float:
        """Seconds since its generation began."""
        return time.monotonic() - self.since

    def is_older(self, facts: PolicyFacts) -> bool:
        """Whether the file of a policy says something else by now, which was refused."""
        return any(each.covers(facts.file) for each in self.refused)

    def wanted(self) -> PolicySet:
        """The policies themselves."""
        return self.overlay.enabled(self.overlay.policies(self.files.unpack()))

    def state(self, ledger: Ledger) -> bytes:
        """What a later daemon must know; *ledger*: counts that were final before."""
        return State(
            self.origins,
            self.labels,
            ledger,
            self.overlay,
            self.followed.links,
            self.digest,
            self.unconfirmed,
            self.written,
        ).encode()


@attrs.frozen
class Pending:
    """A change that waits for confirmation; without it, *before* is active again, with its generation."""

    seconds: float
    expires_ns: int
    before: ActiveSet | None

    @property
    def left(self) -> float:
        """Seconds until the kernel goes back by itself."""
        return (self.expires_ns - boot_time()) / 1e9
