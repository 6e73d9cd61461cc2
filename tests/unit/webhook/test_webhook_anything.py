# SPDX-License-Identifier: MIT
"""Whatever comes, it gets a verdict or an error of HTTP, and no exception of another kind."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from enforcer.cluster.webhook.checker import decide
from enforcer.cluster.webhook.http_request import Head, HttpError
from enforcer.cluster.webhook.review import Review, answer
from enforcer.policy.language.kube import CLUSTER_POLICY, POLICY, TETRAGON_POLICY

WORDS = st.sampled_from(
    [
        *("apiVersion", "kind", "metadata", "spec", "name", "namespace", "uid", "annotations"),
        *("generateName", "enforcer.dev/rollout-share", "enforcer.dev/rollout-nodes", "status"),
        *("rules", "exec", "file", "match", "path", "action", "deny", "lsm", "kprobe", "args"),
    ]
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["shop", "web", "25%", "deny", "/bin/sh", "\ud800", "read", "a in (b)"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
MAPS = st.dictionaries(WORDS | st.text(max_size=4), JSON, max_size=4)
META = st.fixed_dictionaries(
    {"name": st.just("web"), "namespace": st.just("shop")},
    optional={"uid": JSON, "annotations": JSON | MAPS, "generateName": JSON, "labels": JSON},
)
RULES = st.lists(st.dictionaries(WORDS, JSON, max_size=5) | JSON, max_size=3)
OBJECTS = MAPS | st.fixed_dictionaries(
    {"metadata": META},
    optional={"spec": JSON | st.fixed_dictionaries({"rules": RULES}), "sepc": JSON},
)


ODD = st.fixed_dictionaries({"metadata": JSON})


@settings(max_examples=300)
@given(
    OBJECTS,
    st.none() | OBJECTS | ODD,
    st.sampled_from([POLICY, CLUSTER_POLICY, TETRAGON_POLICY]),
    st.sampled_from(["CREATE", "UPDATE", "DELETE"]),
)
def test_any_object_gets_a_verdict(new, old, kind, operation):
    """Of which there is an answer; a mistake of ours would be undecided, and this is to find it."""
    asked = Review("u", operation, (kind.group, kind.version, kind.kind), "", new, old)

    verdict = decide(asked)

    assert bool(verdict.message) is (not verdict.is_allowed)
    assert answer("u", verdict)
    assert asked.label.isprintable()


_LINES = st.sampled_from(
    [
        *(b"GET / HTTP/1.1", b"POST /validate?a=b HTTP/1.0", b"Content-Length: 5", b"X:", b": x"),
        *(b"Content-Length: 99999999999", b"Content-Type: a/b; c", b"Connection: close, x", b""),
    ]
)


@settings(max_examples=400)
@given(st.lists(_LINES | st.binary(max_size=30), max_size=8))
def test_any_head_is_read_or_refused(lines):
    """And what is read has a length within the limit."""
    with contextlib.suppress(HttpError):
        head = Head.read(b"\r\n".join([*lines, b"", b""]))

        assert 0 <= head.length <= 8 << 20
        assert head.path.startswith("/")
