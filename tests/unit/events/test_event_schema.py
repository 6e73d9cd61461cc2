# SPDX-License-Identifier: MIT
"""The published form of records, and whether records have it."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from fakes import denied
from synthetic import records

from enforcer.events.document import as_document
from enforcer.events.operations import OPERATIONS
from enforcer.events.schema import LOST, MATCH, Key, schema
from enforcer.events.types import Lost
from enforcer.sinks.jsonl import json_line

DOCS = Path(__file__).parents[3] / "docs"
STRICT = jsonschema.Draft202012Validator(schema(is_strict=True))


def all_keys(keys: tuple[Key, ...]):
    for key in keys:
        yield key
        if isinstance(key.form, tuple):
            yield from all_keys(key.form)


def test_the_published_schema_is_current():
    """docs/record.schema.json is the output of the generator, and obeys its own dialect."""
    stored = json.loads((DOCS / "record.schema.json").read_text("utf-8"))

    assert schema() == stored
    jsonschema.Draft202012Validator.check_schema(stored)


def test_records_of_every_kind_have_the_form():
    """Every operation, action and oddity; no key that the table does not name."""
    seen = set()
    for record in records(4000):
        seen.add("lost" if isinstance(record, Lost) else OPERATIONS[record.event.op].full)
        STRICT.validate(json.loads(json_line(record, {"site": "a"})))

    assert {"lost", *(names.full for names in OPERATIONS.values())} == seen


def test_every_key_occurs():
    """The table promises nothing that no record has."""

    def walk(document):
        for name, value in document.items():
            yield name
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, dict):
                    yield from walk(inner)

    seen = {name for record in records(4000) for name in walk(as_document(record))}

    assert seen | {"fields"} == {key.name for key in all_keys((*MATCH, *LOST))}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("kind", "other"),
        ("time", "yesterday"),
        ("action", "block"),
        ("severity", "urgent"),
        ("enforced", 1),
        ("more", "keys"),
        ("process", {}),
    ],
)
def test_other_forms_are_refused(key, value):
    """The schema would notice."""
    document = as_document(denied()) | {key: value}

    assert not STRICT.is_valid(document)


def test_a_later_record_of_this_version_passes_the_published_schema():
    """Keys may be added, so who validates by the published schema is not broken by it."""
    document = as_document(denied()) | {"later": 1}

    assert jsonschema.Draft202012Validator(schema()).is_valid(document)


def test_the_page_names_every_key():
    """docs/records.md speaks of what there is."""
    text = (DOCS / "records.md").read_text("utf-8")
    named = set(re.findall(r"`([A-Za-z]+)`", text))

    assert {key.name for key in all_keys((*MATCH, *LOST))} <= named
