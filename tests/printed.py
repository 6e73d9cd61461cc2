# SPDX-License-Identifier: MIT
"""What commands print as JSON, held to its schema."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema

from enforcer.cli.schemas import schema


@functools.cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """Return what a document must pass; no keys are permitted that the schema *name* does not have."""
    made = schema(name, is_strict=True)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


def document(name: str, text: str) -> Any:
    """Read *text*, which must be one document of the schema *name*."""
    found = json.loads(text)
    validator(name).validate(found)
    return found
