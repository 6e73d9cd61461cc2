# SPDX-License-Identifier: MIT
"""What is remembered of the first denial of each policy in each pod."""

import pytest
from fakes import ENFORCED, PREVENTED, denied

from enforcer.cli.typed_schema import schema_of
from enforcer.events.types import Lost, Origin
from enforcer.identity.container import Container
from enforcer.identity.resolver import Identity
from enforcer.identity.workload_files import PodFacts
from enforcer.policy.model.policy import Verb
from enforcer.runtime.control.first_denials import MAX_DENIALS, FirstDenial, FirstDenials


def of_pod(number=0, policy="shop/vault", namespace="shop", **values):
    identity = Identity(
        container=Container("containerd", "f" * 64, pod_uid=f"u{number}"),
        pod=PodFacts(name=f"web-{number}", namespace=namespace),
    )
    origin = Origin(policy, "no-writes", "p.yaml:1:1")
    return denied(**{"identity": identity, "origin": origin, **values})


@pytest.fixture
def denials():
    return FirstDenials()


def test_of_each_policy_and_pod_the_first(denials):
    """With how often it was since. What it was on is not in it."""
    for record in (of_pod(), of_pod(action=Verb.KILL), of_pod(1), of_pod(policy="other")):
        denials.observe(record)

    found = denials.all()

    assert {("shop/vault", "u0", 2), ("shop/vault", "u1", 1), ("other", "u0", 1)} == {
        (each["policy"], each["podUid"], each["count"]) for each in found
    }
    first = next(each for each in found if each["count"] == 2)
    assert ("no-writes", "deny", "file.write") == tuple(
        first[key] for key in ("rule", "action", "operation")
    )
    assert ("web-0", "shop") == (first["podName"], first["podNamespace"])
    assert "secret" not in repr(found)
    assert set(schema_of(FirstDenial)["properties"]) == first.keys()


def test_what_refused_nothing_is_no_denial(denials):
    """Audit, a log, a process outside of pods, and losses."""
    for record in (
        of_pod(flags=0),
        of_pod(action=Verb.LOG),
        denied(),
        denied(identity=Identity(pod=PodFacts(name="web-0", namespace="shop"))),
        denied(identity=Identity(container=Container("containerd", "f" * 64, pod_uid="u"))),
        Lost(time_ns=1, decisions=3),
    ):
        denials.observe(record)

    assert [] == denials.all()
    assert not denials.has_news


def test_what_the_fast_lane_wrote_counts(denials):
    """By one record that is like all of them."""
    denials.observe(of_pod(flags=ENFORCED | PREVENTED))
    denials.count(of_pod(), 41)

    assert [42] == [each["count"] for each in denials.all()]


def test_news_are_pairs_that_were_not_told(denials):
    """Not another count."""
    denials.observe(of_pod())
    assert denials.has_news
    denials.has_news = False

    denials.observe(of_pod())

    assert not denials.has_news


def test_beyond_the_limit_the_quietest_is_forgotten(denials):
    """Of which nothing came for the longest time, whenever it was first."""
    for number in range(MAX_DENIALS):
        denials.observe(of_pod(number))
    denials.observe(of_pod(0))

    denials.observe(of_pod(MAX_DENIALS))

    known = {each["podUid"] for each in denials.all()}
    assert MAX_DENIALS == len(known)
    assert {"u0", f"u{MAX_DENIALS}"} <= known
    assert "u1" not in known


def test_a_namespace_with_many_pods_pushes_no_other_out(denials):
    """However many pairs it makes, those of others stay; its own oldest go."""
    denials.observe(of_pod(namespace="other", policy="other/vault"))

    for number in range(MAX_DENIALS + 50):
        denials.observe(of_pod(number + 1))

    known = denials.all()
    assert MAX_DENIALS == len(known)
    assert "other" in {each["podNamespace"] for each in known}
    assert "u1" not in {each["podUid"] for each in known}
