# SPDX-License-Identifier: MIT
"""Events: what is told of pods and policies, how often, and what happens past each limit."""

import json
import re

import attrs
import pytest

from enforcer.cluster.agent.denial_events import DenialEvents
from enforcer.cluster.agent.engine_results import Denial, Results, read_results
from enforcer.cluster.agent.errors import AnswerError, UnreachableError
from enforcer.cluster.agent.event_poster import EventPoster, Limits
from enforcer.cluster.agent.object_event import ObjectEvent, Told
from enforcer.cluster.agent.overview import Wanted
from enforcer.cluster.agent.policy_events import policy_events
from enforcer.cluster.agent.resource import POLICIES, is_name
from enforcer.cluster.agent.troubles import Troubles
from enforcer.identity.naming import boot_id

NOW = 1_764_017_281.0
POD = ObjectEvent(
    api_version="v1",
    kind="Pod",
    key=("shop", "web-0"),
    uid="u1",
    reason="Denied",
    message="policy shop/vault, rule r: exec was denied",
    about="shop/vault",
    by="shop/vault",
)
ONCE = Told(1, NOW, NOW)


@attrs.define
class Server:
    """Takes events, or fails as it is told to."""

    events: list = attrs.field(factory=list)
    failures: list = attrs.field(factory=list)
    tried: int = 0

    def apply(self, path, manager, document):
        self.tried += 1
        if self.failures:
            raise self.failures.pop(0)
        assert "enforcer-events" == manager
        assert f"/api/v1/namespaces/{document['metadata']['namespace']}/events/" in path
        self.events.append(document)

    def interrupt(self):
        pass

    def close(self):
        pass


@attrs.define
class Clock:
    now: float = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def said():
    return []


@pytest.fixture
def poster(server, clock, said):
    return EventPoster(
        server, "node-1", Troubles(said.append), Limits(), clock=clock, wall=lambda: NOW
    )


def of_pod(number, namespace="shop", about="shop/vault"):
    return attrs.evolve(POD, key=(namespace, f"web-{number}"), uid=f"u{number}", about=about)


# ---- One event --------------------------------------------------------------------------------


def test_what_a_server_gets():
    """The object with its uid, by which kubectl describe finds it; counts, moments and who says it."""
    found = POD.document(Told(3, NOW, NOW + 60), "node-1")

    assert {
        "apiVersion": "v1",
        "kind": "Pod",
        "namespace": "shop",
        "name": "web-0",
        "uid": "u1",
    } == found["involvedObject"]
    assert (3, "2025-11-24T20:48:01Z", "2025-11-24T20:49:01Z") == tuple(
        found[key] for key in ("count", "firstTimestamp", "lastTimestamp")
    )
    assert ("Warning", "Denied", "node-1") == tuple(
        found[key] for key in ("type", "reason", "reportingInstance")
    )


def test_an_object_of_the_cluster_has_its_events_in_one_namespace():
    """The server demands it, and that the object has none."""
    found = attrs.evolve(POD, key=("", "vault"), field="spec.rules[0]").document(ONCE, "n")

    assert "default" == found["metadata"]["namespace"]
    assert "namespace" not in found["involvedObject"]
    assert "spec.rules[0]" == found["involvedObject"]["fieldPath"]


@pytest.mark.parametrize("name", ["a", "a" * 253, f"{'a' * 199}.b", "a.b-c"])
def test_an_event_has_a_name_that_a_server_takes(name):
    """The same for the same thing, and another one for another."""
    event = attrs.evolve(POD, key=("shop", name))

    assert is_name(event.name)
    assert event.name == attrs.evolve(event, message="other").name
    others = [{"uid": "x"}, {"reason": "Killed"}, {"by": "x"}, {"kind": "X"}, {"key": ("x", name)}]
    assert len(others) + 1 == len({event.name, *(attrs.evolve(event, **o).name for o in others)})


def test_a_message_is_one_line_and_bounded():
    """Whatever it was made of."""
    found = attrs.evolve(POD, message="\x1b[2J\n" + "x" * 5000).document(ONCE, "n")["message"]

    assert found.isprintable()
    assert len(found) <= 1024


# ---- Writing ----------------------------------------------------------------------------------


def test_what_was_told_is_not_told_again(poster, server, clock):
    """Another count is, after a while, as the same event with its first moment."""
    poster.post(POD, ONCE)
    poster.look()
    poster.post(POD, ONCE)
    poster.post(POD, Told(5, NOW + 5, NOW + 9))
    poster.look()
    assert [1] == [each["count"] for each in server.events]

    clock.now += 600
    poster.look()

    first, second = server.events
    assert first["metadata"] == second["metadata"]
    assert (5, first["firstTimestamp"]) == (second["count"], second["firstTimestamp"])


