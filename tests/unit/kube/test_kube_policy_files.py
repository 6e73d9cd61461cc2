# SPDX-License-Identifier: MIT
"""Files of policies: names that hide and collide with nothing, and texts that mean what the objects say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kube_fakes import SPEC

from enforcer.cluster.agent.errors import GarbageError
from enforcer.cluster.agent.node_object import NodeObject
from enforcer.cluster.agent.policy_folder import PolicyFolder
from enforcer.cluster.agent.policy_state import PolicyStates
from enforcer.cluster.agent.policy_text import file_name, is_of, policy_text
from enforcer.cluster.agent.resource import POLICIES, Found, Listed, key_of
from enforcer.compiler import LocalHost, compile_policies
from enforcer.errors import PolicyErrors
from enforcer.policy.store import Trust, load_policies, load_text, policy_files
from enforcer.policy.text.digest import digest_of

NAMESPACED, CLUSTER, TETRAGON = POLICIES

_WORD = st.sampled_from(
    [
        "web",
        "shop.web",
        "x.cases",
        "enforcerpolicy",
        "web.clusterenforcerpolicy",
        "x.tetragonpolicy",
        "a" * 253,
    ]
)
KEYS = st.one_of(
    st.tuples(st.just(NAMESPACED), st.tuples(st.sampled_from(["shop", "web", "x" * 63]), _WORD)),
    st.tuples(st.just(TETRAGON), st.tuples(st.sampled_from(["shop", "web"]), _WORD)),
    st.tuples(st.just(CLUSTER), st.tuples(st.just(""), _WORD)),
)


def nested(levels, inside):
    found = inside
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (nested(9000, 1), "nested deeper than 64 levels"),
        (nested(62, [0] * 300_000), "the file is too large"),
        (["x" * 100] * 20_000, "the file is too large"),
        ("\ud800" * 1_100_000, r"p\.yaml"),
    ],
    ids=["deep", "deep and wide", "long", "no text"],
)
def test_what_no_engine_reads_is_not_written_whole(more, why):
    """An agent would need hundreds of megabytes for an object of kilobytes. It stays a policy that is refused."""
    found = {**item(("shop", "web")), "spec": {**SPEC, "more": more}}

    text = policy_text(found, ("shop", "web"), NAMESPACED)

    assert len(text) < 5 << 20
    with pytest.raises(PolicyErrors, match=why):
        load_text(text, "p.yaml")


def test_the_depth_that_an_engine_reads_is_kept():
    """Nothing of what could be a policy is left out: the reader finds what is wrong there."""
    found = {**item(("shop", "web")), "spec": {**SPEC, "more": nested(60, {"here": 1})}}

    text = policy_text(found, ("shop", "web"), NAMESPACED)

    assert b'"here": 1' in text
    with pytest.raises(PolicyErrors, match="'more' is not a key of spec"):
        load_text(text, "p.yaml")


def item(key, resource=NAMESPACED, spec=SPEC, **meta):
    namespace, name = key
    metadata = {"name": name, "resourceVersion": "7", "generation": 1}
    if namespace:
        metadata["namespace"] = namespace
    metadata |= meta
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        "spec": spec,
    }


@pytest.fixture
def folder(tmp_path):
    made = PolicyFolder(
        tmp_path / "policies",
        PolicyStates(tmp_path / "state"),
        NodeObject(tmp_path / "node", "node-1"),
    )
    made.open()
    return made


@given(objects=st.lists(KEYS, unique=True, max_size=12))
def test_each_object_has_a_file_of_its_own(tmp_path_factory, objects):
    """None is hidden from the engine, whatever it is called, and each is known to be of its kind."""
    folder = tmp_path_factory.mktemp("names")
    for resource, key in objects:
        name = file_name(key, resource)
        (folder / name).write_bytes(b"")
        assert [resource] == [each for each in POLICIES if is_of(name, each)]

    assert len(objects) == len(list(policy_files(folder)))


def test_what_the_agent_writes_is_read_and_compiled(folder):
    """From objects to an image: a policy of a namespace stays in it, one of the cluster is for the host."""
    shop, base = ("shop", "web"), ("", "base")
    folder.take(Listed(NAMESPACED, {shop: item(shop, uid="u", managedFields=[{"f": 1}])}))
    folder.take(Listed(CLUSTER, {base: item(base, CLUSTER)}))
    bash = ("shop", "bash")
    folder.take(Listed(TETRAGON, {bash: item(bash, TETRAGON)}))
    folder.write()

    policies = load_policies([folder.path], trust=Trust())
    compile_policies(policies, host=LocalHost.read(), generation=1)

    assert [("base", None), ("shop/bash", "shop"), ("shop/web", "shop")] == sorted(
        (policy.name, policy.namespace or None) for policy in policies.policies
    )


@pytest.mark.parametrize(
    "spec",
    [
        {**SPEC, "acton": "kill"},
        {"rules": [{**SPEC["rules"][0], "action": "dney"}]},
        {"rules": {"exec": {}}},
        {"rules": [{**SPEC["rules"][0], "match": {"path": "/bin/\udc00"}}]},
        {"rules": [{**SPEC["rules"][0], "match": {"path": "/bin/\u200b"}}]},
        "deny everything",
        None,
        [],
    ],
    ids=repr,
)
def test_what_is_wrong_is_written_for_the_engine_to_refuse(folder, spec):
    """With its place: nothing is left out until it is right."""
    key = ("shop", "web")
    folder.take(Found(NAMESPACED, key, item(key, spec=spec)))
    folder.write()

    with pytest.raises(PolicyErrors) as caught:
        load_policies([folder.path])

    assert all(error.span.file.startswith(str(folder.path)) for error in caught.value.errors)


def test_an_error_has_the_line_of_the_key(folder):
    """A text in one line would have its errors anywhere."""
    key = ("shop", "web")
    text = policy_text(item(key, spec={**SPEC, "acton": "kill"}), key, NAMESPACED)

    with pytest.raises(PolicyErrors) as caught:
        load_text(text, "web")

    (line,) = {error.span.line for error in caught.value.errors}
    assert b'"acton"' in text.splitlines()[line - 1]


def test_an_object_cannot_say_that_it_is_another(folder):
    """Its kind and its namespace come from where it was asked for."""
    key = ("shop", "web")
    lying = item(key) | {"kind": "ClusterEnforcerPolicy", "apiVersion": "enforcer/v1"}
    lying["metadata"] |= {"description": "mine"}

    text = policy_text(lying, key, NAMESPACED)

    (policy,) = load_text(text, "web").policies
    assert ("shop", "mine") == (policy.namespace, policy.description)


@pytest.mark.parametrize(
    "meta",
    [
        {"namespace": ""},
        {"namespace": None},
        {"namespace": "../etc"},
        {"namespace": "shop.web"},
        {"name": "../../etc/passwd"},
        {"name": ".hidden"},
        {"name": ""},
        {"name": 7},
        {"name": "x" * 254},
    ],
    ids=repr,
)
def test_an_object_without_a_proper_name_is_garbage(meta):
    """Without its namespace it would count for the host; with such a name, it would be another file."""
    with pytest.raises(GarbageError):
        key_of(item(("shop", "web"), **meta), NAMESPACED)


def test_states_know_which_text_is_of_which_generation(tmp_path, folder):
    """Also after a start, and for texts that the engine may still have."""
    key = ("shop", "web")
    digests = []
    for generation in (1, 2, 3):
        one = item(key, spec={"rules": [generation]}, generation=generation)
        digests.append(digest_of(policy_text(one, key, NAMESPACED)))
        folder.take(Found(NAMESPACED, key, one))
    folder.states.write()

    states = PolicyStates(folder.states.path)
    states.read()

    ((name, known),) = states.all()
    assert ("shop.web.enforcerpolicy.yaml", "shop/web") == (name, known.label)
    assert [1, 2, 3] == [known.versions[digest].generation for digest in digests]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": 1, "files": {"x": 7}}', '{"format": 9}']
)
def test_states_that_cannot_be_read_are_none(tmp_path, text):
    """The next list makes them anew."""
    (tmp_path / "state").write_text(text)
    states = PolicyStates(tmp_path / "state")

    states.read()

    assert [] == states.all()
