# SPDX-License-Identifier: MIT
"""
The start of enforcement, from nothing or from what a lost daemon left.

The old session is read, but not adopted. It stays active until the new session is active, and is then
released. Labels of processes, counts, unread records and changes at run time are carried over.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import attrs

from enforcer.errors import KernelError
from enforcer.events.enrich import Origins
from enforcer.identity.workloads import Workloads
from enforcer.kernel import entries, host
from enforcer.kernel.image_map import PlainImage, boot_time, restamp
from enforcer.kernel.leftover import Leftover
from enforcer.kernel.maps import Notes
from enforcer.kernel.session import Session
from enforcer.libbpf import heap
from enforcer.runtime.policies.active import ActiveSet
from enforcer.runtime.policies.compact import CompactCopy
from enforcer.runtime.policies.compile_process import Order, make_apart
from enforcer.runtime.policies.container_mounts import told_at_once
from enforcer.runtime.policies.enforcement import Enforcement
from enforcer.runtime.policies.followed_links import Followed
from enforcer.runtime.policies.kept_state import State
from enforcer.runtime.policies.runtime_changes import Overlay
from enforcer.runtime.policies.too_late import find_gaps
from enforcer.runtime.policies.watches import begin_watches
from enforcer.runtime.reactor import Reactor
from enforcer.runtime.sessions.counts import Ledger
from enforcer.runtime.sessions.outgoing import Outgoing
from enforcer.runtime.sessions.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enforcer.events.types import Origin
    from enforcer.kernel.pin_store import PinStore
    from enforcer.kernel.verifier import Verifier
    from enforcer.runtime.policies.compilation import Sources
    from enforcer.runtime.policies.compile_process import CompiledChange
    from enforcer.runtime.policies.kept_texts import KeptTexts
    from enforcer.runtime.policies.last_good import LastGood

__all__ = ["Start", "begin"]


@attrs.frozen
class Start:
    """
    Enforcement that has begun.

    Attributes:
        enforcement: what is active.
        warnings: sentences on what was compiled for it.
        reported: losses of decisions and of activity that were reported before this start.
    """

    enforcement: Enforcement
    warnings: tuple[str, ...]
    reported: tuple[int, int] = (0, 0)


@attrs.frozen
class _Before:
    """What there was: nothing, or a session with what can be read of it."""

    left: Leftover | None = None
    state: State | None = None
    last_generation: int = 0
    earlier: State | None = None
    """Of what counts again where *left* waits to be confirmed, and nobody does."""

    @property
    def overlay(self) -> Overlay:
        return self.state.overlay if self.state is not None else Overlay()

    @property
    def ledger(self) -> Ledger:
        return self.state.ledger if self.state is not None else Ledger()

    @property
    def is_without_rules(self) -> bool:
        """Whether nothing was enforced, for certain."""
        return self.left is None or (self.state is not None and not self.state.origins)

    def tables(self) -> dict[int, Sequence[Origin]]:
        """
        Read the rows of the image that counted, and of the one before if that is known.

        Raises:
            KernelError: they cannot be read.
        """
        if self.left is None or self.state is None:
            return {}
        found: dict[int, Sequence[Origin]] = {self.left.generation: self.state.origins}
        earlier = self.left.generation - 1
        if earlier in self.left.pins.generations():
            _, data = self.left.pins.state(earlier)
            found[earlier] = State.decode(data).origins
        return found


@attrs.frozen
class _Fallback:
    """What counts when the time to confirm is over."""

    image: bytes
    state: State
    policies: ActiveSet
    """Made anew of what the files said then, since of the *image* no daemon knows more than its *state*."""

    def as_set(self, generation: int, unconfirmed: str) -> ActiveSet:
        """Return the set as which it comes back: with the policies, and all that belongs to another image unknown."""
        state, asks = self.state, self.policies.workloads is not None
        return attrs.evolve(
            self.policies,
            generation=generation,
            origins=state.origins,
            labels=state.labels,
            overlay=state.overlay,
            digest=state.digest,
            unconfirmed=unconfirmed,
            asked=None,
            # All are new then, and have an image made that knows them.
            workloads=() if asks else None,
            followed=Followed(state.links),
        )


@attrs.frozen
class _Window:
    """The *seconds* for which what is started counts unless it is confirmed, and what counts then, if anything."""

    seconds: float
    fallback: _Fallback | None = None


def begin(
    sources: Sources,
    *,
    store: PinStore | None,
    report: Callable[[str], None],
    confirm_within: float | None = None,
    protect: bool = False,
    verifier: Verifier | None = None,
    reactor: Reactor | None = None,
    workloads: Workloads | None = None,
    last_good: LastGood | None = None,
) -> Start:
    """
    Activate the policies of *sources*.

    Args:
        sources: where policies are read.
        store: where enforcement is kept beyond this process; None: it ends with it.
        report: gets sentences on what was found.
        confirm_within: seconds after which what was active before, if anything, counts again.
        protect: keep other processes from it.
        verifier: with *protect*, of the key that lets others end that.
        reactor: the loop that will run.
        workloads: which containers and pods there are; default: those of this host.
        last_good: what files of a tolerant source said before.

    Raises:
        EnforcerError: it cannot be; what a lost daemon left stays active.
    """
    workloads = workloads if workloads is not None else Workloads()
    before = _look_back(store, report)
    texts = CompactCopy.of(last_good.read(report)) if last_good is not None else None
    order = attrs.evolve(_order(sources, before, workloads), texts=texts)
    report_once = functools.cache(report)
    made, window = _made(order, before, confirm_within, report_once)
    _tell(made, report)
    if reactor is not None:
        # Who ends a start from here on ends what has begun, which only the loop does in order.
        reactor.hold_signals()
    tables = before.tables()  # while a failure still changes nothing
    session, origins, returning = _open(
        made, before, store, window, protect=protect, verifier=verifier
    )
    for generation, rows in tables.items():
        origins.learn(generation, rows)
    if session.is_blind:
        report(
            "this kernel hides its symbols (kernel.kptr_restrict): while protection is on, all "
            "BPF programs of others are refused, since those that only observe cannot be told "
            "from those that could act"
        )
    enforcement = Enforcement(
        sources=sources,
        store=store,
        reactor=reactor if reactor is not None else Reactor(),
        report=report,
        report_once=report_once,
        sessions=Sessions(session, report, ledger=before.ledger.copy(), origins=origins),
        now=made.now,
        workloads=workloads,
        last_good=last_good,
    )
    begin_watches(enforcement)
    enforcement.reactor.after(0, heap.trim)
    reported = _take_over(enforcement, before.left, tables, store)
    if window is not None:
        enforcement.wait_to_confirm(window.seconds, session.expires_ns, returning)
    enforcement.keep_texts()
    return Start(enforcement, made.warnings, reported)


def _order(sources: Sources, before: _Before, workloads: Workloads) -> Order:
    # Fails closed: a folder that was emptied under a lost daemon does not lift what that one left,
    # unless a machine feeds it.
    may_be_empty = sources.is_tolerant or (sources.may_be_empty and before.is_without_rules)
    return Order(
        attrs.evolve(sources, may_be_empty=may_be_empty),
        before.overlay,
        generation=before.last_generation + 1,
        previous=before.state.labels if before.state is not None else None,
        may_drop=True,
        late=entries.problem(),
        gaps=find_gaps(),
        workloads=workloads.look(),
        links=before.state.links if before.state is not None else {},
    )


def _tell(made: CompiledChange, report: Callable[[str], None]) -> None:
    """Say what does not go on, and what this kernel keeps from being seen."""
    if made.dropped is not None:
        # The files are what is asked for now; a start must not fail for what lay over them once.
        report(f"policies that were added at run time are dropped: {made.dropped}")
    for sentence in made.now.forgotten:
        report(sentence)
    if not host.shows_symbols():
        report(
            "the kernel hides the addresses of its symbols (kernel.kptr_restrict, CAP_SYSLOG): a "
            "rename or a mount during an access is not noticed"
        )


def _look_back(store: PinStore | None, report: Callable[[str], None]) -> _Before:
    if store is None:
        return _Before()
    last = max((g for session in store.sessions() for g in session.generations()), default=0)
    newest = store.newest()
    if newest is None:
        return _Before(last_generation=last)
    left = Leftover.open(newest)
    if left.problem is not None:
        report(
            f"what an earlier daemon left cannot be read: {left.problem}; it stays active until "
            "it is replaced; labels of running processes and counts start again"
        )
        return _Before(left, None, last)
    try:
        state = State.decode(left.state) if left.state else None
        return _Before(left, state, last, State.decode(left.earlier[1]) if left.earlier else None)
    except KernelError as error:
        report(f"{error}; counts start again, and changes at run time are lost")
        return _Before(left, None, last)


def _made(
    order: Order, before: _Before, given: float | None, report: Callable[[str], None]
) -> tuple[CompiledChange, _Window | None]:
    """
    Return what is to be active, and until when it must be confirmed; None: it counts for good.

    A daemon that ends confirms nothing. The policies that wait may be what ended it, and a service manager
    starts it again.
    """
    left, state = before.left, before.state
    if left is None or state is None:
        return make_apart(order, report=report), None if given is None else _Window(given)
    window: _Window | None = None
    if left.expires_ns:
        seconds = max(0.0, (left.expires_ns - boot_time()) / 1e9)
        seconds = seconds if given is None else min(seconds, given)
        report(
            "a change waits to be confirmed, and a restart does not confirm it: "
            f"{seconds:.0f} s are left for: enforcer confirm"
        )
        window = _Window(seconds)
        if left.earlier is not None and before.earlier is not None:
            window = _Window(seconds, _fallback(order, left.earlier[0], before.earlier))
    elif given is not None:
        window = _Window(given)
        if left.image is not None:
            window = _Window(given, _fallback(order, left.image, state))
    if window is not None and window.fallback is not None:
        order = attrs.evolve(order, keep=window.fallback.policies)
    made = make_apart(order, report=report)
    if not left.expires_ns and state.unconfirmed == made.now.digest:
        report(
            "the policies are those that were not confirmed in time, so the previous ones stay active: "
            "correct them, or activate them by a reload"
        )
        made, window = make_apart(attrs.evolve(order, written=_written(state), keep=None)), None
        made = attrs.evolve(made, now=attrs.evolve(made.now, is_return=True))
    return attrs.evolve(made, now=made.now.after(state.unconfirmed)), window


def _fallback(order: Order, image: bytes, state: State) -> _Fallback:
    again = attrs.evolve(order, written=_written(state), overlay=state.overlay)
    return _Fallback(image, state, make_apart(again).now)


def _written(state: State) -> KeptTexts:
    # Fails closed: what a lost daemon left stays active.
    if state.written is None:
        raise KernelError(
            "what an earlier version left does not say what its policies are, which may become active "
            "again: start without --confirm-within, and confirm what waits before an upgrade"
        )
    return state.written


def _open(
    made: CompiledChange,
    before: _Before,
    store: PinStore | None,
    window: _Window | None,
    *,
    protect: bool,
    verifier: Verifier | None,
) -> tuple[Session, Origins, ActiveSet | None]:
    """Open the session; also returns the policies that come back without a confirmation."""
    left, now = before.left, made.now
    generation = now.generation
    ledger = before.ledger
    origins = Origins({generation: now.origins})
    states = {generation: now.state(ledger)}
    fallback: PlainImage | None = None
    returning: ActiveSet | None = None
    if window is not None and window.fallback is not None:
        fallback = restamp(window.fallback.image, generation=generation + 1)
        returning = window.fallback.as_set(generation + 1, now.digest)
        origins.learn(generation + 1, returning.origins)
        states[generation + 1] = returning.state(ledger)
    carry = left.carried if left is not None and before.state is not None else None
    session = Session.open(
        PlainImage(made.data),
        fallback=fallback,
        confirm_within=window.seconds if window is not None else None,
        pins=store.create() if store is not None else None,
        states=states,
        carry=now.carried(carry),
        protect=protect,
        verifier=verifier,
        mounted=told_at_once(now.workloads or ()),
    )
    return session, origins, returning


def _take_over(
    enforcement: Enforcement,
    left: Leftover | None,
    tables: dict[int, Sequence[Origin]],
    store: PinStore | None,
) -> tuple[int, int]:
    """
    Release what was before; its records and counts are read by and by. What that meets is reported.

    The new session enforces by now, so nothing may fail here: nobody would end it, nor serve it.
    """
    report, notes = enforcement.report, Notes(0, 0, 0)
    if left is not None:
        try:
            notes = left.notes()
        except KernelError as error:
            report(f"losses may be reported once more: {error}")
        try:
            left.detach()
        except OSError as error:
            report(f"what an earlier daemon left is still active, too: {error}")
        enforcement.sessions.outgoing.append(Outgoing.of_leftover(left, tables, notes))
    kept = {enforcement.sessions.current.pinned_at, left.pins.path if left is not None else None}
    try:
        rest = [each for each in store.sessions() if each.path not in kept] if store else []
    except OSError as error:
        rest = []
        report(f"what an interrupted start left cannot be looked for: {error}")
    for session in rest:
        try:
            session.remove()
        except OSError as error:
            report(f"what an interrupted start left cannot be removed: {error}")
    return notes.lost_decisions, notes.lost_activity