def test_once_more_is_counted_while_it_waits(poster, server, clock):
    """And after it was written."""
    for _ in range(3):
        poster.post(POD)
    poster.look()
    poster.post(POD)
    clock.now += 600
    poster.look()

    assert [3, 4] == [each["count"] for each in server.events]


def test_a_policy_and_a_namespace_have_their_share(poster, server, clock):
    """What is beyond it waits, and others do not wait for it."""
    for number in range(15):
        poster.post(of_pod(number, about=f"p{number}"))
    poster.post(of_pod(99, "other", "p99"))
    limits = attrs.evolve(poster.limits, burst=100)
    poster.limits = limits
    poster._all.left = 100

    poster.look()

    assert 10 == sum(each["metadata"]["namespace"] == "shop" for each in server.events)
    assert 1 == sum(each["metadata"]["namespace"] == "other" for each in server.events)
    for _ in range(5):
        clock.now += 60
        poster.look()
    assert 16 == len(server.events)


def test_a_node_has_its_share(poster, server, clock):
    """Of all that happens there."""
    for number in range(20):
        poster.post(of_pod(number, f"n{number}", f"p{number}"))

    poster.look()
    assert 10 == len(server.events)
    clock.now += 10
    poster.look()

    assert 11 == len(server.events)


def test_what_finds_no_room_is_counted_and_told_once(poster, said):
    """Repeats of what was told need none."""
    poster.post(POD)
    poster.look()
    for number in range(210):
        poster.post(of_pod(number + 1))
    poster.post(POD)

    assert 10 == poster.left_out
    assert [
        "room for events: more happens than may be told: some is left out; trying again"
    ] == said
    assert 201 == len(poster._waiting)


def test_memory_is_bounded(poster, server, clock):
    """Of events, and of shares."""
    poster.limits = attrs.evolve(poster.limits, known=50, every=0.001, share_every=0.001)
    for number in range(500):
        poster.post(of_pod(number, f"n{number}", f"p{number}"))
        clock.now += 1
        poster.look()

    assert 500 == len(server.events)
    assert 50 == len(poster._known)
    assert len(poster._shared) <= 52


def test_a_server_that_does_not_answer_is_left_alone_for_a_while(poster, server, clock, said):
    """The event waits."""
    server.failures = [UnreachableError("away")]
    poster.post(POD)
    poster.look()
    poster.look()
    assert 1 == server.tried

    clock.now += 46
    poster.look()

    assert 1 == len(server.events)
    assert ["events: away; trying again", "events: works again after 0 s"] == [
        re.sub(r"after .*", "after 0 s", each) for each in said
    ]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_asks_to_wait_is_obeyed(status, poster, server, clock):
    """As long as it says."""
    server.failures = [AnswerError("later", status, 60.0)]
    poster.post(POD)
    poster.look()
    clock.now += 59
    poster.look()
    assert 1 == server.tried

    clock.now += 2
    poster.look()

    assert 1 == len(server.events)


@pytest.mark.parametrize("status", [403, 404, 409, 422])
def test_what_is_refused_is_not_tried_again_and_holds_up_nothing(status, poster, server):
    """No right to it, or a namespace that goes."""
    server.failures = [AnswerError("no", status)]
    poster.post(POD, ONCE)
    poster.post(of_pod(2))
    poster.look()
    poster.post(POD, ONCE)
    poster.look()

    assert ["web-2"] == [each["involvedObject"]["name"] for each in server.events]
    assert 2 == server.tried


def test_its_thread_ends(poster):
    """Also if it was never begun."""
    poster.close()
    poster.start()
    poster.close()

    assert not poster._thread.is_alive()


# ---- What happened in pods --------------------------------------------------------------------

DENIAL = Denial(
    policy="shop/vault",
    rule="no-shells",
    action="deny",
    operation="exec",
    uid="u1",
    pod="web-0",
    namespace="shop",
    first=NOW - 60,
    last=NOW,
    count=3,
)


def heard(*denials):
    found = []
    results = Results("1", "6", NOW, 1, "enforce", 0, {}, denials)
    DenialEvents(lambda event, told: found.append((event, told)), clock=lambda: NOW).heard(results)
    return found


