# SPDX-License-Identifier: MIT
"""Outcomes of cases as a JUnit file, which pipelines show."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from enforcer.errors import PolicyError
    from enforcer.workbench.cases.judge import Outcome

__all__ = ["Suite", "junit"]

# XML has no way to write most control characters, not even escaped.
_UNWRITABLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@attrs.frozen
class Suite:
    """What became of one file of cases: *outcomes*, or *errors* that kept it from being tried."""

    path: Path
    outcomes: tuple[Outcome, ...] = ()
    errors: tuple[PolicyError, ...] = ()
    seconds: float = 0.0


def junit(suites: Sequence[Suite]) -> bytes:
    """Write *suites*."""
    top = ET.Element("testsuites", name="enforcer test")
    for suite in suites:
        _suite(top, suite)
    ET.indent(top)
    return bytes(ET.tostring(top, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(top: ET.Element, suite: Suite) -> None:
    failures = sum(not outcome.is_as_expected for outcome in suite.outcomes)
    made = ET.SubElement(
        top,
        "testsuite",
        name=_text(str(suite.path)),
        tests=str(len(suite.outcomes) + len(suite.errors)),
        failures=str(failures),
        errors=str(len(suite.errors)),
        time=f"{suite.seconds:.3f}",
    )
    for error in suite.errors:
        _child(
            _case(made, suite, "load", error.span.line if error.span else 1), "error", str(error)
        )
    for outcome in suite.outcomes:
        case = _case(made, suite, outcome.case.name, outcome.case.span.line)
        if outcome.problems:
            where = outcome.case.span
            _child(case, "failure", "\n".join(f"{where}: {each}" for each in outcome.problems))


def _case(suite_element: ET.Element, suite: Suite, name: str, line: int) -> ET.Element:
    file = _text(str(suite.path))
    return ET.SubElement(
        suite_element, "testcase", name=_text(name), classname=file, file=file, line=str(line)
    )


def _child(case: ET.Element, kind: str, text: str) -> None:
    first, *_ = text.splitlines() or [""]
    ET.SubElement(case, kind, message=_text(first)).text = _text(text)


def _text(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)
