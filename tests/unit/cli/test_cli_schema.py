# SPDX-License-Identifier: MIT
"""The schemas of what commands print, and the options by which they print it."""

import argparse
import json
import sys
from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypedDict

import jsonschema
import pytest
from printed import document

from enforcer.cli.commands import COMMANDS, parser
from enforcer.cli.exits import Exit
from enforcer.cli.main import main
from enforcer.cli.schema_page import renew
from enforcer.cli.schemas import DOCUMENTS, SCHEMAS, schema
from enforcer.cli.typed_schema import schema_of
from enforcer.errors import UnsupportedError
from enforcer.kernel_counters import COUNTERS
from enforcer.libbpf.abi import STATS

ROOT = Path(__file__).parents[3]

WITHOUT = {"start", "kube", "kube-webhook", "dashboard", "completion", "help"}
"""Commands that report nothing: their output is a log, a screen, a script, a text."""


class Inner(TypedDict):
    word: Annotated[Literal["a", "b"], "One of two."]


class Base(TypedDict, total=False):
    maybe: Annotated[int, "Not always there."]


class Sample(Base):
    """Everything that a document may have."""

    version: Literal[1]
    items: Annotated[list[Inner], "Some."]
    counts: dict[str, int]
    place: str | None
    inner: Inner | None
    rate: NotRequired[float]


def test_a_schema_says_what_the_type_says():
    """Every form that types of documents have, once."""
    inner = {
        "type": "object",
        "properties": {"word": {"description": "One of two.", "enum": ["a", "b"]}},
        "required": ["word"],
    }

    assert {
        "type": "object",
        "properties": {
            "maybe": {"description": "Not always there.", "type": "integer"},
            "version": {"const": 1},
            "items": {"description": "Some.", "type": "array", "items": inner},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "place": {"type": ["string", "null"]},
            "inner": {"anyOf": [inner, {"type": "null"}]},
            "rate": {"type": "number"},
        },
        "required": ["version", "items", "counts", "place", "inner"],
    } == schema_of(Sample)


def test_only_a_strict_schema_refuses_what_it_does_not_name():
    """At every depth."""
    found = {"version": 1, "items": [{"word": "a", "new": 1}], "counts": {}, "place": None}
    found["inner"] = None

    jsonschema.validate(found, schema_of(Sample))
    with pytest.raises(jsonschema.ValidationError, match="'new' was unexpected"):
        jsonschema.validate(found, schema_of(Sample, is_strict=True))


def test_what_json_does_not_have_is_no_document():
    """It would be found by the first who writes it."""
    with pytest.raises(TypeError, match="bytes"):
        schema_of(bytes)


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("is_strict", [False, True])
def test_every_schema_is_one(name, is_strict):
    """By its own dialect."""
    jsonschema.Draft202012Validator.check_schema(schema(name, is_strict=is_strict))


def undescribed(where, form):
    """Yield the keys below *form* that nobody has described."""
    for key, value in form.get("properties", {}).items():
        if "description" not in value:
            yield f"{where}.{key}"
        yield from undescribed(f"{where}.{key}", value)
    for part in (form.get("items"), form.get("additionalProperties"), *form.get("anyOf", ())):
        if isinstance(part, dict):
            yield from undescribed(where, part)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_key_is_described(name):
    """Also in objects within others, and the object has at least a version and something more."""
    made = schema(name)

    assert [] == list(undescribed(name, made))
    assert "version" in made["required"]
    assert 1 < len(made["properties"])


def test_a_schema_is_printed(capsys):
    """As it is made."""
    assert Exit.OK == main(["schema", "check"])

    assert schema("check") == json.loads(capsys.readouterr().out)


def test_schemas_are_listed(capsys):
    """As text, and as a document that has a schema itself."""
    assert Exit.OK == main(["schema"])
    lines = capsys.readouterr().out.splitlines()
    assert Exit.OK == main(["schema", "-o", "json"])
    listed = document("schemas", capsys.readouterr().out)["schemas"]

    assert ["schema", *SCHEMAS] == [line.split()[0] for line in lines]
    assert [*SCHEMAS] == [each["name"] for each in listed]


def test_what_is_no_schema_is_said(capsys):
    """With what was probably meant."""
    assert Exit.USAGE == main(["schema", "polcy"])

    assert "did you mean 'policy'?" in capsys.readouterr().err


def test_the_page_on_json_is_current():
    """docs/json.md carries the tables as they are: whoever renames a key or a kind sees it there."""
    page = (ROOT / "docs/json.md").read_text("utf-8")

    assert renew(page) == page
    assert "| `findings[].place` | text or null |" in page
    assert "| `missing-path` |" in page


# ---- Options -----------------------------------------------------------------------------------


def parsers():
    """Yield every command, and every action of one, with its parser."""
    root = parser(COMMANDS)
    pending = [("", root)]
    while pending:
        name, each = pending.pop()
        below = [a for a in each._actions if isinstance(a, argparse._SubParsersAction)]
        pending += [(f"{name} {word}".strip(), p) for a in below for word, p in a.choices.items()]
        if not below:
            yield name, each


@pytest.mark.parametrize(("name", "command"), list(parsers()), ids=lambda v: v or "")
def test_whoever_reports_has_the_same_options(name, command):
    """Both spellings, from the one place that has them."""
    options = {word: action for action in command._actions for word in action.option_strings}

    if name in WITHOUT:
        assert not {"-o", "--output", "--json"} & options.keys()
        return
    assert {"-o", "--output", "--json"} <= options.keys()
    assert {"text", "json"} <= set(options["-o"].choices)
    assert {"form"} == {options[word].dest for word in ("-o", "--output", "--json")}
    assert options["-o"] is options["--output"]


@pytest.mark.parametrize(
    "words", [["--json"], ["-o", "json"], ["-ojson"], ["--output", "json"], ["--output=json"]]
)
def test_every_spelling_prints_the_same(words, capsys):
    """A document of the schema."""
    assert Exit.OK == main(["version", *words])
    found = document("version", capsys.readouterr().out)
    assert Exit.OK == main(["version", *words, "-o", "text"])

    lines = capsys.readouterr().out.splitlines()
    assert f"enforcer {found['enforcer']}" == lines[0], "the last option counts"
    assert [f"libbpf {found['libbpf']}", f"ABI {found['abi']}"] == lines[1:3]
    assert found["problem"] is None


class Missing:
    """A module of the extension where libbpf is not installed."""

    def __getattr__(self, name):
        raise UnsupportedError("libbpf.so.1 is missing: install libbpf1")


def test_a_part_that_cannot_be_loaded_is_in_the_document(monkeypatch, capsys):
    """That is what is looked for."""
    monkeypatch.setitem(sys.modules, "enforcer.libbpf.calls", Missing())

    assert Exit.OK == main(["version", "--json"])
    found = document("version", capsys.readouterr().out)
    assert Exit.OK == main(["version"])

    assert (None, None) == (found["libbpf"], found["abi"])
    assert "libbpf.so.1 is missing: install libbpf1" == found["problem"]
    assert "libbpf: libbpf.so.1 is missing: install libbpf1" in capsys.readouterr().out


def test_another_form_is_wrong_usage(capsys):
    """It is not taken for the name of a file."""
    with pytest.raises(SystemExit) as ended:
        main(["version", "-o", "out.txt"])

    assert Exit.USAGE == ended.value.code
    assert "'out.txt' is not one of text, json" in capsys.readouterr().err


def test_every_counter_of_the_kernel_side_is_explained():
    """Those of the programs, and the kernel's own."""
    assert {*(name.lower() for name in STATS), "passed_by"} == COUNTERS.keys()
