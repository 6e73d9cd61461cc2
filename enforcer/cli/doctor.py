# SPDX-License-Identifier: MIT
"""
Show for each operation what this kernel can do: prevent it, kill after it, observe it, or nothing.

The answer comes from loading and attaching small programs, not from versions or configuration files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from enforcer.cli.arguments import require_root
from enforcer.cli.exits import Exit
from enforcer.cli.output import console

if TYPE_CHECKING:
    import argparse

    from enforcer.kernel.probe import Report

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
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Examine the kernel."""
    from enforcer.kernel.probe import examine

    require_root("examining the kernel")
    report = examine()
    if args.json:
        print(json.dumps(_document(report), indent=2))
    else:
        _show(report)
    return Exit.OK if report.can_prevent else Exit.KERNEL


def _document(report: Report) -> dict[str, object]:
    return {
        "version": 1,
        "kernel": report.kernel,
        "canPrevent": report.can_prevent,
        "enforcesAt": report.at.value if report.at is not None else None,
        "operations": [
            {"operation": o.op, "gives": o.gives, "hooks": list(o.hooks), "reason": o.reason}
            for o in report.operations
        ],
        "problems": [{"what": p.what, "remedy": p.remedy} for p in report.problems],
    }


def _show(report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    from enforcer.policy.language.operations import OPERATION_TABLE
    from enforcer.policy.language.vocabulary import Op

    out = console()
    known = {problem.what for problem in report.problems}
    table = Table("operation", "this kernel can", "on hook", "note", box=None, pad_edge=False)
    for each in report.operations:
        table.add_row(
            OPERATION_TABLE[Op[each.op]].full,
            Text(each.gives, style=_STYLES.get(each.gives, "")),
            ", ".join(each.hooks),
            each.reason if each.reason and each.reason not in known else "",
        )
    out.print(f"Linux {report.kernel}\n", soft_wrap=True)
    out.print(table)
    out.print()
    for problem in report.problems:
        out.print(f"problem: {problem.what}: {problem.remedy}", soft_wrap=True)
    if report.way is not None:
        out.print(f"Enforced at: {report.way}.", soft_wrap=True)
    out.print(f"This kernel can {'enforce policies' if report.can_prevent else 'prevent nothing'}.")
