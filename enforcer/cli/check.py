# SPDX-License-Identifier: MIT
"""
Read policies, compile them, and report everything that is wrong, each with file:line:column.

Nothing is loaded into the kernel, and no privileges are needed.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from enforcer.cli.arguments import add_policies
from enforcer.cli.exits import Exit
from enforcer.cli.output import plural, size

if TYPE_CHECKING:
    import argparse

    from enforcer.policy.model.policy import PolicySet, Rule

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer check policies/                every policy of a folder
  enforcer check a.yaml b.yaml            these together, as `start a.yaml b.yaml` would
  enforcer check --explain a.yaml         and which hook decides each rule, and why
  generate-policy | enforcer check -      what comes on standard input

exit code 1 if there is an error, 2 if a file cannot be opened; warnings alone do not change it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_policies(parser, optional=False)
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument(
        "--quiet", "-q", action="store_true", help="print errors and warnings only"
    )
    how_much.add_argument(
        "--verbose",
        "-v",
        action="store_true",
        help="print a remark for every rule that it is about, not only for the first",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="say which hook decides each rule, and why",
    )


def run(args: argparse.Namespace) -> int:
    """Check."""
    from enforcer.runtime.policies.compilation import Sources, prepare

    policies = Sources(tuple(args.policies)).load()
    prepared = prepare(policies, is_thorough=True, is_verbose=args.verbose)
    for line in (*prepared.warnings, *(() if args.quiet else prepared.remarks)):
        print(line, file=sys.stderr)
    if args.explain:
        _explain(policies)
    if not args.quiet:
        found = [plural(len(policies.policies), "policy"), plural(prepared.n_rules, "rule")]
        if prepared.warnings:
            found.append(plural(len(prepared.warnings), "warning"))
        print(f"ok: {', '.join(found)}, an image of {size(len(prepared.data))}")
    return Exit.OK


def _explain(policies: PolicySet) -> None:
    from enforcer.cli.where_decided import decided
    from enforcer.kernel import entries
    from enforcer.runtime.policies.too_late import find_gap, why_late

    def late(rule: Rule) -> str | None:
        return why_late(entries.problem(), rule)

    def nobody_knows(rule: Rule) -> None:
        del rule

    may_try = os.geteuid() == 0
    for line in decided(policies, late if may_try else nobody_knows):
        print(line)
    if may_try and (gap := find_gap()) is not None:
        print(f"rules do not decide every time: {gap}")
    if not may_try:
        print("not checked: what this kernel can refuse, which needs root")
