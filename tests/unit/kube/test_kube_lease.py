# SPDX-License-Identifier: MIT
"""The election: one holder at a time by everybody's own clock, and never by comparing two."""

from threading import Event

import attrs
import pytest
from kube_fakes import LEASES

from enforcer.cluster.agent.client import Client
from enforcer.cluster.agent.lease import NAME, Election, Term
from enforcer.cluster.agent.troubles import Troubles

KEY = ("enforcer", NAME)


@attrs.define(eq=False)
class Voter:
    """An election whose clock stands still until it is told otherwise."""

    access: object
    name: str
    now: float
    said: list = attrs.field(factory=list)
    nodes: int = 3
    pause: float = 0.0
    election: Election = None

    def __attrs_post_init__(self):
        self.election = Election(
            Client(self.access, silence=2.0),
            "enforcer",
            self.name,
            Troubles(self.said.append),
            Event(),
            lambda: self.nodes,
            Term(),
            lambda: self.now,
        )

    def look(self, after=0.0):
        """Look, *after* seconds; returns whether it holds the lease then."""
        self.now += after
        self.pause = self.election.look()
        return self.election.is_held


@pytest.fixture
def voters(access):
    # Clocks that have nothing to do with each other.
    made = Voter(access, "a", 1e6), Voter(access, "b", 5.0)
    clients = [each.election.client for each in made]
    yield made
    for each in clients:
        each.close()


def lease(server):
    return server.store[LEASES][KEY]["spec"]


def test_who_is_first_holds_it(server, voters):
    """And renews it; the other waits, however long it looks on."""
    a, b = voters

    assert a.look()
    for _ in range(10):
        assert not b.look(5)
        assert a.look(5)

    assert ("a", 15, 0) == tuple(
        lease(server)[key] for key in ("holderIdentity", "leaseDurationSeconds", "leaseTransitions")
    )


def test_a_lease_that_is_not_renewed_is_taken_over(server, voters):
    """By who has seen it unchanged for its whole duration, whatever time it names."""
    a, b = voters
    a.look()
    lease(server)["renewTime"] = "1970-01-01T00:00:00.000000Z"

    assert not b.look()
    assert not b.look(14.9)
    assert b.look(0.2)

    assert ("b", 1) == (lease(server)["holderIdentity"], lease(server)["leaseTransitions"])
    assert not a.look()


def test_a_holder_stops_before_another_may_begin(voters):
    """Without an answer it does not know whether it still is one."""
    a, _ = voters
    a.look()

    a.now += 9.9
    assert a.election.is_held
    a.now += 0.2
    assert not a.election.is_held


@pytest.mark.parametrize("fault", [500, "drop", "garbage", 403])
def test_a_renewal_that_fails_does_not_prolong_it(server, voters, fault):
    """It holds for as long as the last renewal says, and tries again."""
    a, _ = voters
    a.look()
    server.faults.extend([fault] * 4)

    assert a.look(6)
    assert not a.look(6)

    assert a.said


def test_of_two_that_take_it_at_once_one_has_it(server, voters):
    """The server refuses the version that is not the newest, and that is no failure."""
    a, b = voters
    server.put(LEASES, KEY, spec={})  # given back
    get = b.election.client.get

    def get_then_a_takes_it(path, query):
        found = get(path, query)
        assert a.look()
        return found

    b.election.client = Slow(b.election.client, get_then_a_takes_it)

    assert not b.look()
    assert a.election.is_held
    assert "a" == lease(server)["holderIdentity"]
    assert [] == b.said


@attrs.define(eq=False)
class Slow:
    """A client whose answers take a while."""

    client: Client
    get: object

    def replace(self, *given):
        return self.client.replace(*given)


def test_two_that_make_it_at_once(server, voters):
    """As above, where there is none yet."""
    a, b = voters
    server.faults.append(404)

    assert b.look()
    server.faults.append(404)
    assert not a.look()

    assert [] == a.said


def test_a_holder_that_ends_gives_it_back(server, voters):
    """So the next one need not wait."""
    a, b = voters
    a.look()

    a.election.ending.set()
    a.election.run()

    assert "holderIdentity" not in lease(server)
    assert b.look()


def test_those_who_wait_look_the_more_seldom_the_more_they_are(voters):
    """Of 50,000 nodes each looks twice in a row, and then rests for 5,000 seconds on average."""
    a, b = voters
    a.nodes = 50_000
    a.look()

    b.look()
    first = b.pause
    a.look(5)
    b.look(5)

    assert 15 < first < 20
    assert 2500 <= b.pause <= 7500


@pytest.mark.parametrize("said", ["-1", "7" * 9, "nonsense", "²"])
def test_a_number_of_nodes_that_makes_no_sense(server, voters, said):
    """It is as if nothing was said."""
    a, b = voters
    a.look()
    server.store[LEASES][KEY]["metadata"]["annotations"] = {"enforcer.dev/nodes": said}

    b.look()
    b.look(5)

    assert b.pause <= 1.5 * Term().rest


def test_without_the_right_it_says_so(server, voters):
    """And comes back after a while."""
    a, _ = voters
    server.faults.append(403)

    assert not a.look()

    assert 30 <= a.pause <= 90
    assert "403" in a.said[0]