def test_a_denial_is_an_event_of_its_pod():
    """With the policy and the rule, and without what it was on."""
    ((event, told),) = heard(DENIAL)

    assert ("v1", "Pod", ("shop", "web-0"), "u1") == (
        event.api_version, event.kind, event.key, event.uid,
    )  # fmt: skip
    assert "policy shop/vault, rule no-shells: exec was denied" == event.message
    assert Told(3, NOW - 60, NOW) == told
    assert "Killed" == heard(attrs.evolve(DENIAL, action="kill"))[0][0].reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"namespace": "../kube-system"},
        {"namespace": ""},
        {"pod": "a/b"},
        {"uid": ""},
        {"action": "log"},
        {"last": NOW - 3601},
    ],
)
def test_what_no_server_would_have_said_is_left_out(wrong):
    """A name becomes a part of a path; and what is old is no news, as after a restart."""
    assert [] == heard(attrs.evolve(DENIAL, **wrong))


def test_an_engine_that_says_nothing():
    """Is no error."""
    DenialEvents(lambda *_: pytest.fail("nothing happened")).heard(None)


def test_what_the_engine_has_said_is_passed_on_once():
    """It is looked at more often than it is written."""
    found = []
    events = DenialEvents(lambda event, _: found.append(event), clock=lambda: NOW)
    for time in (1.0, 1.0, 2.0):
        events.heard(Results("1", "6", time, 1, "enforce", 0, {}, (DENIAL,)))

    assert 2 == len(found)


@pytest.mark.parametrize("with_denials", [True, False])
def test_denials_in_the_file_of_the_engine(with_denials, tmp_path):
    """An engine of another version says nothing of them."""
    names = ("policy", "rule", "action", "operation", "podUid", "podName", "podNamespace")
    entry = dict.fromkeys(names, "x") | {"first": 1.5, "last": 2, "count": 3}
    document = dict.fromkeys(("enforcer", "kernel", "mode"), "x") | {"boot": boot_id()}
    document |= dict.fromkeys(("version", "time", "generation", "lost"), 1) | {"policies": []}
    if with_denials:
        document["firstDenials"] = [entry]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document))
    path.chmod(0o644)

    found = read_results(path).denials

    assert [1.5] * with_denials == [each.first for each in found]


# ---- What became of policies ------------------------------------------------------------------


def status(accepted="True", message="", denials=0, generation=1, **more):
    condition = {
        "type": "Accepted",
        "status": accepted,
        "reason": "Refused" if accepted == "False" else "Read",
        "message": message,
        "observedGeneration": generation,
    }
    return {
        "conditions": [condition],
        "denials": denials,
        "nodes": {"total": 3, "refused": 1},
        "failures": [{"node": "n", "path": "spec.rules[0].action"}],
        **more,
    }


def events(after, before, uid="u"):
    return list(
        policy_events(Wanted(POLICIES[0], ("shop", "vault"), after, before=before, uid=uid))
    )


def test_a_refusal_is_told_with_its_reason_and_its_field():
    """Of one that was never accepted, and of one that was."""
    for before in ({}, status()):
        ((event, told),) = events(status("False", "n: spec.rules[0].action: no"), before)

        assert ("EnforcerPolicy", "Refused", "spec.rules[0].action") == (
            event.kind, event.reason, event.field,
        )  # fmt: skip
        assert "refused by 1 of 3 nodes: n: spec.rules[0].action: no" == event.message
        assert told is None


def test_a_refusal_that_stays_is_told_once():
    """Another message, or another generation, is another refusal."""
    before = status("False", "no")

    assert [] == events(status("False", "no", denials=0), before)
    assert 1 == len(events(status("False", "other"), before))
    assert 1 == len(events(status("False", "no", generation=2), before))
    assert [] == events(status(), before)


def test_denials_are_told_with_their_number():
    """The first, and more; not fewer, as when a node is gone."""
    ((event, told),) = events(status(denials=4), status())
    assert ("Denies", 4) == (event.reason, told.count)

    assert [] == events(status(denials=4), status(denials=4))
    assert [] == events(status(denials=3), status(denials=4))
    assert event.name == events(status(denials=9), status(denials=4))[0][0].name


@pytest.mark.parametrize(
    "before", [{"conditions": "x"}, {"conditions": [7]}, {"denials": "many"}, {"conditions": None}]
)
def test_a_status_that_another_has_written_is_no_bug(before):
    """Whoever may write it."""
    assert 2 == len(events(status("False", "no", denials=1), before))


def test_a_policy_without_a_uid_has_no_events():
    """kubectl describe would not find them."""
    assert [] == events(status("False", "no"), {}, uid="")
