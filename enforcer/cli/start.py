# SPDX-License-Identifier: MIT
"""
Activate policies, in the foreground, and record what happens.

One line says when enforcement is active. Ctrl-C, SIGTERM and `enforcer stop` end enforcement; a crash
of the daemon does not.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from typing import TYPE_CHECKING

from enforcer import places
from enforcer.amounts import span
from enforcer.cli.arguments import policy_paths, require_root
from enforcer.cli.exits import Exit, UsageError, complain
from enforcer.cli.messages import tell_warnings
from enforcer.cli.passphrase import Passphrase, let_in
from enforcer.cli.start_options import add_arguments
from enforcer.errors import EnforcerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from enforcer.cli.inplace import InPlace
    from enforcer.cli.reports import Reports
    from enforcer.cli.settings import Settings
    from enforcer.runtime.assembly import Parts, Plan
    from enforcer.runtime.daemon import Ending
    from enforcer.runtime.policies.compilation import Sources
    from enforcer.runtime.policies.start import Start
    from enforcer.runtime.reactor import Reactor
    from enforcer.sinks.spec import OutputSpec

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer start                          as /etc/enforcer/enforcer.yaml says if it exists,
                                          else what is in /etc/enforcer/policies
  enforcer start my-policy.yaml policies/
  enforcer start --audit my-policy.yaml   record what would be refused, refuse nothing
  enforcer start --quiet --json-log /var/log/enforcer.json
  enforcer start --dashboard my-policy.yaml

Ctrl-C, SIGTERM and `enforcer stop` end enforcement. If this process is killed or crashes, enforcement
stays active, and the next start takes it over. SIGHUP reopens logs and reads policies again.
"""

_IN_PLACE = ("enforcer.workbench.dashboard", "enforcer.cli")


def run(args: argparse.Namespace) -> int:
    """Enforce until told to stop."""
    from enforcer.cli.reports import Reports
    from enforcer.cli.settings import settings_from
    from enforcer.libbpf import heap
    from enforcer.runtime import assembly
    from enforcer.sinks.sentences import Sentences

    heap.settle()
    began = time.monotonic()
    settings = settings_from(args)
    plan = _plan(args, settings)
    reports = Reports(complain)
    passphrase = Passphrase(args.key_fd)
    with contextlib.ExitStack() as undo:
        parts = assembly.open_parts(plan, reports, undo, lambda pins: let_in(pins, passphrase))
        reports.tell = tell = Sentences.to(2, parts.reactor)
        undo.callback(tell.end)
        undo.callback(parts.reactor.release_signals)
        begun = assembly.begin_enforcement(plan, parts, reports)
        dashboard = _dashboard(settings, parts.reactor, reports) if args.dashboard else None
        if dashboard is not None:
            undo.callback(dashboard.end)
        try:
            tell_warnings(begun.warnings)
            reports.heed = parts.overview.note
            service = assembly.connect(plan, parts, begun, reports)
            line = _active(begun, time.monotonic() - began)
            announce = tell if _takes_standard_output(plan.outputs) else Sentences.to(1)
            also = _IN_PLACE if args.dashboard else ()
            ending = assembly.serve(
                plan, service, also, ready=lambda: _ready(line, dashboard, announce)
            )
        except BaseException:
            _abandon(parts, begun, dashboard)
            raise
    announce(_ended(ending))
    return Exit.OK


def _sources(args: argparse.Namespace, settings: Settings) -> Sources:
    from enforcer.policy.store import Trust
    from enforcer.runtime.policies.compilation import Sources
    from enforcer.runtime.policies.quotas import Quota

    paths = policy_paths(list(settings.policies))
    return Sources(
        # What files said is kept by their names, for whoever starts next, from wherever.
        tuple(path.absolute() if settings.tolerant else path for path in paths),
        settings.audit,
        settings.allow_degraded,
        Trust(settings.policy_owner),
        # A service may be there before its policies. Who names a folder has one in mind, or says so.
        may_be_empty=not args.policies or args.allow_empty,
        is_tolerant=settings.tolerant,
        quota=Quota(**settings.tenant_quota),
    )


def _plan(args: argparse.Namespace, settings: Settings) -> Plan:
    """
    Make the plan of *settings*.

    Raises:
        UsageError: they contradict each other, or this user or terminal cannot do it.
    """
    from enforcer.cli.settings import verifier_of
    from enforcer.runtime.assembly import Plan
    from enforcer.runtime.protection.unit import own_unit

    sources = _sources(args, settings)
    require_root("enforcement")
    settings.require_sense(is_service=(unit := own_unit()) is not None)
    outputs = settings.all_outputs()
    is_taken = _takes_standard_output(outputs)
    if args.dashboard:
        if is_taken:
            raise UsageError("standard output is for records or for the dashboard: leave one out")
        from enforcer.cli.inplace import require_terminal

        require_terminal()
    return Plan(
        sources=sources,
        socket=settings.socket,
        pins=settings.pins,
        verifier=verifier_of(settings),
        pods=settings.pods_dir,
        outputs=outputs,
        is_shown=not (settings.quiet or args.dashboard or is_taken),
        redact=settings.redact,
        metrics=settings.metrics,
        metrics_file=settings.metrics_file,
        results=settings.results,
        watch=settings.watch,
        watch_confirm_within=settings.watch_confirm_within,
        confirm_within=settings.confirm_within,
        reload_confirm_within=settings.reload_confirm_within,
        unit=unit,
        protect=settings.protect,
        persists=settings.persist,
        last_good=places.LAST_GOOD if settings.tolerant else None,
    )


def _takes_standard_output(outputs: Sequence[OutputSpec]) -> bool:
    """Tell whether one of *outputs* is standard output, where nothing else must go then."""
    return any(output.place == str(places.STDOUT) for output in outputs)


def _abandon(parts: Parts, begun: Start, dashboard: InPlace | None) -> None:
    """Let go after a failure: what fails is the keeping of records, enforcement goes on wherever it can."""
    from enforcer.runtime.assembly import abandon

    if dashboard is not None:
        dashboard.end()
    try:
        stays = abandon(parts, begun.enforcement)
    except (OSError, EnforcerError) as error:
        # What led here says how this ends. Only that tells a service manager whether to begin again.
        complain(f"what is active cannot be let go of in order: {error}")
        return
    if stays:
        complain(
            "enforcement stays active without a daemon: "
            "enforcer start takes it over, enforcer stop --force ends it"
        )


def _dashboard(settings: Settings, reactor: Reactor, reports: Reports) -> InPlace:
    from enforcer.cli.inplace import InPlace

    return InPlace(settings.socket, reactor, reports)


def _ready(line: str, dashboard: InPlace | None, announce: Callable[[str], None]) -> None:
    announce(line)
    if dashboard is not None:
        dashboard.begin()


def _active(begun: Start, seconds: float) -> str:
    posture = begun.enforcement.posture()
    return f"active: {posture.sentence}, started in {seconds:.1f} s{posture.condition}"


def _ended(ending: Ending) -> str:
    order = ("killed", "denied", "logged", "allowed", "attempted")
    would = sorted(name for name in ending.outcomes if name not in order)
    counts = [f"{ending.outcomes[n]:,} {n}" for n in (*order, *would) if ending.outcomes.get(n)]
    said = ", ".join(counts) or "no records"
    word = "ended, enforcement stays active," if ending.stays else "stopped"
    return f"{word} after {span(ending.seconds)}: {said}, {ending.lost:,} lost"
