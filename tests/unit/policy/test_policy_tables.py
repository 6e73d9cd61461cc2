# SPDX-License-Identifier: MIT
"""The tables of the language against the kernel's header, and what is derived from them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from textwrap import indent

import jsonschema
import pytest
from plain import documents
from policy_text import FILE, HEAD, USERS
from test_policy_broken import RULES
from test_policy_conditions import OBJECTS, PROCESSES

from enforcer.errors import PolicyErrors
from enforcer.policy.language import sockets
from enforcer.policy.language.symbols import CAPABILITIES
from enforcer.policy.language.vocabulary import (
    EVENTS,
    FIELDS,
    LIFTED_SYSCALLS,
    Dim,
    ObjectFlag,
    Op,
    SubjectFlag,
)
from enforcer.policy.model.policy import OnError, Verb
from enforcer.policy.readers import values
from enforcer.policy.readers.arguments import MAX_INDEX
from enforcer.policy.schema.fragments import up_to
from enforcer.policy.schema.limits import LIMITS
from enforcer.policy.schema.policy import schema
from enforcer.policy.schema.reference import renew
from enforcer.policy.store import load_text, policy_files

ROOT = Path(__file__).parents[3]
HEADER = (ROOT / "bpf/include/enforcer_abi.h").read_text("utf-8")
DOCUMENT = (ROOT / "docs/policy-language.md").read_text("utf-8")
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def _enum(prefix):
    pairs = re.findall(rf"\b{prefix}(\w+) = (\d+),", HEADER)
    return {name: int(number) for name, number in pairs}


def _defines(prefix):
    pairs = re.findall(rf"#define {prefix}(\w+) (0x[0-9a-f]+|\d+)\b", HEADER)
    return {name: int(number, 0) for name, number in pairs}


def test_operations_are_numbered_as_in_the_header():
    """A word of the language reaches the right bit of the mask."""
    assert {op.name: op.value for op in Op} == _enum("ENF_OP_")


def test_dimensions_are_numbered_as_in_the_header():
    """A field is compared with the right operand."""
    assert {dim.name: dim.value for dim in Dim} == _enum("ENF_DIM_")


def test_flags_are_those_of_the_header():
    """So are facts."""
    assert {f.name: f.value for f in ObjectFlag}.items() <= _defines("ENF_OF_").items()
    assert {f.name: f.value for f in SubjectFlag}.items() <= _defines("ENF_SF_").items()


def test_numbers_of_sockets_are_those_of_the_header():
    """What the kernel side adds to a family or a protocol is what the table counts."""
    added = _defines("ENF_")
    assert sockets.OF_VERSION_6 == added["FAMILY_V6"]
    assert sockets.BY_DEFAULT == added["PROTOCOL_DEFAULT"]


def test_what_counts_as_another_has_a_number_of_its_own():
    """A plain number is itself only, and what it counts as is one of these."""
    for field in FIELDS.values():
        for number, others in field.counts_as.items():
            assert number not in others
            assert set(others) <= set(field.names.values())


def test_verdicts_are_those_of_the_header():
    """Strictness is the order of these numbers."""
    actions = {k: v for k, v in _enum("ENF_ACT_").items() if k != "NONE"}
    assert {verb.name: verb.value for verb in Verb} == actions
    assert {o.name: o.value for o in OnError} == _enum("ENF_ERR_")


def test_limits_are_those_of_the_header():
    """What the loader lets through fits the image."""
    limits = _defines("ENF_")
    assert limits["PATH_MAX"] >= values.MAX_PATH
    assert limits["EXE_MAX"] >= values.MAX_BINARY
    assert limits["NAME_MAX"] >= values.MAX_XATTR
    assert limits["ARGV_MAX"] >= values.MAX_ARGUMENT
    assert limits["MAX_ARG_INDEX"] == MAX_INDEX + 1


def test_capabilities_are_numbered_as_by_the_kernel():
    """Spot checks at the ends and at the holes that are none."""
    assert (0, 21, 31, 40, 41) == (
        CAPABILITIES["CAP_CHOWN"],
        CAPABILITIES["CAP_SYS_ADMIN"],
        CAPABILITIES["CAP_SETFCAP"],
        CAPABILITIES["CAP_CHECKPOINT_RESTORE"],
        len(CAPABILITIES),
    )


def test_tables_refer_to_each_other():
    """Fields of operations and targets of system calls exist."""
    for event in EVENTS.values():
        for operation in event.operations.values():
            assert operation.fields <= set(FIELDS)
    for lift in LIFTED_SYSCALLS.values():
        for word in lift.operations.split():
            assert set(lift.args.values()) <= EVENTS[lift.event].operations[word].fields


def test_the_reference_is_current():
    """docs/policy-language.md carries the tables as they are."""
    assert renew(DOCUMENT) == DOCUMENT
    assert "| `mmapExec` |" in DOCUMENT


def test_every_limit_of_the_compiler_is_in_the_reference():
    """But for those of one point, of which the page on points tells."""
    sources = "".join(path.read_text() for path in (ROOT / "enforcer/compiler").glob("*.py"))
    asked = set(re.findall(r'limits\.check\(\s*"(\w+)"', sources))

    assert asked - {limit.name for limit in LIMITS} == {
        "ENF_POINT_NAME",
        "ENF_POINT_ARGS",
        "ENF_POINT_OPERANDS",
    }


def test_the_policies_of_the_reference_load():
    """Every whole policy, and every list of rules, in the reference is right."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    whole = [b for b in blocks if b.startswith("apiVersion")]
    specs = [b for b in blocks if b.startswith("spec:")]
    rules = [b for b in blocks if b.startswith("- exec") and "action" in b]
    assert whole
    assert specs
    assert rules
    for text in whole:
        assert load_text(text, FILE, USERS).policies
    for text in specs:
        with pytest.raises(PolicyErrors, match="no rule is on file"):
            load_text(HEAD + text, FILE, USERS)
        assert load_text(HEAD + text.replace("- file: {}", "- exec: {}").replace(
            "rules:", "rules:\n    - exec: {}"), FILE, USERS).policies  # fmt: skip
    for text in rules:
        assert load_text(f"{HEAD}spec:\n rules:\n{indent(text, '  ')}", FILE, USERS).policies


