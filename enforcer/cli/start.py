# SPDX-License-Identifier: MIT
"""
Put policies in force, in the foreground, and record what happens.

One line says when enforcement is in force. Ctrl-C, SIGTERM or `enforcer stop` end it in order.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_policies, add_socket, policy_paths, require_root
from enforcer.cli.exits import Exit, complain, discard
from enforcer.cli.output import plural, span
from enforcer.cli.settings import DEFAULT_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from enforcer.cli.settings import Settings
    from enforcer.kernel.session import Session
    from enforcer.runtime.daemon import Ending
    from enforcer.runtime.prepare import Prepared
    from enforcer.sinks.base import Sink

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer start                          as /etc/enforcer/enforcer.yaml says if it exists,
                                          else what is in /etc/enforcer/policies
  enforcer start my-policy.yaml policies/
  enforcer start --audit my-policy.yaml   record what would be refused, refuse nothing
  enforcer start --quiet --json-log /var/log/enforcer.json

enforcement lasts as long as this process: it ends when the process ends.
"""

_FLAG = argparse.BooleanOptionalAction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments. Their default is None, which leaves the word to the configuration."""
    add_policies(parser, optional=True)
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"settings for what is not given here (default: {DEFAULT_CONFIG} if it exists and no "
        "POLICY is given)",
    )
    parser.add_argument(
        "--json-log", metavar="FILE", type=Path, help="append records as JSON, one object per line"
    )
    parser.add_argument("--logfmt-log", metavar="FILE", type=Path, help="append records as logfmt")
    parser.add_argument(
        "--audit", action=_FLAG, help="put every policy in audit mode: permit and record"
    )
    parser.add_argument("--quiet", "-q", action=_FLAG, help="print no records, only start and end")
    parser.add_argument(
        "--allow-degraded",
        action=_FLAG,
        help="accept rules that this kernel can only enforce after the fact",
    )
    add_socket(parser)
    parser.set_defaults(socket=None)


def run(args: argparse.Namespace) -> int:
    """Enforce until told to stop."""
    from enforcer.cli.config import settings_from
    from enforcer.kernel.session import Session
    from enforcer.runtime.assembly import pipeline_for
    from enforcer.runtime.daemon import Daemon
    from enforcer.runtime.lock import InstanceLock
    from enforcer.runtime.notify import Notifier
    from enforcer.runtime.prepare import prepare

    began = time.monotonic()
    settings = settings_from(args)
    paths = policy_paths(list(settings.policies))
    require_root("enforcement")
    notifier = Notifier.from_environment(os.environ, complain)
    with InstanceLock.take(settings.socket.with_suffix(".lock")):
        prepared = prepare(paths, audit=settings.audit, allow_degraded=settings.allow_degraded)
        for warning in prepared.warnings:
            complain(warning)
        sinks = list(_sinks(settings))
        with Session.open(prepared) as session:
            daemon = Daemon(session, prepared.facts, notifier)
            pipeline = pipeline_for(daemon, prepared.origins, sinks, complain)
            daemon.listen(settings.socket)
            line = _in_force(session, prepared, time.monotonic() - began, audit=settings.audit)
            notifier.status(line)
            ending = daemon.run(pipeline, ready=lambda: _announce(line))
    _announce(_ended(ending))
    return Exit.OK


def _sinks(settings: Settings) -> Iterator[Sink]:
    from enforcer.sinks.jsonl import JsonLines
    from enforcer.sinks.logfmt import Logfmt
    from enforcer.sinks.terminal import Terminal

    if settings.json_log:
        yield JsonLines.open(settings.json_log)
    if settings.logfmt_log:
        yield Logfmt.open(settings.logfmt_log)
    if not settings.quiet:
        yield Terminal.on(1, os.environ)


def _announce(line: str) -> None:
    """Print *line*; that nobody reads it any more is no reason to stop enforcing."""
    try:
        print(f"enforcer: {line}", flush=True)
    except OSError:
        discard(1)


def _in_force(session: Session, prepared: Prepared, seconds: float, *, audit: bool) -> str:

    programs = {name for names in session.operations.values() for name in names}
    return (
        f"in force: {plural(len(prepared.facts), 'policy')}, {plural(prepared.n_rules, 'rule')}, "
        f"{plural(len(programs), 'program')}, started in {seconds:.1f} s"
        f"{' (audit: nothing is refused)' if audit else ''}"
    )


def _ended(ending: Ending) -> str:

    order = ("killed", "denied", "logged", "allowed")
    would = sorted(name for name in ending.outcomes if name not in order)
    counts = [f"{ending.outcomes[n]:,} {n}" for n in (*order, *would) if ending.outcomes.get(n)]
    said = ", ".join(counts) or "no records"
    return f"stopped after {span(ending.seconds)}: {said}, {ending.lost:,} lost"
