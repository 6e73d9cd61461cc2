# SPDX-License-Identifier: MIT
"""
Print the JSON Schema of what enforcer prints as JSON, or reads. Without a name, list all of them.

Within a version of a document, keys are only added. So the schemas of what is printed permit keys that
they do not name.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from enforcer.cli.exits import Exit, UsageError
from enforcer.cli.formats import JSON, add_output, print_document

if TYPE_CHECKING:
    import argparse

    from enforcer.cli.document_types import SchemasDocument

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
examples:
  enforcer schema
  enforcer schema policy >policy.schema.json
  enforcer schema check                   of what `check -o json` prints
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="name of a schema")
    add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Print one, or the list."""
    from enforcer.cli.schemas import SCHEMAS, schema

    if args.name is not None and args.name not in SCHEMAS:
        from enforcer.policy.text.problems import suggest

        raise UsageError(
            f"{args.name!r} is no schema{suggest(args.name, SCHEMAS)}; `enforcer schema` lists them"
        )
    if args.name is not None:
        json.dump(schema(args.name), sys.stdout, indent=1, ensure_ascii=False)
        print()
    elif args.form == JSON:
        listed: SchemasDocument = {
            "version": 1,
            "schemas": [{"name": name, "of": each.of} for name, each in SCHEMAS.items()],
        }
        print_document(listed)
    else:
        from enforcer.cli.columns import columns

        rows = [(name, each.of) for name, each in SCHEMAS.items()]
        print(*columns(("schema", "of"), rows), sep="\n")
    return Exit.OK
