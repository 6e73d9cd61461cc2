# SPDX-License-Identifier: MIT
"""
Permit everything and report what the policies would have refused.

The same programs and tables as `start`, with every policy in audit mode. Runs until Ctrl-C, or as
long as --for says; may run beside an enforcing daemon.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_policies, duration, policy_paths, require_root
from enforcer.cli.exits import Exit, complain
from enforcer.cli.output import console, plural, span

if TYPE_CHECKING:
    import argparse
    from collections import Counter
    from collections.abc import Sequence

    from rich.table import Table

    from enforcer.runtime.dryrun import DryRun, Finding

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer dry-run my-policy.yaml         until Ctrl-C, then the report
  enforcer dry-run --for 10m policies/
  enforcer dry-run --for 60s --json policies/ | jq .rules
"""

_SHOWN = 3  # processes and objects by rule; --json has all


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_policies(parser, optional=True)
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=duration,
        help="end by itself after this time: 60s, 5m, 1h",
    )
    parser.add_argument("--json", action="store_true", help="report as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Observe, then report."""
    from enforcer.runtime.assembly import pipeline_for
    from enforcer.runtime.beginning import begin
    from enforcer.runtime.daemon import Daemon
    from enforcer.runtime.dryrun import DryRun, as_document
    from enforcer.runtime.prepare import Sources

    paths = policy_paths(args.policies)
    require_root("a dry run (the kernel decides there, too)")
    begun = begin(Sources(tuple(paths), audit=True), store=None, report=complain)
    dry_run = DryRun()
    for warning in begun.warnings:
        complain(warning)
    enforcement = begun.enforcement
    with contextlib.closing(enforcement.sessions) as sessions:
        daemon = Daemon(sessions, reactor=enforcement.reactor)
        daemon.hangup = daemon.stop  # who waited for the report has gone
        pipeline = pipeline_for(daemon, sessions.origins, [dry_run], complain)
        if args.seconds is not None:
            daemon.reactor.after(args.seconds, daemon.stop)
        until = f"for {args.seconds:g} s" if args.seconds is not None else "until Ctrl-C"
        line = (
            f"dry run {until}: {plural(len(enforcement.now.facts), 'policy')}, "
            f"{plural(enforcement.now.n_rules, 'rule')}, nothing is refused"
        )
        ending = daemon.run(pipeline, ready=lambda: complain(line))
    findings = dry_run.findings(ending.hits)
    if args.json:
        print(json.dumps(as_document(dry_run, findings, ending.seconds), indent=2))
    else:
        _show(dry_run, findings, ending.seconds)
    return Exit.OK


def _show(dry_run: DryRun, findings: Sequence[Finding], seconds: float) -> None:

    out = console()
    if findings:
        out.print(_table(findings))
    denied = sum(f.would_deny for f in findings)
    killed = sum(f.would_kill for f in findings)
    out.print(
        f"in {span(seconds)}: {plural(denied, 'operation')} would have been denied, "
        f"{plural(killed, 'process')} killed; "
        f"{plural(dry_run.permitted, 'record')} of permitted operations"
    )
    missed = sum(f.unrecorded for f in findings)
    if missed or dry_run.lost:
        out.print(f"{plural(max(missed, dry_run.lost), 'record')} could not be kept up with")


def _table(findings: Sequence[Finding]) -> Table:
    from rich.table import Table

    table = Table(
        "rule",
        "would deny",
        "would kill",
        "by",
        "on",
        "first",
        "last",
        title="What these policies would have refused",
        title_justify="left",
    )
    for each in findings:
        table.add_row(
            f"{each.origin.policy}/{each.origin.rule}\n{each.origin.place}",
            f"{each.would_deny:,}",
            f"{each.would_kill:,}",
            _most(each.processes),
            _most(each.objects),
            _clock(each.first_ns),
            _clock(each.last_ns),
        )
    return table


def _most(counter: Counter[str]) -> str:
    from enforcer.events.text import neutral

    shown = [f"{neutral(key)} ({count:,})" for key, count in counter.most_common(_SHOWN)]
    if len(counter) > _SHOWN:
        shown.append(f"and {len(counter) - _SHOWN:,} more")
    return "\n".join(shown)


def _clock(time_ns: int) -> str:
    from datetime import datetime

    return f"{datetime.fromtimestamp(time_ns // 1_000_000_000).astimezone():%H:%M:%S}"