def test_the_schema_is_current():
    """policies/schema.json is the output of the generator."""
    stored = json.loads((ROOT / "policies/schema.json").read_text("utf-8"))
    assert SCHEMA == stored


def test_the_schema_is_one():
    """It obeys its own dialect."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


FILES = [*policy_files(ROOT / "policies"), *policy_files(ROOT / "scripts/pictures")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_shipped_policies_obey_the_schema(path):
    """An editor marks nothing in them."""
    for document in documents(path.read_bytes()):
        VALIDATOR.validate(document)


GOOD = [f"{{{e}, match: {{{m}}}, action: kill}}" for e, m, *_ in OBJECTS] + [
    f"{{exec: {{}}, match: {{process: {{{m}}}}}, action: deny}}" for m, *_ in PROCESSES
]
GOOD += [
    "{process: capability, match: {capability: 21}, action: deny}",
    "{process: capability, match: {capability: {in: [SYS_ADMIN, 38]}}, action: deny}",
    "{exec: {}, mark: online}",
    "{exec: {}, mark: {name: online, of: container}, onError: mark}",
    "{exec: {}, match: {within: {mark: a, last: 500ms}}, action: deny, rateLimit: 5/s}",
    "{exec: {}, match: {notWithin: [{mark: a/b, last: 1h}]}, action: log, rateLimit: {records: 5, per: 1d}}",
]


@pytest.mark.parametrize("rule", GOOD)
def test_the_schema_takes_what_the_builder_takes(rule):
    """No form of the language is marked as wrong."""
    (document,) = documents(f"{HEAD}spec:\n  rules:\n  - {rule}\n")
    VALIDATOR.validate(document)


def test_the_schema_refuses_wrong_words():
    """Most of what is broken in form is marked; what is broken in meaning may pass."""
    marked = [
        rule
        for rule, *_ in RULES
        if not VALIDATOR.is_valid(documents(f"{HEAD}spec:\n  rules:\n  - {rule}\n")[0])
    ]
    assert "{exec: {}, aktion: deny, action: deny}" in marked
    assert "{file: raed, action: deny}" in marked
    assert "{exec: {}}" in marked
    assert len(RULES) * 2 / 5 < len(marked)


def is_valid(spec):
    (document,) = documents(f"{HEAD}spec: {spec}\n")
    return VALIDATOR.is_valid(document)


@pytest.mark.parametrize(
    ("event", "condition", "good", "bad"),
    [
        ("network: connect", "port", ["0", "443", "65535", "1-1023", "'80'", "0x50"], ["65536", "70000", "-1", "70000-80000", "'99999'", "a"]),
        ("file: chmod", "mode", ["0644", "644", "7777", "'04755'"], ["8888", "10000"]),
        ("process: signal", "signal", ["term", "9", "SIGKILL"], ["70000", "-9"]),
        ("exec: {}", "process: {uid", ["0", "root", "4294967294"], ["4294967295", "-1"]),
    ],
)  # fmt: skip
def test_the_schema_knows_how_large_numbers_are(event, condition, good, bad):
    """As the builder does: by the largest of the field."""
    end = "}" if "{" in condition else ""

    def rule(value):
        return f"{{rules: [{{{event}, match: {{{condition}: {value}{end}}}, action: deny}}]}}"

    assert good == [value for value in good if is_valid(rule(value))]
    assert [] == [value for value in bad if is_valid(rule(value))]
    for value in (*good, *bad):
        text = f"{HEAD}spec: {rule(value)}\n"
        if value in good:
            assert load_text(text, FILE, USERS).policies
        else:
            with pytest.raises(PolicyErrors):
                load_text(text, FILE, USERS)


@pytest.mark.parametrize(
    ("match", "good"),
    [
        ("process: capability, match: {capability: {in: [SYS_ADMIN]}}", True),
        ("process: capability, match: {capability: 21}", True),
        ("process: capability, match: {capability: {any: [SYS_ADMIN]}}", False),
        ("process: capset, match: {gained: {any: [SYS_ADMIN]}}", True),
        ("process: capset, match: {gained: {in: [SYS_ADMIN]}}", False),
        ("process: capset, match: {gained: 21}", False),
    ],
)
def test_a_field_that_is_called_as_a_kind_has_its_own_form(match, good):
    """``capability`` is a number with names, and no set of capabilities: as the builder has it."""
    text = f"{HEAD}spec: {{rules: [{{{match}, action: deny}}]}}\n"

    assert good is VALIDATOR.is_valid(documents(text)[0])
    if good:
        assert load_text(text, FILE, USERS).policies
    else:
        with pytest.raises(PolicyErrors):
            load_text(text, FILE, USERS)


@pytest.mark.parametrize(
    ("spec", "good"),
    [
        ("{rules: [{exec: {}}]}", False),
        ("{rules: [{exec: {}, action: deny}]}", True),
        ("{rules: [{exec: {}, mark: online}]}", True),
        ("{actions: [{exec: {}, action: deny}], rules: [{exec: {}}]}", True),
        ("{default: deny, rules: [{exec: {}}]}", False),
    ],
)
def test_the_schema_asks_for_an_action(spec, good):
    """Unless the rule marks, or a list of actions may have one for it."""
    assert good is is_valid(spec)


@pytest.mark.parametrize("most", [0, 7, 9, 10, 65535, 7777, 100])
def test_numbers_in_texts_are_bounded(most):
    """Every number up to it and none above."""
    pattern = re.compile(up_to(most))

    assert all(pattern.fullmatch(str(number)) for number in range(most + 1))
    assert not any(
        pattern.fullmatch(str(n)) for n in (*range(most + 1, most + 2000), 10 * most + 70001)
    )
