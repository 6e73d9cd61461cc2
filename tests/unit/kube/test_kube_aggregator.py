# SPDX-License-Identifier: MIT
"""Agents that sum up at a server: one of them at a time, and no more than is needed."""

from itertools import pairwise

import attrs
import pytest
from kube_fakes import CLUSTER, LEASES, NODES, POLICIES, QUICK, TETRAGON, until

from enforcer.cluster.agent.aggregator import MANAGER, Aggregator, Rhythm
from enforcer.cluster.agent.lease import NAME, Term
from enforcer.cluster.agent.troubles import Troubles

TERM = Term(duration=90.0, holds=60.0, renew=0.2, first=0.0, rest=0.1, failed=(0.05, 0.1))
SHORT = attrs.evolve(TERM, duration=1.5, holds=1.0)
"""For those who take over; on a busy machine a holder may lose it without a reason."""
RHYTHM = Rhythm(look=0.02, least=0.05, counts=1000.0, rate=1000.0, failed=(0.05, 0.1))
KEY = ("shop", "web")
LEASE = ("enforcer", NAME)


@pytest.fixture
def begin(access):
    """Start aggregators; all of them end with the test."""
    begun = []

    def begin(node, term=TERM, rhythm=RHYTHM):
        said = []
        made = Aggregator(
            access, node, "enforcer", Troubles(said.append), said.append, QUICK, term, rhythm
        )
        made.start()
        begun.append(made)
        return made, said

    yield begin
    for each in begun:
        each.close()
        assert until(lambda each=each: not any(thread.is_alive() for thread in each._threads))


def report(server, node, state="active", denials=0):
    """Let a node report as its agent does."""
    entry = {"name": "shop/web", "state": state, "observedGeneration": 1}
    status = {"lastSeen": f"{server.version}", "policies": [{**entry, "denials": denials}]}
    server.put(NODES, ("", node), spec={}, status=status)


def totals(server, key=KEY, path=POLICIES):
    """Return the counts of nodes that the policy has: all, active and refused ones."""
    item = server.store[path].get(key, {})
    nodes = (item.get("status") or {}).get("nodes", {})
    return tuple(nodes.get(word) for word in ("total", "active", "refused"))


def writes(server):
    return [path for method, path, query in server.requests if query.get("fieldManager") == MANAGER]


def holder(server):
    return server.store[LEASES].get(LEASE, {}).get("spec", {}).get("holderIdentity", "")


def test_it_sums_up_what_nodes_report(server, begin):
    """Of each kind, where the server has it."""
    server.put(POLICIES, KEY)
    server.put(CLUSTER, ("", "all"))
    server.put(TETRAGON, ("shop", "other"))
    report(server, "n1")
    report(server, "n2", "refused")

    begin("n1")

    assert until(lambda: totals(server) == (2, 1, 1))
    assert until(lambda: totals(server, ("", "all"), CLUSTER) == (2, 0, 0))
    assert until(lambda: totals(server, ("shop", "other"), TETRAGON) == (2, 0, 0))
    report(server, "n2")
    assert until(lambda: totals(server) == (2, 2, 0))
    server.put(POLICIES, KEY, status=server.store[POLICIES][KEY]["status"])
    assert until(lambda: totals(server) == (2, 0, 0))


def test_what_it_wrote_is_told_with_what_was_there_before(server, begin):
    """With the uid of the policy: for events of it."""
    told = []
    server.put(POLICIES, KEY)
    report(server, "n1", "refused")
    made, _ = begin("n1")
    made.wrote = told.append
    report(server, "n2", "active", 3)

    assert until(lambda: any(each.status["denials"] == 3 for each in told))

    uid = server.store[POLICIES][KEY]["metadata"]["uid"]
    assert {uid} == {each.uid for each in told}
    for one, other in pairwise(told):
        assert one.status == other.before


def test_only_what_changed_is_written(server, begin):
    """Reports that say the same, and counts before their minute, write nothing."""
    server.put(POLICIES, KEY)
    server.put(POLICIES, ("shop", "other"))
    report(server, "n1")
    begin("n1")
    assert until(lambda: totals(server) == (1, 1, 0))
    assert until(lambda: totals(server, ("shop", "other")) == (1, 0, 0))

    for number in range(5):
        report(server, "n1", denials=number)
    report(server, "n2")

    assert until(lambda: totals(server) == (2, 2, 0))
    assert until(lambda: totals(server, ("shop", "other")) == (2, 0, 0))
    assert 4 == server.store[POLICIES][KEY]["status"]["denials"]
    # Each twice: once as it began, and once for the second node. A report may come between the two.
    names = [path.split("/")[-2] for path in writes(server)]
    assert 2 == names.count("other")
    assert names.count("web") <= 3


def test_counts_are_written_after_their_minute(server, begin):
    """Here that is a moment."""
    server.put(POLICIES, KEY)
    report(server, "n1")
    begin("n1", rhythm=attrs.evolve(RHYTHM, counts=0.01))
    assert until(lambda: totals(server) == (1, 1, 0))

    report(server, "n1", denials=7)

    assert until(lambda: server.store[POLICIES][KEY]["status"]["denials"] == 7)


