# SPDX-License-Identifier: MIT
"""
The active policies and their changes. Each change is prepared completely, then committed at once.

A change that fails leaves the old set active. A change that fits into the session is one map update.
One that does not fit gets its own session, which is active before the old one is released.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import attrs

from enforcer.errors import ControlError
from enforcer.identity.workloads import Workloads
from enforcer.kernel import entries
from enforcer.kernel.image_map import is_same
from enforcer.libbpf import heap
from enforcer.policy.model.policy import Mode
from enforcer.runtime.policies.active import ActiveSet, Pending
from enforcer.runtime.policies.change_answers import changed, confirmed, unchanged
from enforcer.runtime.policies.commit import Proposal, activate
from enforcer.runtime.policies.compilation import Sources
from enforcer.runtime.policies.compile_process import CompiledChange, Order, make_apart, print_apart
from enforcer.runtime.policies.confirmation import ConfirmationWatch
from enforcer.runtime.policies.container_changes import ContainerWatch
from enforcer.runtime.policies.container_mounts import ContainerMounts
from enforcer.runtime.policies.file_changes import FileChanges
from enforcer.runtime.policies.newcomers import Newcomers
from enforcer.runtime.policies.policies_state import policies_state, policy_states, posture_of
from enforcer.runtime.policies.rule_states import rule_states
from enforcer.runtime.policies.too_late import find_gaps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from enforcer.kernel.pin_store import PinStore
    from enforcer.policy.model.policy import PolicySet
    from enforcer.policy.model.workloads import Workload
    from enforcer.runtime.control.answers import (
        ChangeAnswer,
        ChangeSeconds,
        Confirmation,
        PoliciesState,
    )
    from enforcer.runtime.control.container_answers import MetAnswer
    from enforcer.runtime.control.policy_answers import PolicyDetail, PolicyState
    from enforcer.runtime.control.posture import Posture
    from enforcer.runtime.control.report import PolicyFacts
    from enforcer.runtime.policies.compact import CompactCopy
    from enforcer.runtime.policies.last_good import LastGood
    from enforcer.runtime.policies.runtime_changes import Overlay
    from enforcer.runtime.policies.watch import PolicyWatch
    from enforcer.runtime.reactor import Reactor
    from enforcer.runtime.sessions.sessions import Sessions

__all__ = ["Enforcement"]

_LOOK = 0.3  # seconds between two looks at the policy files


@attrs.define(eq=False, repr=False)
class Enforcement:
    """
    The active policies.

    Attributes:
        sources: where policies are read.
        store: where sessions are pinned; None if they are not.
        report: gets sentences on what happens by itself.
        report_once: the same for what does not change by itself, which is told once.
        sessions: what the kernel has.
        now: the set that was committed last.
        pending: set while it waits for confirmation.
        files: looks at the policy files; None if nobody does.
        on_change: called when records may wait in another place.
        on_idle: called now and then while a change is made.
        on_end: called when a change was not confirmed and nothing is active any more.
        workloads: which containers and pods there are.
        last_good: where texts of files are kept; None: they are not.
        reload_within: seconds after which a reload is taken back unless it is confirmed; None: it counts for good.
        is_confirmable: whether somebody may confirm a change.
        containers: keeps the conditions on containers and pods true.
    """

    sources: Sources
    store: PinStore | None
    reactor: Reactor
    report: Callable[[str], None]
    sessions: Sessions
    now: ActiveSet
    pending: Pending | None = None
    on_change: Callable[[], None] = lambda: None
    on_end: Callable[[], None] = lambda: None
    on_idle: Callable[[], None] = lambda: None
    workloads: Workloads = attrs.field(factory=Workloads)
    last_good: LastGood | None = None
    reload_within: float | None = None
    is_confirmable: bool = True
    report_once: Callable[[str], None] = attrs.Factory(
        lambda self: functools.cache(self.report), takes_self=True
    )
    containers: ContainerWatch = attrs.field(init=False)
    files: FileChanges | None = None

    # ---- Changes -------------------------------------------------------------------------------

    def reload(self, *, confirm_within: float | None = None) -> ChangeAnswer:
        """
        Read the policy files again and activate what they say; *confirm_within* is :attr:`reload_within` by default.

        Raises:
            EnforcerError: something is wrong; the old set stays.
        """
        within = self.reload_within if confirm_within is None else confirm_within
        return self._reload(within, is_asked=confirm_within is not None)

    def _reload(self, within: float | None, *, is_asked: bool = True) -> ChangeAnswer:
        self._make_way()
        overlay = self.now.overlay
        change = functools.partial(self._change, overlay, None, within, is_asked=is_asked)
        return change() if self.files is None else self.files.asked(change)

    def _make_way(self) -> None:
        """Take back the change that waits if the policy files say something else by now: they were corrected."""
        pending = self.pending
        if pending is not None and pending.before is not None:
            order = self._order(self.now.overlay, None, None, None)
            # Fails towards the end of the time: what only repeats it neither confirms nor prolongs it.
            if self._made(order).now.digest != self.now.digest:
                ConfirmationWatch(self).take_back(pending)
        self._require_settled()

    def confirm(self) -> Confirmation:
        """
        Keep the active policies.

        Raises:
            KernelError: it is too late, or the kernel refuses.
        """
        waited = self.pending is not None
        if waited:
            self.sessions.current.confirm()
            self.pending = None
            self.keep_texts()
            self.on_change()
        return confirmed(self, waited=waited)

    def add(self, texts: Mapping[str, str], *, confirm_within: float | None = None) -> ChangeAnswer:
        """
        Add the policies of *texts*, by the names in their places, until the daemon ends; all or none.

        Raises:
            EnforcerError: something is wrong; the old set stays.
        """
        overlay = self.now.overlay
        for file, text in texts.items():
            overlay = overlay.add(text, file)
        return self._alter(overlay, confirm_within)

    def remove(self, name: str, *, confirm_within: float | None = None) -> ChangeAnswer:
        """
        Remove what was added.

        Raises:
            EnforcerError: there is no such policy, or as for :meth:`reload`.
        """
        self._facts(name)
        return self._alter(self.now.overlay.remove(name), confirm_within)

    def set_enabled(
        self, name: str, *, enabled: bool, confirm_within: float | None = None
    ) -> ChangeAnswer:
        """
        Switch a policy on or off.

        Raises:
            EnforcerError: there is no such policy, or as for :meth:`reload`.
        """
        self._facts(name)
        return self._alter(self.now.overlay.enable(name, enabled=enabled), confirm_within)

    def set_mode(
        self, name: str, mode: str, *, confirm_within: float | None = None
    ) -> ChangeAnswer:
        """
        Let a policy enforce or audit, whatever its file says.

        Raises:
            EnforcerError: there is no such policy, or as for :meth:`reload`.
        """
        self._facts(name)
        return self._alter(self.now.overlay.set_mode(name, Mode(mode)), confirm_within)

    def policies(self) -> list[PolicyState]:
        """Describe every policy."""
        return policy_states(self.now, self.now.facts, self.sessions.counts())

    def show(self, name: str) -> PolicyDetail:
        """
        Describe one policy and its rules.

        Raises:
            ControlError: there is none of this name.
        """
        facts, counts = self._facts(name), self.sessions.counts()
        policies = self.now.overlay.policies(self.now.files.unpack()).policies
        (policy,) = (policy for policy in policies if policy.name == name)
        (state,) = policy_states(self.now, (facts,), counts)
        return {
            **state,
            "message": policy.message,
            "yaml": print_apart(policy, self.on_idle),
            "rows": list(rule_states(policy, counts)),
        }

    def watch(
        self,
        watch: PolicyWatch,
        confirm_within: float | None = None,
        tell: Callable[[], None] | None = None,
    ) -> None:
        """
        From now on, activate what *watch* sees, unless a change waits to be confirmed, or only *tell*.

        What it activates is taken back after *confirm_within* seconds unless it is confirmed.
        """
        self.files = FileChanges(
            watch,
            reload=lambda: self._reload(confirm_within),
            is_settled=lambda: self.pending is None,
            report=self.report,
            clock=self.reactor.clock,
            tell=tell,
            acts_for_good=confirm_within is None,
        )
        self.reactor.every(_LOOK, self.files.look)

    @property
    def problem(self) -> str:
        """Why what the policy files say is not active and is tried again, where no file is to blame; else empty."""
        return self.files.problem if self.files is not None else ""

    def meet(self, pid: int, number: str, *, began: float, wait: float) -> MetAnswer:
        """
        Let the kernel know a container that has not begun, as :meth:`ContainerWatch.meet` says.

        Raises:
            EnforcerError: it stays unknown.
        """
        return self.containers.meet(pid, number, began=began, wait=wait)

    def renew(self, found: tuple[Workload, ...] | None = None) -> None:
        """Activate the same policies, for the containers that were *found* or are there; raises EnforcerError."""
        there = self.workloads.look() if found is None else found
        for warning in self._change(self.now.overlay, self.now.files, None, there)["warnings"]:
            self.report(warning)  # what the commit left: nobody else is answered
        if self.now.workloads is not None and found is not None:
            self.now = attrs.evolve(self.now, workloads=found)  # also if the sets are the same

    def __attrs_post_init__(self) -> None:
        self.sessions.on_settled = self._keep_state
        self.containers = ContainerWatch(
            self.workloads,
            self.reactor,
            self.report,
            told=lambda: self.now.workloads,
            renew=self.renew,
            is_settled=lambda: self.pending is None,
            newcomers=Newcomers.of(self),
            mounts=ContainerMounts(lambda: self.sessions.current, self.report),
        )

    def _keep_state(self) -> None:
        """Counts of a session that is gone are final: whoever takes over must know them."""
        state = self.now.state(self.sessions.ledger)
        self.sessions.current.keep_states({self.now.generation: state})

    def _facts(self, name: str) -> PolicyFacts:
        found = next((facts for facts in self.now.facts if facts.name == name), None)
        if found is None:
            raise ControlError(f"there is no policy {name!r}: enforcer policy list names them all")
        return found

    def _require_settled(self) -> None:
        if self.pending is not None:
            raise ControlError(
                f"another change waits for confirmation for {max(0.0, self.pending.left):.0f} s: "
                "confirm it with: enforcer confirm, or wait"
            )

    def _alter(self, overlay: Overlay, confirm_within: float | None) -> ChangeAnswer:
        self._require_settled()
        return self._change(overlay, self.now.files, confirm_within)

    def _change(
        self,
        overlay: Overlay,
        files: CompactCopy[PolicySet] | None,
        confirm_within: float | None,
        workloads: tuple[Workload, ...] | None = None,
        *,
        is_asked: bool = True,
    ) -> ChangeAnswer:
        began, old = time.monotonic(), self.now
        self.reactor.after(0, heap.trim)  # whatever comes of it, megabytes are free by then
        made = self._made(self._order(overlay, files, confirm_within, workloads))
        compiled = time.monotonic()
        if self.sessions.current.is_kept and self._is_active(made):
            return self._unchanged(made, is_to_confirm=is_asked and confirm_within is not None)
        proposal = Proposal.of(made, old, self.sessions, confirm_within)
        self.containers.mounts.tell(made.now.workloads or ())
        done = activate(self.sessions, self.store, proposal)
        # A reload is another attempt; other changes leave what came back as it is.
        self.now = attrs.evolve(proposal.new, is_return=old.is_return and files is not None)
        swapped = time.monotonic()
        if confirm_within is not None:
            expires_ns = self.sessions.current.expires_ns
            self.wait_to_confirm(confirm_within, expires_ns, proposal.before)
        if files is None:  # not for each container that comes and goes
            self.keep_texts()
        self.on_change()
        seconds: ChangeSeconds = {"compile": compiled - began, "swap": swapped - compiled}
        return changed(self, made, old.generation, done, seconds)

    def _order(
        self,
        overlay: Overlay,
        files: CompactCopy[PolicySet] | None,
        confirm_within: float | None,
        workloads: tuple[Workload, ...] | None,
    ) -> Order:
        old = self.now
        # Fails closed: unless a machine feeds it, an emptied folder is a mistake and not an order.
        may_be_empty = self.sources.is_tolerant or (self.sources.may_be_empty and not old.facts)
        return Order(
            attrs.evolve(self.sources, may_be_empty=may_be_empty),
            overlay,
            generation=old.generation + 1,
            previous=old.labels,
            files=files,
            written=old.written if files is not None else None,
            keep=old if confirm_within is not None else None,
            since=old.digests,
            late=entries.problem(),
            gaps=find_gaps(),
            seed=self.sessions.current.seed,
            workloads=self.workloads.look() if workloads is None else workloads,
            links=old.followed.links,
            texts=old.texts,
            refused=old.refused,
            automata=old.automata,
            is_renewal=workloads is not None,
        )

    def _made(self, order: Order) -> CompiledChange:
        return make_apart(order, self.on_idle, self.report_once)

    def _is_active(self, made: CompiledChange) -> bool:
        """Whether *made* is the same as what is active already."""
        new, old = ((each.origins, each.overlay, each.facts) for each in (made.now, self.now))
        return new == old and is_same(made.data, self.sessions.current.image())

    def _unchanged(self, made: CompiledChange, *, is_to_confirm: bool) -> ChangeAnswer:
        # What differs may be a file of which nothing is active.
        self.now = self.now.like(made.now)
        self.keep_texts()
        self.on_change()
        return unchanged(self, made, is_to_confirm=is_to_confirm)

    def keep_texts(self) -> None:
        """Keep for a later start what each file says, once nothing can take it back."""
        if self.last_good is not None and self.now.texts is not None and self.pending is None:
            self.last_good.write(self.now.texts.unpack(), self.report)

    # ---- Confirmation --------------------------------------------------------------------------

    def wait_to_confirm(self, seconds: float, expires_ns: int, before: ActiveSet | None) -> None:
        """Let what was begun be taken back at *expires_ns* unless it is confirmed."""
        ConfirmationWatch(self).begin(Pending(seconds, expires_ns, before))

    # ---- What is told --------------------------------------------------------------------------

    def posture(self) -> Posture:
        """What is enforced now: everybody who is told of it is told this."""
        return posture_of(self)

    def describe(self) -> PoliciesState:
        """What ``status`` says beside the session's own numbers."""
        return policies_state(self)
