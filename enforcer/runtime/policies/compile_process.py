# SPDX-License-Identifier: MIT
"""
From what is asked for to an image, in a process of its own.

Reading and compiling many policies takes memory and time, and looks at texts that may be anything.
The daemon's own memory stays small, its loop goes on, and whatever happens to the maker costs this
change and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

import attrs

from enforcer.compiler import LocalHost
from enforcer.errors import ControlError, LimitError, PolicyError, PolicyErrors
from enforcer.identity.layers import is_local
from enforcer.policy.model.policy import PolicySet
from enforcer.policy.store import find_texts, load_texts
from enforcer.runtime.policies.active import ActiveSet
from enforcer.runtime.policies.compact import CompactCopy
from enforcer.runtime.policies.compilation import prepare, without_marks
from enforcer.runtime.policies.difference import Change, difference
from enforcer.runtime.policies.followed_links import changed, met
from enforcer.runtime.policies.kept_texts import KeptTexts
from enforcer.runtime.policies.namespace_shares import (
    SharesError,
    alone,
    beyond,
    displaced,
    is_shared,
    needs,
    overfull,
)
from enforcer.runtime.policies.refused_files import Costly, told
from enforcer.runtime.policies.tolerance import choose
from enforcer.runtime.policies.too_late import why_late
from enforcer.runtime.policies.trials import OF_ALL_FILES, Trials
from enforcer.runtime.policies.work_process import WorkEnded, apart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from enforcer.compiler import Counts, LabelNumbers, LinkAsks
    from enforcer.compiler.automata import Automata
    from enforcer.policy.lint.degradation import Gap
    from enforcer.policy.model.container_links import Links
    from enforcer.policy.model.policy import Policy
    from enforcer.policy.model.workloads import Workload
    from enforcer.runtime.policies.compilation import Prepared, Sources
    from enforcer.runtime.policies.difference import Digests
    from enforcer.runtime.policies.followed_links import Followed
    from enforcer.runtime.policies.namespace_shares import Share
    from enforcer.runtime.policies.refused_files import RefusedFile
    from enforcer.runtime.policies.runtime_changes import Overlay
    from enforcer.runtime.policies.tolerance import Chosen

__all__ = [
    "CompiledChange",
    "Order",
    "changed_apart",
    "make",
    "make_apart",
    "met_links",
    "print_apart",
]

_FEW = 100  # names to look up: they take some milliseconds, as does a process


@attrs.frozen
class Order:
    """
    What is asked for.

    Attributes:
        sources: where policies are read, unless *files* has them.
        overlay: changes at run time.
        generation: number of the image.
        previous: label numbers of the active image.
        files: what the policy files said, if they are not to be read again.
        written: likewise, as texts.
        keep: policies that may become active again.
        since: digests of what is active, for the comparison.
        may_drop: leave out what was added at run time rather than fail because of it.
        late: why this kernel cannot refuse system calls at their entry; None: it can.
        gaps: where this kernel lets operations pass undecided.
        seed: of the string hash of the active image, so that the same policies make the same image.
        workloads: containers and pods that are known.
        links: those in containers that counted until now.
        texts: what files say that are active, if each has a verdict of its own; else None.
        refused: those of them that are not active as they stand, of which some need not be tried yet.
        automata: those of the active image.
        is_renewal: nothing but containers has changed, if anything, of which no author need be told.
        is_careful: try new files of namespaces by themselves first, each in a process with limits.
    """

    sources: Sources
    overlay: Overlay
    generation: int
    previous: LabelNumbers | None = None
    files: CompactCopy[PolicySet] | None = None
    written: KeptTexts | None = None
    keep: ActiveSet | None = None
    since: CompactCopy[Digests] | None = None
    may_drop: bool = False
    late: str | None = None
    gaps: tuple[Gap, ...] = ()
    seed: int | None = attrs.field(default=None, repr=False)
    workloads: tuple[Workload, ...] = attrs.field(default=(), repr=False)
    links: Mapping[bytes, Links] = attrs.field(factory=dict, repr=False)
    texts: CompactCopy[dict[str, bytes]] | None = None
    refused: tuple[RefusedFile, ...] = ()
    automata: CompactCopy[Automata] | None = None
    is_renewal: bool = False
    is_careful: bool = False

    @property
    def has_verdicts(self) -> bool:
        """Whether files are read, each with a verdict of its own."""
        return self.sources.is_tolerant and self.files is None and self.written is None


@attrs.frozen
class CompiledChange:
    """
    What came of it.

    Attributes:
        now: what is to be active.
        data: the image.
        warnings: sentences for the caller.
        change: what differs from what was active.
        dropped: why policies that were added at run time are dropped, if so.
    """

    now: ActiveSet
    data: bytes
    warnings: tuple[str, ...]
    change: Change
    dropped: str | None = None


def make(order: Order) -> CompiledChange:
    """
    Read, check and compile.

    Raises:
        EnforcerError: something is wrong with the policies.
    """
    refused, texts, written = order.refused, order.texts, order.written
    automata = order.automata.unpack() if order.automata is not None else None
    if order.files is not None:
        files, laid = order.files, _lay(order, order.files.unpack(), automata)
    elif written is not None:
        kept = written.unpack()
        policies = order.sources.adapt(load_texts(kept))
        files, laid = CompactCopy.of(policies), _lay(order, policies, automata)
        texts = CompactCopy.of(kept) if order.sources.is_tolerant else None
    elif order.sources.is_tolerant:
        chosen = _choose(order, automata)
        files, laid = CompactCopy.of(chosen.policies), chosen.made
        refused, texts = chosen.refused, CompactCopy.of(chosen.texts)
        written = KeptTexts.of(chosen.texts)
    else:
        read: dict[str, bytes] = {}
        policies = order.sources.load(texts=read)
        written = KeptTexts.of(read)
        files, laid = CompactCopy.of(policies), _lay(order, policies, automata)
    prepared = laid.prepared
    since = order.since.unpack() if order.since is not None else prepared.digests
    now = ActiveSet.of(prepared, files, laid.overlay, laid.everything, order.workloads)
    return CompiledChange(
        now=attrs.evolve(now, refused=refused, texts=texts, written=written),
        data=prepared.data,
        warnings=() if order.is_renewal else (*prepared.warnings, *told(refused)),
        change=difference(since, prepared.digests),
        dropped=laid.dropped,
    )


@attrs.frozen
class _Laid:
    """The policies of files, what was changed at run time laid over them, and what they compile to."""

    prepared: Prepared
    overlay: Overlay
    everything: PolicySet
    dropped: str | None


def _lay(order: Order, files: PolicySet, automata: Automata | None) -> _Laid:
    overlay, everything, dropped = _laid_over(order, files)
    if over := list(order.sources.quota.exceeding(everything.policies)):
        raise PolicyErrors(over)
    prepared = _prepare(order, overlay.enabled(everything), automata)
    return _Laid(prepared, overlay, everything, dropped)


def _prepare(order: Order, policies: PolicySet, automata: Automata | None = None) -> Prepared:
    return prepare(
        policies,
        generation=order.generation,
        previous=order.previous,
        keep=order.keep.wanted() if order.keep is not None else None,
        late=functools.partial(why_late, order.late),
        gaps=order.gaps,
        seed=order.seed,
        workloads=order.workloads,
        links=order.links,
        automata=automata,
        is_checked=not order.is_renewal,
    )


def _counted(order: Order, policies: PolicySet, automata: Automata | None, share: Share) -> Counts:
    """Compile *policies* by themselves, as if nothing else were active, and return what they need."""
    return prepare(
        PolicySet(tuple(map(without_marks, policies.policies))),
        late=functools.partial(why_late, order.late),
        gaps=order.gaps,
        workloads=order.workloads,
        links=order.links,
        automata=automata,
        most_work=share.work,
        is_checked=False,
    ).image.counts


def _choose(order: Order, automata: Automata | None) -> Chosen[_Laid]:
    sources, added = order.sources, _added(order)
    found = find_texts(sources.paths, trust=sources.trust)
    earlier = order.texts.unpack() if order.texts is not None else {}
    now = {each.path: each.content for each in found}

    def is_new(policy: Policy) -> bool:
        file = policy.span.file
        return file not in earlier or now.get(file) not in {None, earlier[file]}

    def count(policies: Sequence[Policy], share: Share) -> Counts | LimitError:
        try:
            return _counted(order, sources.adapt(PolicySet(tuple(policies))), automata, share)
        except LimitError as error:
            if not is_shared(error):
                raise  # another limit is exceeded, and the error says so
            return error

    def check(policies: PolicySet) -> Mapping[str, int]:
        found: dict[str, int] = {}

        def measured(some: Sequence[Policy], share: Share) -> Counts | LimitError:
            counts = count(some, share)
            if not isinstance(counts, LimitError):
                for room, number in needs(counts).items():
                    found[room] = max(number, found.get(room, 0))
            return counts

        if over := list(alone(policies.policies, measured)):
            raise PolicyErrors(over)
        return found

    def tried(policies: PolicySet) -> _Laid | LimitError:
        try:
            return _lay(order, sources.adapt(policies), automata)
        except LimitError as error:
            if not is_shared(error):
                raise
            return error

    def problem(policies: Sequence[Policy]) -> LimitError | None:
        found = tried(PolicySet(tuple(map(without_marks, policies))))
        return found if isinstance(found, LimitError) else overfull(found.prepared.image.counts)

    def make(policies: PolicySet) -> _Laid:
        laid = tried(policies)
        total = laid if isinstance(laid, LimitError) else laid.prepared.image.counts
        failed = total if isinstance(total, LimitError) else overfull(total)
        if over := list(beyond(policies.policies, is_new, count, total)):
            raise SharesError(over)
        if failed is not None and (over := list(displaced(policies.policies, is_new, problem))):
            raise SharesError(over)
        if isinstance(laid, LimitError):
            raise laid
        return laid

    def trial(policies: PolicySet) -> None:
        with contextlib.suppress(PolicyError, PolicyErrors):  # nobody would compile it by itself
            check(policies)
        tried(policies)

    chosen = choose(
        found,
        earlier,
        {policy.name: str(policy.span) for policy in added},
        make=make,
        check=check,
        exceeding=lambda policies: sources.quota.exceeding((*added, *policies)),
        costly=Costly.of(order.refused),
        trials=Trials(trial) if order.is_careful else None,
    )
    return attrs.evolve(chosen, policies=sources.adapt(chosen.policies))


def _added(order: Order) -> tuple[Policy, ...]:
    """Return what was added at run time; nothing if a start is about to drop it."""
    try:
        return order.overlay.added_policies()
    except PolicyErrors:
        if not order.may_drop:
            raise
        return ()


def _laid_over(order: Order, files: PolicySet) -> tuple[Overlay, PolicySet, str | None]:
    try:
        return order.overlay, order.overlay.policies(files), None
    except (ControlError, PolicyErrors) as error:
        if not order.may_drop:
            raise
        overlay = attrs.evolve(order.overlay, added={})
        return overlay, overlay.policies(files), str(error)


def make_apart(
    order: Order,
    idle: Callable[[], None] = lambda: None,
    report: Callable[[str], None] = lambda _: None,
) -> CompiledChange:
    """
    Do :meth:`make` in a process of its own; *idle* is called now and then meanwhile.

    *report* gets a sentence if the machine does not let the process have limits.

    Raises:
        EnforcerError: something is wrong with the policies, or the process came to an end.
    """
    if not order.has_verdicts:
        return apart(lambda: make(order), idle, report=report)
    try:
        return apart(lambda: make(order), idle, OF_ALL_FILES, report)
    except WorkEnded:
        # No file is known as the cause. Without limits: what was active is too much for them, or many files are.
        return apart(lambda: make(attrs.evolve(order, is_careful=True)), idle)


def changed_apart(followed: Followed, idle: Callable[[], None] = lambda: None) -> bool:
    """
    Look links in containers up again, apart unless they are few and their file systems are this machine's.

    Raises:
        EnforcerError: the process came to an end.
    """
    asked = followed.asked.values()
    if sum(len(each.heads) for each in asked) <= _FEW:
        host = LocalHost.read()
        mounts = host.on_top
        if all(is_local(each.root.removeprefix(host.root), mounts) for each in asked):
            return changed(followed, is_local=True)
    return apart(lambda: changed(followed), idle)


def met_links(
    asks: LinkAsks, workload: Workload, idle: Callable[[], None] = lambda: None
) -> Followed:
    """
    Look up the links of one container for which policies ask, apart unless its file systems are this machine's.

    Raises:
        EnforcerError: the process came to an end.
    """
    host = LocalHost.read(workloads=(workload,))
    if is_local(workload.root, host.on_top):
        return met(asks, host, is_local=True)
    return apart(lambda: met(asks, host), idle)


def print_apart(policy: Policy, idle: Callable[[], None] = lambda: None) -> str:
    """
    Print *policy* in a process of its own: ten thousand rules take some seconds.

    Raises:
        EnforcerError: the process came to an end.
    """

    def work() -> str:
        from enforcer.policy.writers.printer import print_policy  # noqa: PLC0415 (for who asks)

        return print_policy(policy)

    return apart(work, idle)
