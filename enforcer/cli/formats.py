# SPDX-License-Identifier: MIT
"""In which form a command prints what it reports. Every parser has its options from here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from enforcer.cli.arguments import Arguments

__all__ = ["JSON", "SARIF", "TEXT", "YAML", "add_output", "print_document"]

TEXT: Final = "text"
JSON: Final = "json"
YAML: Final = "yaml"
SARIF: Final = "sarif"

_OPTIONS: Final = (JSON, SARIF)
"""Forms that have an option of their own."""


def add_output(parser: Arguments, *others: str, what: str = "one JSON object") -> Arguments:
    """
    Add a group of options with the choice of a form: text, JSON and *others*; return it.

    If a form is chosen twice, the last one counts. *what* is printed as JSON, for the help.
    """
    forms = (TEXT, JSON, *others)
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--output",
        dest="form",
        metavar="FORM",
        choices=forms,
        default=TEXT,
        help=f"print {', '.join(forms[:-1])} or {forms[-1]} (default: {TEXT})",
    )
    for form in (form for form in forms if form in _OPTIONS):
        group.add_argument(
            f"--{form}",
            dest="form",
            action="store_const",
            const=form,
            default=TEXT,
            help=f"print {what}, as -o {form} does" if form == JSON else f"the same as -o {form}",
        )
    return group


def print_document(document: Mapping[str, object]) -> None:
    """Print *document* as one JSON object; ``enforcer schema`` says what is in it."""
    print(json.dumps(document, indent=2))
