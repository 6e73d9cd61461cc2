# SPDX-License-Identifier: MIT
"""
Findings as SARIF 2.1.0, which code hosting shows beside the lines.

Files below the working directory are named relative to it, as a pipeline has them that checks a repository.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from enforcer import __version__
from enforcer.policy.lint.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from enforcer.cli.findings import Finding

__all__ = ["VERSION", "sarif"]

VERSION: Final = "2.1.0"

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}


def sarif(findings: Iterable[Finding], folder: Path) -> dict[str, object]:
    """Return *findings* as a log of one run in *folder*."""
    numbers = {kind: number for number, kind in enumerate(KINDS)}
    return {
        "$schema": _SCHEMA,
        "version": VERSION,
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "enforcer",
                        "version": __version__,
                        "rules": [
                            {"id": kind, "shortDescription": {"text": says}}
                            for kind, says in KINDS.items()
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(each, numbers[each.kind], folder) for each in findings],
            }
        ],
    }


def _result(finding: Finding, number: int, folder: Path) -> dict[str, object]:
    made: dict[str, object] = {
        "ruleId": finding.kind,
        "ruleIndex": number,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
    }
    if finding.span is not None:
        region = {"startLine": finding.span.line, "startColumn": finding.span.column}
        place = {"artifactLocation": _artifact(finding.span.file, folder), "region": region}
        made["locations"] = [{"physicalLocation": place}]
    return made


def _artifact(file: str, folder: Path) -> dict[str, str]:
    path = Path(os.path.normpath(folder / file))
    if path.is_relative_to(folder):
        return {"uri": quote(str(path.relative_to(folder))), "uriBaseId": "%SRCROOT%"}
    return {"uri": path.as_uri()}
