# SPDX-License-Identifier: MIT
"""
Put the parts of a daemon together: what is made of what, in which order, and who is told of whom.

A start has three steps. :func:`open_parts` opens everything that can fail without a policy being active;
:func:`begin_enforcement` makes the policies active; :func:`connect` makes the daemon that serves them. A dry
run needs :func:`pipeline_for` only.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

import attrs

from enforcer.events.decode import Decoder, Layout
from enforcer.events.enrich import Enricher
from enforcer.identity.host_root import host_root
from enforcer.identity.resolver import Resolver
from enforcer.identity.workload_places import Places
from enforcer.identity.workloads import Workloads
from enforcer.kernel.pin_store import PinStore
from enforcer.kernel.pinned_places import is_active
from enforcer.libbpf import abi, calls
from enforcer.libbpf.folders import directories
from enforcer.runtime.control.overview import Overview
from enforcer.runtime.daemon import Daemon
from enforcer.runtime.instance.lock import InstanceLock
from enforcer.runtime.notify import Notifier
from enforcer.runtime.policies.inquiry import describe_sources
from enforcer.runtime.policies.last_good import LastGood
from enforcer.runtime.policies.start import begin
from enforcer.runtime.policies.unattended import try_to, try_to_confirm
from enforcer.runtime.policies.watch import PolicyWatch
from enforcer.runtime.reactor import Reactor
from enforcer.runtime.records.pipeline import Pipeline
from enforcer.sinks.fanout import Fanout
from enforcer.sinks.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from enforcer.events.enrich import Origins
    from enforcer.kernel.verifier import Verifier
    from enforcer.runtime.daemon import Ending
    from enforcer.runtime.metrics.http import ScrapeServer
    from enforcer.runtime.metrics.textfile import Textfile
    from enforcer.runtime.policies.compilation import Sources
    from enforcer.runtime.policies.enforcement import Enforcement
    from enforcer.runtime.policies.start import Start
    from enforcer.sinks.base import Sink
    from enforcer.sinks.spec import OutputSpec

    Report = Callable[[str], None]

__all__ = [
    "Parts",
    "Plan",
    "Service",
    "abandon",
    "begin_enforcement",
    "connect",
    "open_parts",
    "pipeline_for",
    "serve",
]

_STDOUT: Final = 1


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Plan:
    """
    What a daemon is to be.

    Attributes:
        sources: where policies are read.
        socket: where commands reach it; its lock lies beside it.
        pins: the folder on bpffs by which enforcement outlives it; None: it does not.
        pods: the folder of files of pods; None: the default one.
        outputs: where records go.
        is_shown: whether they are printed as well.
        redact: patterns of arguments to hide, wherever records go.
        metrics, metrics_file: loopback address and port where metrics are read, or a file, if anywhere.
        results: where it is written what became of each policy, if anywhere.
        watch: make changes of the policy files active by themselves.
        watch_confirm_within, confirm_within: seconds after which such a change, or the start, is taken back unless confirmed.
        reload_confirm_within: likewise for a reload.
        protect: keep other processes, root's too, from the engine.
        verifier: with *protect*, of the key without which nobody ends that.
        unit: whose main process this is; None: of no service.
        persists: leave enforcement behind at an orderly end.
        last_good: where it is kept what files of a tolerant source say that is active; None: nowhere.
    """

    sources: Sources
    socket: Path
    pins: Path | None
    pods: Path | None = None
    outputs: Sequence[OutputSpec] = ()
    is_shown: bool = False
    redact: Sequence[str] = ()
    metrics: tuple[str, int] | None = None
    metrics_file: Path | None = None
    results: Path | None = None
    watch: bool = True
    watch_confirm_within: float | None = None
    confirm_within: float | None = None
    reload_confirm_within: float | None = None
    protect: bool = False
    verifier: Verifier | None = None
    unit: str | None = None
    persists: bool = False
    last_good: Path | None = None


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Parts:
    """
    What was opened before any policy is active, so that what cannot be opened is told in time.

    Attributes:
        lock: keeps other daemons out.
        store: where sessions are pinned; None if they are not.
        sinks, metrics: where records go, and where metrics are read.
        results: where it is written what became of each policy.
        watch: looks at the policy files from before they are read.
    """

    notifier: Notifier
    lock: InstanceLock
    store: PinStore | None
    sinks: Sequence[Sink]
    reactor: Reactor
    metrics: Sequence[ScrapeServer | Textfile]
    results: Textfile | None
    watch: PolicyWatch
    overview: Overview = attrs.field(factory=Overview)


@attrs.frozen(eq=False, repr=False)
class Service:
    """A daemon that listens, and the way that its records take."""

    daemon: Daemon
    pipeline: Pipeline
    enforcement: Enforcement


# ---- Before -----------------------------------------------------------------------------------


def open_parts(
    plan: Plan, report: Report, undo: contextlib.ExitStack, let_in: Callable[[Path], None]
) -> Parts:
    """
    Open what the daemon of *plan* needs before its policies can be active.

    Args:
        plan: what it is to be.
        report: gets sentences on failures, now and later.
        undo: closes what was opened.
        let_in: asked for the pins of a protected session that is left there.

    Raises:
        EnforcerError, OSError: something cannot be opened; nothing has changed.
    """
    notifier = Notifier.from_environment(os.environ, report)
    lock = undo.enter_context(InstanceLock.of_daemon(plan.socket.with_suffix(".lock"), plan.pins))
    store = _open_store(plan.pins, undo, let_in) if plan.pins is not None else None
    sinks = list(_open_sinks(plan))
    for sink in sinks:
        undo.callback(sink.close)
    reactor = Reactor()
    metrics = list(_metrics(plan, reactor, report))
    results = _textfile(plan.results, reactor, report, "results")
    for part in (*metrics, *([results] if results is not None else ())):
        part.open()
        undo.callback(part.close)
    return Parts(
        notifier=notifier,
        lock=lock,
        store=store,
        sinks=sinks,
        reactor=reactor,
        metrics=metrics,
        results=results,
        watch=PolicyWatch(plan.sources.paths),
    )


def _open_store(pins: Path, undo: contextlib.ExitStack, let_in: Callable[[Path], None]) -> PinStore:
    store = undo.enter_context(contextlib.closing(PinStore.open(pins)))
    if store.sessions():
        let_in(store.base)
    return store


def _open_sinks(plan: Plan) -> Iterator[Sink]:
    for output in plan.outputs:
        yield output.open()
    if plan.is_shown:
        from enforcer.sinks.terminal import Terminal  # noqa: PLC0415 (for who prints records)

        yield Terminal.on(_STDOUT, os.environ)


def _metrics(plan: Plan, reactor: Reactor, report: Report) -> Iterator[ScrapeServer | Textfile]:
    if plan.metrics is not None:
        from enforcer.runtime.metrics.http import ScrapeServer  # noqa: PLC0415 (for who asks)

        yield ScrapeServer(plan.metrics, reactor)
    if textfile := _textfile(plan.metrics_file, reactor, report, "metrics"):
        yield textfile


def _textfile(path: Path | None, reactor: Reactor, report: Report, what: str) -> Textfile | None:
    if path is None:
        return None
    from enforcer.runtime.metrics.textfile import Textfile  # noqa: PLC0415 (for who asks)

    return Textfile(path, reactor, report, what)


def begin_enforcement(plan: Plan, parts: Parts, report: Report) -> Start:
    """
    Make the policies of *plan* active.

    Raises:
        EnforcerError: they cannot be; what a lost daemon left stays active.
    """
    return begin(
        plan.sources,
        store=parts.store,
        report=report,
        confirm_within=plan.confirm_within,
        protect=plan.protect,
        verifier=plan.verifier,
        reactor=parts.reactor,
        workloads=_workloads(plan),
        last_good=_last_good(plan),
    )


def _workloads(plan: Plan) -> Workloads:
    owner = trust.uid if (trust := plan.sources.trust) is not None else 0
    return Workloads(Places(host=host_root(), pods=plan.pods, owner=owner), listed=directories)


def _last_good(plan: Plan) -> LastGood | None:
    return LastGood(plan.last_good, plan.sources.paths) if plan.last_good is not None else None


# ---- The daemon -------------------------------------------------------------------------------


def connect(plan: Plan, parts: Parts, begun: Start, report: Report) -> Service:
    """
    Make the daemon that serves what has *begun*, and let it listen.

    Raises:
        OSError: the socket cannot be made.
    """
    enforcement = begun.enforcement
    daemon = _daemon(plan, parts, enforcement, report)
    enforcement.reload_within = plan.reload_confirm_within
    tell = None
    if plan.protect:
        from enforcer.runtime.protection.daemon import protect  # noqa: PLC0415 (for who protects)

        tell = protect(daemon, enforcement, report, plan.unit)
    pipeline = pipeline_for(
        daemon,
        enforcement.sessions.origins,
        parts.sinks,
        report,
        redact=plan.redact,
        workloads=enforcement.workloads,
    )
    pipeline.lost.decisions, pipeline.lost.activity = begun.reported
    daemon.listen(plan.socket)
    _serve_metrics(parts, daemon, pipeline)
    if parts.results is not None:
        from enforcer.runtime.policies.results import ResultsFile  # noqa: PLC0415 (for who asks)

        daemon.denials = ResultsFile(parts.results).serve(enforcement, daemon.status)
    if plan.watch:
        enforcement.watch(parts.watch, plan.watch_confirm_within, tell)
    return Service(daemon, pipeline, enforcement)


def _daemon(plan: Plan, parts: Parts, enforcement: Enforcement, report: Report) -> Daemon:
    daemon = Daemon(
        enforcement.sessions,
        enforcement,
        parts.notifier,
        hangup=lambda: try_to(enforcement.reload, report),
        confirm=lambda: try_to_confirm(enforcement.confirm, report),
        persists=plan.persists,
        reactor=enforcement.reactor,
        overview=parts.overview,
        sources=lambda: describe_sources(enforcement),
        on_ended=lambda: _make_way(parts),
        outlives_signals=plan.verifier is not None,
        lock=parts.lock,
    )
    enforcement.on_change, enforcement.on_end = daemon.follow, daemon.stop
    enforcement.on_idle = daemon.idle
    return daemon


def _serve_metrics(parts: Parts, daemon: Daemon, pipeline: Pipeline) -> None:
    if parts.metrics:
        from enforcer.runtime.metrics.values import metrics_of  # noqa: PLC0415 (for who asks)

        for part in parts.metrics:
            part.serve(lambda: metrics_of(daemon.status(), pipeline.stats))


def _make_way(parts: Parts) -> None:
    """Let another daemon begin."""
    if parts.store is not None:
        parts.store.close()
    parts.lock.release()


def pipeline_for(
    daemon: Daemon,
    origins: Origins,
    sinks: Sequence[Sink],
    report: Report,
    *,
    redact: Sequence[str] = (),
    workloads: Workloads | None = None,
) -> Pipeline:
    """
    Make the way from the session of *daemon* to *sinks*.

    Args:
        daemon: whose loop waits for readers, and whose followers are told.
        origins: the rules that rows are from.
        sinks: where records go.
        report: gets sentences on failures.
        redact: patterns of arguments to hide from everybody.
        workloads: which containers and pods there are; default: those of this host.
    """
    resolver = Resolver.asking(calls.open_cgroup, workloads or Workloads())
    return Pipeline(
        session=daemon.session,
        decoder=Decoder(Layout(*abi.decoder("enf_event"))),
        enricher=Enricher(origins, resolver),
        fanout=Fanout.to(sinks, report, daemon.reactor),
        audience=daemon,
        redactor=Redactor.of(redact),
    )


# ---- While it lasts, and after ----------------------------------------------------------------


def serve(
    plan: Plan, service: Service, also: Sequence[str], *, ready: Callable[[], None]
) -> Ending:
    """
    Serve until told to stop.

    Args:
        plan: what the daemon is.
        service: the daemon, connected.
        also: packages that a protected one needs besides its own.
        ready: called when the loop is about to begin.

    Raises:
        KernelError: the kernel refuses to protect the process.
    """
    if plan.protect:
        from enforcer.runtime.protection.daemon import settle  # noqa: PLC0415 (for who protects)

        settle(service.enforcement, also)
    return service.daemon.run(service.pipeline, ready=ready, is_last=True)


def abandon(parts: Parts, enforcement: Enforcement) -> bool:
    """Let go of *enforcement* after a failure; it stays active if it is pinned: tell whether it does."""
    if parts.store is None:
        enforcement.sessions.close()
        return False
    enforcement.sessions.leave()
    return is_active(parts.store.base)
