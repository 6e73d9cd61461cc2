# SPDX-License-Identifier: MIT
"""The published form of records, and whether records have it."""

import json
import re
from pathlib import Path
from typing import NotRequired, get_args, get_origin, get_type_hints

import jsonschema
import pytest
from fakes import denied
from synthetic import records

from enforcer.events.document import as_document
from enforcer.events.document_types import LostDocument, MatchDocument
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


def typed_keys(kind):
    """The keys of a TypedDict: what its value is, and whether it is always there."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        is_optional = get_origin(hint) is NotRequired
        value = get_args(hint)[0] if is_optional else hint
        yield name, value, not is_optional and name in kind.__required_keys__


def assert_alike(keys, kind):
    """The table of *keys* and the TypedDict *kind* say the same, and so do the objects in them."""
    typed = {name: (value, is_always) for name, value, is_always in typed_keys(kind)}
    table = {key.name: key for key in keys if key.name != "fields"}

    assert {name: key.is_always for name, key in table.items()} == {
        name: is_always for name, (_, is_always) in typed.items()
    }
    for name, key in table.items():
        value, _ = typed[name]
        assert key.is_list == (isinstance(key.form, tuple) and get_origin(value) is list)
        if isinstance(key.form, tuple):
            assert_alike(key.form, get_args(value)[0] if key.is_list else value)


@pytest.mark.parametrize(("keys", "kind"), [(MATCH, MatchDocument), (LOST, LostDocument)])
def test_types_have_the_keys_of_the_table(keys, kind):
    """What type checkers know of a record is what the table says of it."""
    assert_alike(keys, kind)


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