def test_counts_of_nodes_wait_where_there_are_many(server, begin):
    """Some come and go all the time there. What the policy is on a node is told at once, with all counts."""
    server.put(POLICIES, KEY)
    report(server, "n1")
    # As if these few were many: the first of such writes may be made, and the next one in an hour.
    made, _ = begin("n1", rhythm=attrs.evolve(RHYTHM, counting=0.0005))
    assert until(lambda: totals(server) == (1, 1, 0))
    report(server, "n2")
    assert until(lambda: totals(server) == (2, 2, 0))

    report(server, "n3")
    assert until(lambda: made._overview.nodes == 3 and not any(made._overview._touched.values()))
    meanwhile = totals(server)
    report(server, "n4", "refused")

    assert (2, 2, 0) == meanwhile
    assert until(lambda: totals(server) == (4, 3, 1))


def test_one_policy_is_not_written_again_at_once(server, begin):
    """Others do not wait for it."""
    server.put(POLICIES, KEY)
    made, _ = begin("n1", rhythm=attrs.evolve(RHYTHM, least=1000.0))
    assert until(lambda: totals(server) == (0, 0, 0))

    report(server, "n1")
    # Nodes and policies come by two watches: a policy that is seen first is written without the node.
    assert until(lambda: made._overview.nodes == 1)
    server.put(POLICIES, ("shop", "other"))

    assert until(lambda: totals(server, ("shop", "other")) == (1, 0, 0))
    assert (0, 0, 0) == totals(server)


def test_a_bug_gives_the_lease_to_another(server, begin, monkeypatch):
    """Who sums up no more does not keep others from it."""
    server.put(POLICIES, KEY)
    made, said = begin("n1")
    assert until(lambda: totals(server) == (0, 0, 0))

    monkeypatch.setattr("enforcer.cluster.agent.overview.Overview.look", lambda _: 1 / 0)

    assert until(lambda: not holder(server))
    assert any("which is a bug: ZeroDivisionError" in each for each in said)
    assert not made.election.is_held


def test_of_two_agents_one_sums_up(server, begin):
    """The other has asked for nothing but the lease."""
    server.put(POLICIES, KEY)
    report(server, "n1")
    _, first = begin("n1")
    assert until(lambda: totals(server) == (1, 1, 0))

    other, second = begin("n2")
    assert until(lambda: other.election._seen is not None)
    report(server, "n2")
    assert until(lambda: totals(server) == (2, 2, 0))

    assert holder(server).startswith("n1_")
    assert ["this agent sums up what nodes report"] == first
    assert [] == second


def test_another_takes_over_from_a_holder_that_ends(server, begin):
    """The lease is given back."""
    server.put(POLICIES, KEY)
    first, said = begin("n1", SHORT)
    assert until(lambda: totals(server) == (0, 0, 0))
    begin("n2", SHORT)

    first.close()

    assert until(lambda: holder(server).startswith("n2_"))
    report(server, "n1")
    assert until(lambda: totals(server) == (1, 1, 0))
    assert "this agent does not sum up any more" == said[-1]


def test_another_takes_over_from_a_holder_that_is_cut_off(server, begin):
    """When the lease has expired; and the one that is cut off has stopped by itself."""
    server.put(POLICIES, KEY)
    first, said = begin("n1", SHORT)
    assert until(lambda: totals(server) == (0, 0, 0))
    begin("n2", SHORT)

    first.election.client.interrupt()

    assert until(lambda: holder(server).startswith("n2_"))
    assert until(lambda: "this agent does not sum up any more" in said)
    report(server, "n1")
    assert until(lambda: totals(server) == (1, 1, 0))


@pytest.mark.parametrize("fault", [403, 409, 429, 500, "drop", "garbage", "half"])
def test_a_write_that_fails_is_tried_again(server, begin, fault):
    """Whatever the server says; a conflict is not even told."""
    server.put(POLICIES, KEY)
    _, said = begin("n1")
    assert until(lambda: totals(server) == (0, 0, 0))

    server.write_faults.extend([fault] * 2)
    report(server, "n1")

    assert until(lambda: totals(server) == (1, 1, 0))
    assert [] == list(server.write_faults)
    assert (fault == 409) is not any("status of policies" in each for each in said)


def test_a_policy_that_is_deleted_meanwhile_is_no_failure(server, begin):
    """The watch tells that it is gone."""
    server.put(POLICIES, KEY)
    _, said = begin("n1")
    assert until(lambda: totals(server) == (0, 0, 0))

    server.write_faults.append(404)
    report(server, "n1")

    assert until(lambda: not server.write_faults)
    assert until(lambda: totals(server) == (1, 1, 0))
    assert ["this agent sums up what nodes report"] == said


def test_without_the_right_to_the_lease_nothing_is_asked(server, begin):
    """It says so, and all else goes on."""
    server.forbidden.add(LEASES)
    server.put(POLICIES, KEY)

    _, said = begin("n1")

    assert until(lambda: any("lease of the totals: 403" in each for each in said))
    assert [] == writes(server)
    assert not any(path == NODES for _, path, _ in server.requests)
