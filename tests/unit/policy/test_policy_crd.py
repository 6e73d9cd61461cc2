# SPDX-License-Identifier: MIT
"""Custom resource definitions without a server: they are structural, and refuse what they should."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args, get_type_hints

import jsonschema
import pytest
import yaml
from kube_objects import BROKEN, FORMS, READER, SERVER, broken, for_reader, quoted, shipped
from plain import documents
from policy_text import HEAD
from test_policy_tables import GOOD

from enforcer.errors import EnforcerBug, PolicyErrors
from enforcer.policy.build import API_VERSIONS, SPEC_KEYS
from enforcer.policy.language.kube import CLUSTER_POLICY, KINDS, NODE, POLICY, TETRAGON_POLICY
from enforcer.policy.readers.rules import RULE_KEYS
from enforcer.policy.schema.crd import DEFINITIONS, MAX_TENANT_RULES, definition, files
from enforcer.policy.schema.kube_status import MAX_FAILURES, STATES
from enforcer.policy.schema.structural import INT_OR_STRING, PRESERVE, Structural
from enforcer.policy.store import load_text
from enforcer.runtime.policies.quotas import Quota
from enforcer.runtime.policies.results import PolicyResult

FOLDER = Path(__file__).parents[3] / "packaging/kubernetes"
SCHEMAS = {
    each.kind: definition(each)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for each in DEFINITIONS
}
JUNCTORS = ("allOf", "anyOf", "oneOf")
OF_VALUES = {
    "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "multipleOf", "not", "pattern", "properties", "required", *JUNCTORS,
}  # fmt: skip
EXTENSIONS = {
    INT_OR_STRING, PRESERVE, "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-validations",
}  # fmt: skip
OUTSIDE = OF_VALUES | EXTENSIONS | {"additionalProperties", "description", "nullable", "type"}


def walk(form, place="."):
    """Yield every structural schema below *form*, with its place."""
    yield place, form
    for key, value in form.get("properties", {}).items():
        yield from walk(value, f"{place}{key}.")
    for key in ("items", "additionalProperties"):
        if key in form:
            yield from walk(form[key], f"{place}{key}.")


def faults(form):
    """Yield what is not structural in *form*, as the rules of an API server have it."""
    for place, each in walk(form):
        if unknown := each.keys() - OUTSIDE:
            yield f"{place}: {unknown} is no keyword"
        kind = each.get("type")
        free = each.get(INT_OR_STRING) or each.get(PRESERVE)
        if kind is None and not free:
            yield f"{place}: no type"
        if each.get(INT_OR_STRING) and (each.get(PRESERVE) or kind):
            yield f"{place}: a number or a text, and something else"
        if kind == "array" and "items" not in each:
            yield f"{place}: no items"
        if "properties" in each and "additionalProperties" in each:
            yield f"{place}: properties and additionalProperties exclude each other"
        if "pattern" in each:
            re.compile(each["pattern"])
        for junctor in JUNCTORS:
            for number, nested in enumerate(each.get(junctor, ())):
                yield from nested_faults(nested, each, f"{place}{junctor}[{number}]")
        if "not" in each:
            yield from nested_faults(each["not"], each, f"{place}not")


def nested_faults(form, outer, place):
    """Yield what may not stand in a junctor: it only judges values, of places that are known outside."""
    if wrong := form.keys() - OF_VALUES:
        yield f"{place}: {wrong} says more than what values are"
    for key, value in form.get("properties", {}).items():
        if key not in outer.get("properties", {}):
            yield f"{place}: {key} is not known outside"
        else:
            yield from nested_faults(value, outer["properties"][key], f"{place}.{key}")
    if "items" in form:
        yield from nested_faults(form["items"], outer.get("items", {}), f"{place}[]")
    for junctor in JUNCTORS:
        for nested in form.get(junctor, ()):
            yield from nested_faults(nested, outer, f"{place}.{junctor}")
    if "not" in form:
        yield from nested_faults(form["not"], outer, f"{place}.not")


def for_validator(form):
    """Return *form* for a validator of JSON Schema, which has other words for some of it."""
    if isinstance(form, list):
        return [for_validator(each) for each in form]
    if not isinstance(form, dict):
        return form
    out = {key: for_validator(value) for key, value in form.items()}
    if out.get(INT_OR_STRING) is True:
        out["type"] = ["integer", "string"]
    if out.get("nullable") is True and "type" in out:
        out["type"] = [out["type"], "null"]
    return out


VALIDATORS = {
    kind.kind: jsonschema.Draft4Validator(for_validator(form)) for kind, form in SCHEMAS.items()
}


def says_yes(found):
    """Tell whether a server would take *found*; what CEL says is tested on a real one."""
    names = [rule.get("name") for rule in _rules(found)]
    named = [name for name in names if name is not None]
    of_namespace = found["kind"] == POLICY.kind
    if of_namespace and len(set(named)) < len(named):
        return False
    return VALIDATORS[found["kind"]].is_valid(found)


def _rules(found):
    spec = found.get("spec")
    rules = spec.get("rules") if isinstance(spec, dict) else None
    return [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []


def test_the_files_are_current():
    """They are the output of the generator, and no others lie there."""
    stored = FOLDER.glob("crds*/*")
    assert files() == {str(path.relative_to(FOLDER)): path.read_text("utf-8") for path in stored}


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind.kind)
def test_schemas_are_structural(kind):
    """A server refuses a definition whose schema is not, or shows no fields of it."""
    assert [] == list(faults(SCHEMAS[kind]))
    assert "object" == SCHEMAS[kind]["type"]


@pytest.mark.parametrize(
    "form",
    [
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/b"}}},
        {"type": "object", "anyOf": [{"type": "object"}]},
        {"type": "object", "oneOf": [{"properties": {"a": {"minLength": 1}}}]},
        {"type": "object", "not": {"description": "a"}},
        {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}},
        {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {INT_OR_STRING: True, PRESERVE: True}}},
    ],
)
def test_what_is_not_structural_is_found(form):
    """The checker can fail."""
    assert list(faults(form))


@pytest.mark.parametrize("kind", [POLICY, CLUSTER_POLICY, TETRAGON_POLICY], ids=lambda k: k.kind)
def test_unknown_keys_stay(kind):
    """Below spec, and beside it. So the reader sees and refuses them, and the server drops nothing."""
    form = SCHEMAS[kind]
    places = {"": form, **dict(walk(form["properties"]["spec"], "spec."))}
    lose = [
        place
        for place, each in places.items()
        if each.get("type") == "object" and not each.get(PRESERVE) and "properties" in each
    ]
    assert [] == lose


@pytest.mark.parametrize("kind", [POLICY, CLUSTER_POLICY], ids=lambda kind: kind.kind)
def test_shipped_policies_are_taken(kind):
    """By the schema, as policies of a namespace or of the cluster."""
    found = list(shipped(kind))

    assert 25 < len(found)
    for each in found:
        VALIDATORS[kind.kind].validate(each)


def test_shipped_policies_are_read_as_those_of_the_cluster():
    """What the server has of them is a policy for the reader."""
    for each in shipped(CLUSTER_POLICY):
        (policy,) = load_text(for_reader(each), "p.yaml").policies
        assert each["metadata"]["name"] == policy.name


@pytest.mark.parametrize("what", BROKEN)
def test_broken_policies_are_refused(what):
    """By the server; or the server keeps them as they are, and the reader refuses them."""
    text, who = BROKEN[what]
    found = broken(text)

    if who == SERVER:
        assert not says_yes(found)
    else:
        assert says_yes(found)
        with pytest.raises(PolicyErrors):
            load_text(for_reader(found), "p.yaml")


@pytest.mark.parametrize("rule", [*GOOD, *FORMS])
def test_what_the_reader_takes_is_taken(rule):
    """Numbers among arguments and modes of files need quotes, and nothing else does."""
    (document,) = documents(f"{HEAD}spec: {{rules: [{rule}]}}\n")
    found = document | {"apiVersion": CLUSTER_POLICY.api_version, "kind": CLUSTER_POLICY.kind}

    assert says_yes(quoted(found))
    if "mode:" not in rule and "args:" not in rule:
        assert says_yes(found)


def test_a_form_that_no_structural_schema_has_is_a_bug():
    """Nothing that a schema says gets lost unnoticed."""
    writer = Structural({})

    for form in ({"description": "a"}, {"type": "object", "if": {"required": ["a"]}, "then": {}}):
        with pytest.raises(EnforcerBug):
            writer.write(form)


def test_enough_is_broken():
    """In many ways, for both."""
    assert len(BROKEN) >= 60
    assert {SERVER, READER} == {who for _, who in BROKEN.values()}


def test_what_kubectl_explains_has_texts():
    """Every key of spec and of a rule, and every condition."""
    spec = SCHEMAS[CLUSTER_POLICY]["properties"]["spec"]["properties"]
    rule = spec["rules"]["items"]["properties"]

    assert list(SPEC_KEYS) == list(spec)
    assert set(RULE_KEYS) == set(rule)
    assert [] == [key for key, form in {**spec, **rule}.items() if not form.get("description")]


def test_a_namespace_has_no_points_of_the_kernel():
    """And no more rules in one policy than in all of them."""
    rules = SCHEMAS[POLICY]["properties"]["spec"]["properties"]["rules"]

    assert Quota().rules == MAX_TENANT_RULES == rules["maxItems"]
    assert set(RULE_KEYS) - set(rules["items"]["properties"]) == {"lsm", "kprobe", "tracepoint"}


def test_statuses_are_those_of_the_table():
    """What nodes report has the words that the table explains."""
    node = SCHEMAS[NODE]["properties"]["status"]["properties"]
    policy = SCHEMAS[POLICY]["properties"]["status"]["properties"]

    said = get_type_hints(PolicyResult)["state"]
    assert set(STATES) == set(get_args(said))
    assert list(STATES) == node["policies"]["items"]["properties"]["state"]["enum"]
    assert "atomic" == node["policies"]["x-kubernetes-list-type"]
    assert MAX_FAILURES == policy["failures"]["maxItems"]


def test_definitions_are_of_the_kinds():
    """Names, scopes and versions are those of the table, and the reader takes the kinds of policies."""
    assert {*KINDS, TETRAGON_POLICY} == {each.kind for each in DEFINITIONS}
    for each in DEFINITIONS:
        found = yaml.safe_load(files()[each.file_name])
        assert f"{each.kind.plural}.{each.kind.group}" == found["metadata"]["name"]
        assert each.kind is NODE or each.kind.api_version in API_VERSIONS[each.kind.kind]
    scopes = {each.kind.kind: definition(each)["spec"]["scope"] for each in DEFINITIONS}
    assert "Cluster" == scopes[NODE.kind] == scopes[CLUSTER_POLICY.kind]
    assert "Namespaced" == scopes[POLICY.kind]


@pytest.mark.parametrize("each", DEFINITIONS, ids=lambda each: each.kind.kind)
def test_definitions_can_be_applied_by_a_client(each):
    """kubectl keeps a copy in an annotation, of which a server takes 256 KiB."""
    assert len(json.dumps(definition(each))) < 180_000
