# SPDX-License-Identifier: MIT
"""
Permit everything and report what the policies would have refused.

Loads the same programs and tables as `start`, with every policy in audit mode. Ends with Ctrl-C or
after --for. May run beside an enforcing daemon. With --replay nothing is loaded: the same code
decides on a recording of `enforcer record`, without root and on any machine.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from enforcer.amounts import plural
from enforcer.cli.arguments import add_policies, duration, file_path, policy_paths, require_root
from enforcer.cli.colours import add_color
from enforcer.cli.dry_report import show
from enforcer.cli.exits import Exit, UsageError, complain
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cli.messages import tell_warnings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from enforcer.events.types import Record
    from enforcer.libbpf.replaying import Spoken
    from enforcer.workbench.dryrun.comparison import Contrast
    from enforcer.workbench.dryrun.findings import DryRun
    from enforcer.workbench.dryrun.fixes import Fixes
    from enforcer.workbench.dryrun.report import Report
    from enforcer.workbench.replay.accesses import RecordedAccess
    from enforcer.workbench.replay.candidate import Candidate
    from enforcer.workbench.replay.coverage import Coverage
    from enforcer.workbench.replay.replay import Losses, Replay

__all__ = ["EXAMPLES", "add_arguments", "replayed", "run"]

EXAMPLES = """\
examples:
  enforcer dry-run my-policy.yaml         until Ctrl-C, then the report
  enforcer dry-run --for 10m policies/ --html report.html
  enforcer dry-run --for 60s --json policies/ | jq .rules
  enforcer dry-run --for 10m policies/ --write-fixes fixed.yaml
  enforcer dry-run --replay monday.journal new.yaml --against old.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_policies(parser, optional=True)
    parser.add_argument(
        "--for",
        dest="seconds",
        metavar="TIME",
        type=duration,
        help="end after this time: 60s, 5m, 1h",
    )
    parser.add_argument(
        "--replay",
        metavar="JOURNAL",
        type=file_path,
        help="use a recording of `enforcer record` instead of what happens now; needs no root",
    )
    parser.add_argument(
        "--against",
        metavar="POLICY",
        type=file_path,
        action="append",
        default=[],
        help="with --replay: compare with these policies; may be repeated",
    )
    add_color(add_output(parser))
    parser.add_argument(
        "--html", metavar="FILE", type=file_path, help="also write the report as one web page"
    )
    parser.add_argument(
        "--write-fixes",
        metavar="FILE",
        type=file_path,
        help="write the policies with rules that allow what was found, except what looks unusual",
    )


def run(args: argparse.Namespace) -> int:
    """Observe, then report."""
    from enforcer.policy.store import load_policies
    from enforcer.workbench.dryrun.fixes import Fixes
    from enforcer.workbench.dryrun.page import page
    from enforcer.workbench.dryrun.report import as_document

    if args.against and args.replay is None:
        raise UsageError("--against needs a recording: give --replay JOURNAL, too")
    if args.replay is not None and args.seconds is not None:
        raise UsageError("--for does not go with --replay: a recording has its own length")
    paths = policy_paths(args.policies)
    with _page_file(args.html):
        policies = load_policies(paths)  # as they were tried: the files may change meanwhile
        with _fixes_file(args.write_fixes) as write_fixes:
            report = (
                replayed(args.replay, paths, args.against)
                if args.replay is not None
                else _live(args, paths)
            )
            fixes = Fixes.of(policies, report)
            unwritten = [_attempt(args.write_fixes, lambda: write_fixes(fixes))]
    if args.html is not None:
        unwritten.append(_attempt(args.html, lambda: args.html.write_text(page(report), "utf-8")))
    # What was observed for an hour is shown, even if the disk has no room for its files.
    if args.form == JSON:
        print_document(as_document(report, fixes))
    else:
        show(report, fixes)
    failures = [each for each in unwritten if each is not None]
    if failures:
        raise UsageError("; ".join(failures))
    if args.write_fixes is not None:
        complain(_written(args.write_fixes, fixes))
    return Exit.OK


