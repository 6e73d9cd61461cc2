# SPDX-License-Identifier: MIT
"""
Run test cases against policies, and say where a verdict is not the expected one.

The verdicts come from the same code that the kernel runs, built for this process. No privileges are
needed, and nothing is loaded or activated.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from enforcer.amounts import plural
from enforcer.cli.arguments import file_or_stdin, file_path
from enforcer.cli.colours import add_color
from enforcer.cli.exits import Exit, UsageError, code_of
from enforcer.cli.formats import JSON, TEXT, add_output, print_document
from enforcer.cli.messages import tell_errors

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from enforcer.cli.document_types import SuiteDocument, TestDocument
    from enforcer.workbench.cases.junit import Suite

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer test policies/                 every *.cases.yaml below
  enforcer test --junit build/policies.xml policies/
  enforcer test --policy candidate.yaml web.cases.yaml
                                          the same cases, other policies than the file names

exit code 5 if a verdict is not the expected one, 1 if a file is wrong, 2 if one cannot be opened.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument(
        "cases",
        metavar="CASES",
        nargs="+",
        type=file_or_stdin,
        help="file of cases, or folder with *.cases.yaml; - is standard input",
    )
    parser.add_argument(
        "--policy",
        dest="policies",
        metavar="POLICY",
        action="append",
        type=file_path,
        default=[],
        help="policy file or folder to use instead of those that the cases name; may be repeated",
    )
    parser.add_argument("--junit", metavar="FILE", type=file_path, help="write a JUnit file, too")
    parser.add_argument("--quiet", "-q", action="store_true", help="print only cases that differ")
    parser.add_argument("--verbose", "-v", action="store_true", help="print every case")
    add_color(add_output(parser))


def run(args: argparse.Namespace) -> int:
    """Try every file, and report all that differs."""
    from enforcer.workbench.cases.junit import junit

    paths = [path for given in args.cases for path in _files(given)]
    suites = [_try(path, args.policies) for path in paths]
    if args.form == TEXT:
        for suite in suites:
            _tell(suite, is_verbose=args.verbose)
    if args.junit is not None:
        try:
            args.junit.write_bytes(junit(suites))
        except OSError as error:
            raise UsageError(f"cannot write {args.junit}: {error.strerror}") from error
    errors = [error for suite in suites for error in suite.errors]
    wrong = len(errors)
    outcomes = [outcome for suite in suites for outcome in suite.outcomes]
    failed = sum(not outcome.is_as_expected for outcome in outcomes)
    if args.form == JSON:
        print_document(_document(suites, failed))
    elif not args.quiet or wrong or failed:
        said = f"{plural(len(outcomes), 'case')}, {failed} not as expected"
        said += f", {plural(wrong, 'error')}" if wrong else ""
        print(f"{'failed' if wrong or failed else 'ok'}: {said}")
    if wrong:
        return code_of(errors)
    return Exit.DIFFERS if failed else Exit.OK


def _files(given: Path) -> list[Path]:
    """List what *given* is: a file, or the files of cases in a folder."""
    from enforcer.policy.text.folders import CASES

    if not given.is_dir():
        return [given]
    found = sorted(path for path in given.rglob("*") if path.name.endswith(CASES))
    if not found:
        raise UsageError(f"{given} has no file of cases (*.cases.yaml): name one, or add one")
    return found


def _try(path: Path, policies: list[Path]) -> Suite:
    from enforcer.errors import PolicyError, PolicyErrors
    from enforcer.workbench.cases.judge import Table, judge
    from enforcer.workbench.cases.junit import Suite
    from enforcer.workbench.cases.reader import read_cases

    began = time.monotonic()
    try:
        cases = read_cases(path)
        named = policies or list(cases.policies)
        if not named:
            raise UsageError(f"{path} names no policies: add 'policies', or give --policy")
        outcomes = judge(cases.cases, Table.of(cases, named))
    except PolicyErrors as errors:
        return Suite(path, errors=errors.errors)
    except PolicyError as error:
        return Suite(path, errors=(error,))
    return Suite(path, outcomes, seconds=time.monotonic() - began)


def _document(suites: Sequence[Suite], failed: int) -> TestDocument:
    errors = sum(len(suite.errors) for suite in suites)
    return {
        "version": 1,
        "ok": not errors and not failed,
        "cases": sum(len(suite.outcomes) for suite in suites),
        "failed": failed,
        "errors": errors,
        "suites": [_suite(suite) for suite in suites],
    }


def _suite(suite: Suite) -> SuiteDocument:
    from enforcer.cli.findings import of_errors

    return {
        "file": str(suite.path),
        "seconds": round(suite.seconds, 3),
        "cases": [
            {
                "name": outcome.case.name,
                "place": str(outcome.case.span),
                "ok": outcome.is_as_expected,
                "verdict": outcome.enforced.verdict,
                "problems": list(outcome.problems),
            }
            for outcome in suite.outcomes
        ],
        "findings": [each.document for each in of_errors(suite.errors)],
    }


def _tell(suite: Suite, *, is_verbose: bool) -> None:
    tell_errors(suite.errors)
    for line in _lines(suite, is_verbose=is_verbose):
        print(line)


def _lines(suite: Suite, *, is_verbose: bool) -> Iterable[str]:
    for outcome in suite.outcomes:
        case = outcome.case
        for problem in outcome.problems:
            yield f"{case.span}: {case.name}: {problem}"
        if is_verbose and outcome.is_as_expected:
            yield f"{case.span}: {case.name}: {outcome.enforced}"
