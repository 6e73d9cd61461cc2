# SPDX-License-Identifier: MIT
"""
Show for each word by which a rule can ask what this kernel can do: prevent it, kill after it, observe
it, or nothing.

The answer comes from loading and attaching small programs, not from versions or configuration files.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from enforcer.cli.arguments import require_root
from enforcer.cli.colours import add_color
from enforcer.cli.exits import Exit
from enforcer.cli.folding import folded, width_of
from enforcer.cli.formats import JSON, add_output, print_document
from enforcer.cli.output import console

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterable, Sequence

    from rich.table import Table

    from enforcer.cli.document_types import DoctorDocument
    from enforcer.kernel.probe import OperationSupport, Report

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer doctor
  enforcer doctor --json | jq .problems

exit code 3 if the kernel can prevent nothing.
"""

_STYLES = {"prevent": "green", "kill after": "yellow", "observe": "cyan", "nothing": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_color(add_output(parser))


def run(args: argparse.Namespace) -> int:
    """Examine the kernel."""
    from enforcer.kernel.probe import examine

    require_root("examining the kernel")
    report = examine()
    if args.form == JSON:
        print_document(_document(report))
    else:
        _show(report)
    return Exit.OK if report.can_prevent else Exit.KERNEL


def _document(report: Report) -> DoctorDocument:
    return {
        "version": 1,
        "kernel": report.kernel,
        "canPrevent": report.can_prevent,
        "enforcesAt": report.at.value if report.at is not None else None,
        "operations": [
            {"operation": a.word, "gives": a.gives, "hooks": list(a.hooks), "reason": a.reason}
            for a in _answers(report)
        ],
        "problems": [{"what": p.what, "remedy": p.remedy} for p in report.problems],
    }


class _Answer(NamedTuple):
    """What this kernel can do about what policies call *word*."""

    word: str
    gives: str
    hooks: tuple[str, ...]
    reason: str | None


def _answers(report: Report) -> list[_Answer]:
    """Gather the operations that policies ask about by one word, in the order of the first ones."""
    parts: dict[str, list[OperationSupport]] = {}
    for each in report.operations:
        for word in each.words:
            parts.setdefault(word, []).append(each)
    answers = [_answer(word, of_word) for word, of_word in parts.items()]
    # Operations have their numbers as they came; who looks for one looks among those of its event.
    events = list(dict.fromkeys(_event(each.word) for each in answers))
    return sorted(answers, key=lambda each: events.index(_event(each.word)))


def _event(word: str) -> str:
    return word.partition(".")[0]


def _answer(word: str, parts: Sequence[OperationSupport]) -> _Answer:
    from enforcer.kernel.probe import NOTHING
    from enforcer.policy.language.kinds import Op
    from enforcer.policy.language.operations import OPERATION_TABLE

    fields = [OPERATION_TABLE[Op[part.op]].by_field for part in parts]
    ordinary = next(part for part, field in zip(parts, fields, strict=True) if not field)
    # What has a gap cannot be prevented.
    worst = next((part for part in parts if part.gives == NOTHING), ordinary)
    said = [worst.reason] if worst.reason else []
    said += [
        f"with {field}: {part.gives}, {part.reason}"
        for part, field in zip(parts, fields, strict=True)
        if field and part.gives not in {NOTHING, worst.gives}
    ]
    hooks = dict.fromkeys(hook for part in parts for hook in part.hooks)
    return _Answer(word, worst.gives, tuple(hooks), "; ".join(said) or None)


def _show(report: Report) -> None:
    from enforcer.kernel.probe import NOTHING

    out = console()
    width = width_of(sys.stdout)
    known = {problem.what for problem in report.problems}
    out.print(f"Linux {report.kernel}\n", soft_wrap=True)
    answers = _answers(report)
    if any(each.gives != NOTHING for each in answers):
        out.print(_table(answers, known))
        out.print()
    said = [f"problem: {problem.what}: {problem.remedy}" for problem in report.problems]
    if report.way is not None:
        said.append(f"Enforced at: {report.way}.")
    can = "enforce policies" if report.can_prevent else "prevent nothing"
    for line in (*said, f"This kernel can {can}."):
        for part in folded(line, width):
            out.print(part, soft_wrap=True)


def _table(answers: Iterable[_Answer], known: Collection[str]) -> Table:
    """Make the table; reasons that are *known* are not said again."""
    from rich.table import Table
    from rich.text import Text

    table = Table("a rule with", "this kernel can", "on hook", "note", box=None, pad_edge=False)
    for each in answers:
        table.add_row(
            each.word,
            Text(each.gives, style=_STYLES.get(each.gives, "")),
            ", ".join(each.hooks),
            each.reason if each.reason and each.reason not in known else "",
        )
    return table