def _attempt(path: Path | None, write: Callable[[], object]) -> str | None:
    """Write *path* by *write*; return why that failed."""
    try:
        write()
    except OSError as error:
        return f"cannot write {path}: {error.strerror}"
    return None


@contextlib.contextmanager
def _page_file(path: Path | None) -> Iterator[None]:
    """Make the file *path* now, so that a long run does not fail for it; what is there already stays until the end."""
    made = path.resolve() if path is not None and not path.exists() else None
    if path is not None:
        path.touch(mode=0o600)
    try:
        yield
    except BaseException:
        if made is not None:
            made.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _fixes_file(path: Path | None) -> Iterator[Callable[[Fixes], None]]:
    """Make the file *path* now, so that a long run does not fail for it; nothing is overwritten."""
    if path is None:
        yield lambda _: None
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise UsageError(f"{path} exists: name a new file for the fixes") from error
    file = os.fdopen(handle, "w", encoding="utf-8")

    def write(fixes: Fixes) -> None:
        try:
            with file:
                file.write(fixes.text)
        except OSError:
            path.unlink()  # a part of the rules must not be taken for all of them
            raise

    try:
        yield write
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        file.close()


def _written(path: Path, fixes: Fixes) -> str:
    if not fixes.number:
        return f"{path} has the policies as they are: there is nothing to propose"
    return (
        f"{path} has the policies with {plural(fixes.number, 'change')}: review it before you use it "
        "in their place"
    )


# ---- What happens now -----------------------------------------------------------------------------


def _live(args: argparse.Namespace, paths: Sequence[Path]) -> Report:
    from enforcer.runtime.assembly import pipeline_for
    from enforcer.runtime.daemon import Daemon
    from enforcer.runtime.policies.compilation import Sources
    from enforcer.runtime.policies.start import begin
    from enforcer.workbench.dryrun.findings import DryRun
    from enforcer.workbench.dryrun.programs import Programs
    from enforcer.workbench.dryrun.report import make_report

    require_root("a dry run (the kernel decides there, too)")
    begun = begin(Sources(tuple(paths), audit=True), store=None, report=complain)
    programs = Programs()
    dry_run = DryRun(programs=programs)
    tell_warnings(begun.warnings)
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
    missed = max(sum(f.unrecorded for f in findings), dry_run.lost)
    return make_report(
        dry_run,
        findings,
        programs,
        source="observed on this machine",
        seconds=ending.seconds,
        lost=missed,
        notes=[f"{plural(missed, 'record')} were lost"] if missed else [],
    )


# ---- What was recorded ----------------------------------------------------------------------------


def replayed(
    journal: Path, paths: Sequence[Path], against: Sequence[Path] = (), *, name: str = ""
) -> Report:
    """
    Report what the policies of *paths* would have refused in a recording.

    Args:
        journal: the recording.
        paths: files and folders of policies.
        against: other policies to compare with; none: nothing is compared.
        name: what the recording is called; default its path.

    Raises:
        UsageError: it is no recording, or does not tell what the policies ask for.
        PolicyErrors: the policies are wrong.
    """
    from enforcer.workbench.dryrun.comparison import Contrast
    from enforcer.workbench.dryrun.findings import DryRun
    from enforcer.workbench.dryrun.programs import Programs
    from enforcer.workbench.dryrun.report import make_report
    from enforcer.workbench.replay.journal import JournalError
    from enforcer.workbench.replay.recorder import is_same_machine
    from enforcer.workbench.replay.replay import Replay

    try:
        replay = Replay.open(journal)
    except JournalError as error:
        said = str(error)
        raise UsageError(said.replace(str(journal), name) if name else said) from error
    with contextlib.closing(replay):
        candidates = _candidates([paths, against] if against else [paths], replay)
        contrast = Contrast() if against else None
        head = replay.journal.head
        is_here = is_same_machine(head)
        programs = Programs(is_here=is_here)
        dry_run = DryRun(programs=programs)
        _decide(replay, candidates, dry_run, contrast)
        losses = replay.losses(candidates)
        notes = list(_notes(losses, candidates, replay.coverage))
        if not is_here:
            notes.append(
                f"it was recorded on another machine, {head.get('host')}: symbolic links, users "
                "and files are read on this one, and programs are not"
            )
        return make_report(
            dry_run,
            dry_run.findings(candidates[0].hits),
            programs,
            source=f"{name or journal}, recorded on {head.get('host')}",
            seconds=replay.seconds,
            lost=losses.accesses,
            notes=notes,
            contrast=contrast,
            operations=replay.count,
        )


