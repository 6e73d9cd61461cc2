# SPDX-License-Identifier: MIT
"""Objects that are nested deeper than Python reads: they keep no other object of a list away."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kube_fakes import SPEC

from enforcer.cluster.agent import client
from enforcer.cluster.agent.client import parse
from enforcer.cluster.agent.errors import GarbageError
from enforcer.cluster.agent.policy_text import policy_text
from enforcer.cluster.agent.resource import POLICIES
from enforcer.errors import PolicyErrors
from enforcer.policy.store import load_text

PLAIN = {"metadata": {"name": "web", "namespace": "shop"}, "spec": SPEC}


def listed(deep):
    """Return a list of two objects, the second with *deep*, which is JSON, in its spec."""
    two = {**PLAIN, "spec": {**SPEC, "more": "HERE"}}
    return json.dumps({"items": [PLAIN, two], "n": "]}"}).replace('"HERE"', deep).encode()


@pytest.mark.parametrize("levels", [900, 1500, 9998, 200_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a": ', "}"), ('[1, {"a]": ', "}]")])
def test_a_list_with_a_deep_object_is_read(levels, left, right):
    """All of it but what is deep inside, and the object stays one that no engine takes."""
    found = parse(listed(f"{left * levels}1{right * levels}"))

    plain, deep = found["items"]
    assert PLAIN == plain
    assert "]}" == found["n"]
    text = policy_text(deep, ("shop", "web"), POLICIES[0])
    with pytest.raises(PolicyErrors, match="nested deeper than 64 levels"):
        load_text(text, "p.yaml")


@pytest.mark.parametrize("deep", ["[" * 20_000, "[" * 20_000 + "}" * 20_000, "[" * 20_000 + '"'])
def test_what_is_no_json_is_garbage(deep):
    """However deep."""
    with pytest.raises(GarbageError):
        parse(listed(deep))


_JSON = st.recursive(
    st.none() | st.integers() | st.text(alphabet='ab"\\[]{}\n', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('"\\[]{}', max_size=3), inner, max_size=3)
    ),
    max_leaves=20,
)


def cut(value, levels):
    if not isinstance(value, (dict, list)):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [cut(each, levels - 1) for each in value]
    return {key: cut(each, levels - 1) for key, each in value.items()}


@given(_JSON, st.integers(1, 4))
def test_only_what_is_deep_is_left_out(value, levels):
    """Whatever brackets there are in texts and keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_LEVELS", levels)
        found = json.loads(client._shallow(json.dumps(value).encode()))

    assert cut(value, levels) == found
