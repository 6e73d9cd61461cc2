# SPDX-License-Identifier: MIT
"""
Activate a set of policies: by one map update, or by a session of its own.

In either case the previous policies stay active until the new ones are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from enforcer.errors import ControlError
from enforcer.kernel.image_map import PlainImage, restamp
from enforcer.kernel.session import Session
from enforcer.runtime.policies.container_mounts import told_at_once
from enforcer.runtime.sessions.outgoing import Outgoing

if TYPE_CHECKING:
    from enforcer.kernel.pin_store import PinStore
    from enforcer.runtime.policies.active import ActiveSet
    from enforcer.runtime.policies.compile_process import CompiledChange
    from enforcer.runtime.sessions.counts import Ledger
    from enforcer.runtime.sessions.sessions import Sessions

__all__ = ["Commit", "Proposal", "activate"]


@attrs.frozen
class Proposal:
    """
    What is to be active.

    Attributes:
        new: what the daemon remembers of it.
        image: what the kernel decides by.
        fallback: the active image, with the generation of *before*, if *image* expires.
        before: what is active then.
        confirm_within: seconds until it expires; None: it does not.
    """

    new: ActiveSet
    image: PlainImage
    fallback: PlainImage | None
    before: ActiveSet | None
    confirm_within: float | None

    @classmethod
    def of(
        cls, made: CompiledChange, old: ActiveSet, sessions: Sessions, confirm_within: float | None
    ) -> Proposal:
        """
        Propose what was *made*; *old* comes back after *confirm_within* seconds, if there is a limit.

        Raises:
            KernelError: the active image cannot be read.
            ControlError: labels that *made* gives to processes mean something else in the active image.
        """
        new, image = made.now.after(old.unconfirmed), PlainImage(made.data)
        if confirm_within is None:
            return cls(new, image, None, None, None)
        # The kernel goes back by its own clock, also without a daemon that could make labels anew.
        if not new.continues:
            raise ControlError(
                "the numbers of conditions on processes or of marks are used up and would begin anew, so the kernel "
                "could not go back to the active policies: make this change without a time to confirm it, or restart the daemon"
            )
        # Its state says from now on what was not confirmed: its own daemon may not live to see that.
        before = attrs.evolve(old, generation=new.generation + 1, unconfirmed=new.digest)
        fallback = restamp(sessions.current.image(), generation=before.generation)
        return cls(new, image, fallback, before, confirm_within)

    def states(self, ledger: Ledger) -> dict[int, bytes]:
        """What a later daemon must know about each image that may be active."""
        kept = (self.new, self.before) if self.before is not None else (self.new,)
        return {each.generation: each.state(ledger) for each in kept}


@attrs.frozen
class Commit:
    """
    A commit.

    Attributes:
        is_successor: whether it took a session of its own.
        warnings: sentences on what could not be done once the set was active.
    """

    is_successor: bool
    warnings: tuple[str, ...] = ()


def activate(sessions: Sessions, store: PinStore | None, proposal: Proposal) -> Commit:
    """
    Commit *proposal*.

    Raises:
        KernelError: the kernel refuses; the previous policies stay active.
    """
    current = sessions.current
    _learn(sessions, proposal)
    # What was pinned may have been removed by hand: what counts now is to be found by a later daemon.
    is_same_session = proposal.new.continues and current.is_kept and current.fits(proposal.image)
    done = _swap(sessions, proposal) if is_same_session else _succeed(sessions, store, proposal)
    if proposal.before is None:  # else rules that went may come back
        rules = ((each.policy, each.rule) for each in proposal.new.origins)
        sessions.ledger.fold(rules, (each.name for each in proposal.new.facts))
    return done


def _swap(sessions: Sessions, proposal: Proposal) -> Commit:
    ledger = sessions.ledger.copy()
    retired = sessions.current.retired_hits()
    if retired is not None:
        ledger.add(sessions.origins.table(retired[0]), retired[1])
    committed = sessions.current.commit(
        proposal.image,
        fallback=proposal.fallback,
        confirm_within=proposal.confirm_within,
        states=proposal.states(ledger),
    )
    if committed.settled is not None:
        generation, hits = committed.settled
        sessions.ledger.add(sessions.origins.table(generation), hits)
    _forget(sessions, proposal)
    return Commit(is_successor=False, warnings=committed.warnings)


def _succeed(sessions: Sessions, store: PinStore | None, proposal: Proposal) -> Commit:
    old = sessions.current
    sessions.current = Session.open(
        proposal.image,
        fallback=proposal.fallback,
        confirm_within=proposal.confirm_within,
        pins=store.create() if store is not None else None,
        states=proposal.states(sessions.counts()),
        carry=proposal.new.carried(old.carried),
        protect=old.is_protected,
        verifier=old.guard.verifier if old.guard is not None else None,
        mounted=told_at_once(proposal.new.workloads or ()),
    )
    warnings = proposal.new.forgotten
    try:
        old.detach()
    except OSError as error:
        # Both are active: nothing is let through, and the reader must know.
        warnings += (f"the previous programs are still attached, too: {error}",)
    sessions.outgoing.append(Outgoing.of_session(old, sessions.origins))
    return Commit(is_successor=True, warnings=warnings)


def _learn(sessions: Sessions, proposal: Proposal) -> None:
    """Before the commit: its first record may be there before the commit returns."""
    for each in (proposal.new, proposal.before):
        if each is not None:
            sessions.origins.learn(each.generation, each.origins)


def _forget(sessions: Sessions, proposal: Proposal) -> None:
    generations = {proposal.new.generation - n for n in range(3)}
    if proposal.before is not None:
        generations.add(proposal.before.generation)
    sessions.origins.keep(generations)
