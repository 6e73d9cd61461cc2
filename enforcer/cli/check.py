# SPDX-License-Identifier: MIT
"""
Read policies, compile them, and report everything that is wrong, each with file:line:column.

Nothing is loaded into the kernel, and no privileges are needed. With --config, the configuration of
the service is read instead.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from enforcer import places
from enforcer.amounts import plural, size
from enforcer.cli.arguments import add_policies, file_path
from enforcer.cli.colours import add_color
from enforcer.cli.exits import ConfigErrors, Exit, UsageError, code_of
from enforcer.cli.folding import folded, width_of
from enforcer.cli.formats import JSON, SARIF, TEXT, add_output, print_document
from enforcer.cli.messages import tell
from enforcer.errors import PolicyError, PolicyErrors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from enforcer.cli.document_types import CheckDocument, DecidedDocument
    from enforcer.cli.findings import Finding
    from enforcer.cli.where_decided import Decided
    from enforcer.policy.model.policy import PolicySet, Rule

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer check policies/                every policy of a folder
  enforcer check a.yaml b.yaml            these together, as `start a.yaml b.yaml` would
  enforcer check --explain a.yaml         and which hook decides each rule, and why
  enforcer check --sarif policies/ >enforcer.sarif
                                          for code hosting
  enforcer check --config                 the configuration that the service reads
  generate-policy | enforcer check -      what comes on standard input

exit code 1 if there is an error, 2 if a file cannot be opened or the configuration is wrong; warnings
alone do not change it.
"""


_DEEPER = "    "
_WHOSE = ("rules", "rules on system calls and functions")


@attrs.frozen
class _Checked:
    """
    What was read and found.

    Attributes:
        code: with which the command ends.
        counts: of policies, of rules, and of bytes of the image; None if there is no image.
        enforces: how many policies enforce and how many do not, if not all of them do.
        decided: where each rule is decided, and what is not known of that; None if that was not asked.
    """

    code: Exit
    findings: tuple[Finding, ...] = ()
    counts: tuple[int, int, int] | None = None
    decided: tuple[Sequence[Decided], Sequence[str]] | None = None
    enforces: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    add_policies(parser, optional=False, is_needed=False)
    parser.add_argument(
        "--config",
        metavar="FILE",
        nargs="?",
        type=file_path,
        const=places.CONFIG,
        help=f"read this configuration file, and no policies (default: {places.CONFIG})",
    )
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
    add_color(add_output(parser, SARIF))
    parser.set_defaults(refuse=parser.error)


def run(args: argparse.Namespace) -> int:
    """Check."""
    if args.config is None and not args.policies:
        args.refuse("the following arguments are required: POLICY")
    if args.config is not None and (args.policies or args.explain):
        raise UsageError("--config is about no policies: check them by another command")
    try:
        checked = _check(args) if args.config is None else _check_config(args.config)
    except (ConfigErrors, PolicyErrors, PolicyError) as error:
        if args.form == TEXT:
            raise
        checked = _refused(error)
    if args.form == JSON:
        print_document(_document(checked))
    elif args.form == SARIF:
        from enforcer.cli.sarif import sarif

        print_document(sarif(checked.findings, Path.cwd()))
    else:
        _print(args, checked)
    return checked.code


def _check(args: argparse.Namespace) -> _Checked:
    from enforcer.cli.findings import found_in
    from enforcer.runtime.policies.compilation import Sources, prepare

    policies = Sources(tuple(args.policies)).load()
    prepared = prepare(policies, is_thorough=True, is_verbose=args.verbose)
    found = found_in(prepared)
    return _Checked(
        Exit.OK,
        tuple(each for each in found if not args.quiet or each.severity != "info"),
        (len(policies.policies), prepared.n_rules, len(prepared.data)),
        _explain(policies) if args.explain else None,
        _enforces(policies),
    )


def _enforces(policies: PolicySet) -> str:
    from enforcer.runtime.control.posture import Tally
    from enforcer.runtime.control.report import facts_of
    from enforcer.runtime.policies.runtime_changes import Overlay

    tally = Tally.of(facts_of(policies, Overlay()))
    return tally.words if tally.enforcing < len(policies.policies) else ""


def _check_config(file: Path) -> _Checked:
    from enforcer.cli.config import read_config
    from enforcer.cli.findings import of_settings
    from enforcer.cli.settings import verifier_of

    settings = read_config(file)
    settings.require_sense(is_service=True)
    settings.all_outputs()
    verifier_of(settings)
    return _Checked(Exit.OK, of_settings(settings, file))


def _refused(error: ConfigErrors | PolicyErrors | PolicyError) -> _Checked:
    from enforcer.cli.findings import of_errors

    if isinstance(error, ConfigErrors):
        return _Checked(Exit.USAGE, of_errors(error.errors, is_configuration=True))
    errors = error.errors if isinstance(error, PolicyErrors) else (error,)
    return _Checked(code_of(errors), of_errors(errors))


def _explain(policies: PolicySet) -> tuple[list[Decided], list[str]]:
    from enforcer.cli.where_decided import decided
    from enforcer.kernel import entries
    from enforcer.policy.lint.degradation import is_at_call
    from enforcer.runtime.policies.too_late import find_gaps, why_late

    def late(rule: Rule) -> str | None:
        return why_late(entries.problem(), rule)

    def nobody_knows(rule: Rule) -> None:
        del rule

    if os.geteuid() != 0:
        limit = "not checked: what this kernel can refuse, which needs root"
        return list(decided(policies, nobody_knows)), [limit]
    found = list(decided(policies, late))
    rules = [rule for policy in policies.policies for rule in policy.rules]
    limits = [
        f"{_WHOSE[gap.at_calls]} do not decide every time: {gap.why}: {gap.remedy}"
        for gap in find_gaps()
        if not gap.at_calls or any(map(is_at_call, rules))
    ]
    return found, limits


# ---- What is printed -----------------------------------------------------------------------------


def _print(args: argparse.Namespace, checked: _Checked) -> None:
    tell((each.line, each.span, each.severity) for each in checked.findings)
    if checked.decided is not None:
        rules, limits = checked.decided
        width = width_of(sys.stdout)
        for line in (*(line for rule in rules for line in rule.lines()), *limits):
            for part in folded(line, width, deeper=_DEEPER):
                print(part)
    if args.quiet:
        return
    if checked.counts is None:
        print(f"ok: {args.config}")
        return
    policies, rules_number, image = checked.counts
    found = [plural(policies, "policy"), plural(rules_number, "rule")]
    if warnings := sum(each.severity == "warning" for each in checked.findings):
        found.append(plural(warnings, "warning"))
    print(f"ok: {', '.join(found)}, an image of {size(image)}")
    if checked.enforces:
        print(checked.enforces)


def _document(checked: _Checked) -> CheckDocument:
    policies, rules, image = checked.counts or (None, None, None)
    document: CheckDocument = {
        "version": 1,
        "ok": checked.code == Exit.OK,
        "policies": policies,
        "rules": rules,
        "imageBytes": image,
        "findings": [each.document for each in checked.findings],
    }
    if checked.decided is not None:
        document["decided"] = [_decided(each) for each in checked.decided[0]]
        document["limits"] = list(checked.decided[1])
    return document


def _decided(decided: Decided) -> DecidedDocument:
    return {
        "policy": decided.policy.name,
        "rule": decided.rule.name,
        "place": str(decided.rule.span),
        "says": decided.says,
        "notes": list(decided.notes),
    }