def _candidates(sets: Sequence[Sequence[Path]], replay: Replay) -> list[Candidate]:
    """
    Read each set of policies, for the system that *replay* is a recording of.

    Raises:
        UsageError: a set cannot be decided by what was recorded.
        PolicyErrors: a set is wrong.
    """
    from enforcer.workbench.replay.candidate import Candidate
    from enforcer.workbench.replay.coverage import UndecidableError

    try:
        candidates = [Candidate.load(each, replay.lines, replay.coverage) for each in sets]
    except UndecidableError as error:
        raise UsageError(str(error)) from error
    for candidate in candidates:
        tell_warnings(candidate.warnings)
    return candidates


def _decide(
    replay: Replay, candidates: Sequence[Candidate], dry_run: DryRun, contrast: Contrast | None
) -> None:
    from enforcer.workbench.replay.replay import RecordMaker

    makers = [RecordMaker(replay, candidate) for candidate in candidates]

    def hear(access: RecordedAccess, said: tuple[Spoken | None, ...]) -> None:
        records: list[Record | None] = [
            maker.record(access, one) for maker, one in zip(makers, said, strict=True)
        ]
        if records[0] is not None:
            dry_run.write(records[0])
        if contrast is not None:
            contrast.observe(records[0], records[1])

    replay.run(candidates, hear)


def _notes(losses: Losses, candidates: Sequence[Candidate], coverage: Coverage) -> list[str]:
    """Say what the report does not rest on."""
    missing = sorted({name for each in candidates for name in each.unrecorded(coverage)})
    said = []
    if missing:
        said.append(
            f"some rules are about operations that were not recorded: {', '.join(missing)}; "
            "record them with enforcer record (--events, --descriptors, --syscalls)"
        )
    if any(candidate.asks_containers for candidate in candidates):
        said += _notes_on_containers(coverage)
    are_marked = any(candidate.marks is not None for candidate in candidates)
    if losses.accesses:
        marks = "; the marks that they would have set are missing" if are_marked else ""
        said.append(f"{plural(losses.accesses, 'operation')} were lost while recording{marks}")
    if losses.lines:
        said.append(f"{plural(losses.lines, 'start')} of processes were lost while recording")
    if losses.unknown_lines:
        said.append(
            f"the parents of {plural(losses.unknown_lines, 'program')} are not known: onError "
            "decided for rules on parents and "
            f"ancestors{', and earlier marks are missing' if are_marked else ''}"
        )
    if losses.torn:
        said.append(f"the journal is incomplete: {losses.torn:,} bytes at its end were left out")
    elif not losses.is_ended:
        said.append("the recording did not end properly: its last second may be missing")
    if losses.damaged or losses.malformed:
        said.append(
            f"{plural(losses.damaged, 'block')} and {plural(losses.malformed, 'record')} are damaged "
            "and were left out"
        )
    return said


def _notes_on_containers(coverage: Coverage) -> list[str]:
    said = []
    if coverage.strangers:
        said.append(
            "some rules ask for the container or pod, and "
            f"{plural(len(coverage.strangers), 'container')} could not be identified: onError "
            "decided there"
        )
    if coverage.changed:
        said.append(
            "some rules ask for the container or pod, and "
            f"{plural(len(coverage.changed), 'workload')} changed during the recording: onError "
            "decided for what changed"
        )
    return said
