# SPDX-License-Identifier: MIT
"""What is summed up of nodes: what they say of the newest generation, and nothing that nobody knows."""

from pathlib import Path

import attrs
import pytest
from kube_fakes import TETRAGON

from enforcer.cluster.agent.engine_results import FileResult, Results
from enforcer.cluster.agent.node_status import NodeStatus
from enforcer.cluster.agent.overview import Keeper, Overview
from enforcer.cluster.agent.policy_state import PolicyObject, Version
from enforcer.cluster.agent.policy_totals import OnNode, Said, sum_up, with_times
from enforcer.cluster.agent.resource import NODES, POLICIES, Deleted, Found, Listed
from enforcer.cluster.agent.rollout import MODE
from enforcer.policy.schema.kube_status import MAX_FAILURES, POLICY_CONDITIONS

GENERATION = 4
ACTIVE = Said("active", GENERATION)
AUDIT = Said("audit", GENERATION)
LIMITED = Said("degraded", GENERATION, "Late", "kills after the fact")
REFUSED = Said("refused", GENERATION, "PolicyError", "no such action", "spec.rules[1].action")
OLDER = attrs.evolve(REFUSED, state="older")
BEHIND = Said("active", GENERATION - 1)
UNKNOWN = Said("active", None)
SILENT = "silent"
MUTE = "mute"


def summed(*said, denials=0):
    """Return the status of a policy of which the nodes n0, n1 and so on say this."""
    nodes = [
        OnNode(
            f"n{number}",
            ACTIVE if each in {SILENT, MUTE} else each,
            is_silent=each is SILENT,
            is_mute=each is MUTE,
        )
        for number, each in enumerate(said)
    ]
    return sum_up(GENERATION, nodes, denials)


def conditions(status):
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


@pytest.mark.parametrize(
    ("said", "counts", "accepted", "enforced", "degraded"),
    [
        ([], (0, 0, 0, 0), "Unknown", "Unknown", "Unknown"),
        ([ACTIVE, ACTIVE], (2, 2, 0, 0), "True", "True", "False"),
        ([ACTIVE, AUDIT], (2, 2, 0, 0), "True", "True", "False"),
        ([ACTIVE, None], (2, 1, 0, 0), "True", "Unknown", "Unknown"),
        ([ACTIVE, BEHIND], (2, 1, 0, 0), "True", "Unknown", "Unknown"),
        ([BEHIND, BEHIND], (2, 0, 0, 0), "Unknown", "Unknown", "Unknown"),
        ([UNKNOWN], (1, 0, 0, 0), "Unknown", "Unknown", "Unknown"),
        ([ACTIVE, SILENT], (2, 1, 0, 0), "True", "Unknown", "Unknown"),
        ([SILENT], (1, 0, 0, 0), "Unknown", "Unknown", "Unknown"),
        ([ACTIVE, MUTE], (2, 1, 0, 0), "True", "Unknown", "Unknown"),
        ([MUTE], (1, 0, 0, 0), "Unknown", "Unknown", "Unknown"),
        ([REFUSED, MUTE], (2, 0, 0, 1), "False", "False", "True"),
        ([ACTIVE, REFUSED], (2, 1, 0, 1), "False", "False", "True"),
        ([OLDER], (1, 0, 0, 1), "False", "False", "True"),
        ([REFUSED, None, SILENT], (3, 0, 0, 1), "False", "False", "True"),
        ([ACTIVE, LIMITED], (2, 1, 1, 0), "True", "False", "True"),
        ([LIMITED, None], (2, 0, 1, 0), "True", "False", "True"),
        ([Said("of tomorrow", GENERATION)], (1, 0, 1, 0), "True", "False", "True"),
    ],
)
def test_conditions(said, counts, accepted, enforced, degraded):
    """A node that is behind or silent is not active, and not refused either: then nothing is claimed."""
    status = summed(*said)

    assert counts == tuple(
        status["nodes"][key] for key in ("total", "active", "degraded", "refused")
    )
    found = {name: state for name, (state, _) in conditions(status).items()}
    assert {"Accepted": accepted, "Enforced": enforced, "Degraded": degraded} == found
    assert {GENERATION} == {each["observedGeneration"] for each in status["conditions"]}


def test_failures_are_ten_at_most_and_the_worst_first():
    """Refusals before limits before silence, with their place."""
    status = summed(SILENT, LIMITED, *[REFUSED] * 30)

    assert MAX_FAILURES == len(status["failures"])
    assert {"PolicyError"} == {each["reason"] for each in status["failures"]}
    assert {
        "node": "n2",
        "reason": "PolicyError",
        "message": "no such action",
        "path": "spec.rules[1].action",
    } == status["failures"][0]
    few = summed(SILENT, LIMITED, REFUSED)["failures"]
    assert ["PolicyError", "Late", "Silent"] == [each["reason"] for each in few]


def test_a_refusal_is_told_with_its_reason_and_place():
    """Of the first node that refuses."""
    (accepted,) = (
        each for each in summed(ACTIVE, REFUSED)["conditions"] if each["type"] == "Accepted"
    )

    assert "PolicyError" == accepted["reason"]
    assert "n1: spec.rules[1].action: no such action" == accepted["message"]


HELD = attrs.evolve(AUDIT, rollout="25%", is_held=True)
REACHED = attrs.evolve(ACTIVE, rollout="25%")


@pytest.mark.parametrize(
    ("said", "counts", "enforced", "degraded"),
    [
        ([REACHED, HELD, HELD], (3, 1, 2), ("False", "Rollout"), "False"),
        ([REACHED, REACHED], (2, 2, 0), ("True", "Active"), "False"),
        ([AUDIT, REACHED], (2, 1, 0), ("Unknown", "NodesBehind"), "Unknown"),
        ([ACTIVE, ACTIVE], (2, 2, 0), ("Unknown", "NodesBehind"), "Unknown"),
        ([attrs.evolve(HELD, rollout="5%"), REACHED], (2, 1, 1), ("False", "Rollout"), "Unknown"),
        ([HELD, None], (1, 0, 1), ("False", "Rollout"), "Unknown"),
        ([HELD, SILENT], (1, 0, 1), ("False", "Rollout"), "Unknown"),
        ([HELD, LIMITED], (1, 0, 1), ("False", "WithLimits"), "True"),
        ([HELD, REFUSED], (1, 0, 1), ("False", "PolicyError"), "True"),
        ([attrs.evolve(HELD, generation=GENERATION - 1)], (0, 0, 0), ("Unknown", "NodesBehind"), "Unknown"),
    ],
)  # fmt: skip
def test_what_a_rollout_holds_back_is_not_enforced(said, counts, enforced, degraded):
    """Whatever else is not known. And a node that went by another rollout is to say what it makes of this one."""
    nodes = [
        OnNode(f"n{number}", ACTIVE if each is SILENT else each, each is SILENT)
        for number, each in enumerate(said)
    ]

    status = sum_up(GENERATION, nodes, 0, "25%")

    assert counts == tuple(status["nodes"][key] for key in ("active", "enforcing", "held"))
    assert enforced == conditions(status)["Enforced"]
    assert degraded == conditions(status)["Degraded"][0]
    assert "25%" == status["rollout"]


def test_times_change_with_the_status_only():
    """Not with the reason, and not with the generation."""
    first = with_times(summed(ACTIVE, None), {}, "then")
    second = with_times(summed(ACTIVE, SILENT), first, "now")
    third = with_times(summed(ACTIVE), second, "later")

    def times(status):
        return {each["type"]: each["lastTransitionTime"] for each in status["conditions"]}

    assert dict.fromkeys(POLICY_CONDITIONS, "then") == times(first) == times(second)
    assert {"Accepted": "then", "Enforced": "later", "Degraded": "later"} == times(third)


# ---- Overview --------------------------------------------------------------------------------------

KEY = ("shop", "web")
OWN, WHOLE, OTHER = POLICIES
PLACE = (OWN.path, KEY)


@attrs.define(eq=False)
class Watched:
    """An overview that is told what a server says."""

    now: float = 1000.0
    overview: Overview = None
    keeper: Keeper = attrs.field(factory=Keeper)
    reports: int = 0

    def __attrs_post_init__(self):
        self.overview = Overview(900.0, lambda: self.now, lambda: 0.0)
        for resource in (NODES, OWN, WHOLE):
            self.overview.take(Listed(resource, {}))

    def policy(self, generation=1, resource=OWN, key=KEY, status=None, *, annotations=None, uid=""):
        meta = {"name": key[1], "namespace": key[0], "generation": generation}
        meta |= {"uid": uid} if uid else {}
        meta |= {"annotations": annotations} if annotations else {}
        item = self.keeper.kept({"metadata": meta, "status": status}, resource)
        self.overview.take(Found(resource, key, item))

    def node(self, name, state="active", generation=1, label="shop/web", **more):
        """A node reports."""
        self.reports += 1
        entry = {"name": label, "state": state, "observedGeneration": generation, **more}
        status = {"lastSeen": f"report {self.reports}", "policies": [entry]}
        self.same(name, status)
        return status

    def same(self, name, status):
        item = self.keeper.kept({"metadata": {"name": name}, "status": status}, NODES)
        self.overview.take(Found(NODES, ("", name), item))

    def nodes(self, place=PLACE):
        wanted = self.overview.wanted(place)
        return wanted and wanted.status["nodes"]

    def write(self):
        """Write all that differs; returns what."""
        wanted = [self.overview.wanted(place) for place, _ in self.overview.touched()]
        for each in filter(None, wanted):
            self.overview.written(each)
        return [each.key for each in wanted if each is not None]


@pytest.fixture
def watched():
    return Watched()


def test_nothing_is_said_of_a_part():
    """Half of the nodes would be told as all."""
    overview = Overview()
    item = Keeper().kept({"metadata": {"name": "web", "namespace": "shop"}}, OWN)
    overview.take(Listed(OWN, {KEY: item}))
    overview.take(Listed(WHOLE, {}))

    before = overview.touched()
    overview.take(Listed(NODES, {}))

    assert [] == before
    assert [(PLACE, True)] == overview.touched()


def test_only_what_differs_is_to_be_written(watched):
    """A report that says the same as before touches nothing."""
    watched.policy()
    watched.policy(key=("shop", "other"))
    watched.node("n1")

    assert {KEY, ("shop", "other")} == set(watched.write())
    watched.node("n1")
    assert [] == watched.overview.touched()
    watched.node("n1", "refused")
    assert [(PLACE, True)] == watched.overview.touched()
    assert [KEY] == watched.write()
    assert [] == watched.write()


def test_what_the_policy_has_already_is_not_written_again(watched):
    """The next holder begins where the last one ended; what others write there does not matter."""
    watched.policy()
    watched.node("n1", denials=3)
    status = watched.overview.wanted(PLACE).status
    others = {"type": "Tested", "status": "True"}

    after = Watched()
    after.policy(status={**status, "conditions": [others, *reversed(status["conditions"])]})
    after.node("n1", denials=3)

    assert [] == after.write()
    after.policy(status={**status, "nodes": {"total": 99}})
    assert [KEY] == after.write()


def test_counts_alone_are_not_urgent(watched):
    """They wait for their minute."""
    watched.policy()
    watched.node("n1")
    watched.write()

    watched.node("n1", denials=7)

    assert [(PLACE, False)] == watched.overview.touched()
    assert 7 == watched.overview.wanted(PLACE).status["denials"]
    watched.node("n1", "audit", denials=8)
    watched.node("n1", "audit", denials=9)
    assert [(PLACE, True)] == watched.overview.touched()


def test_a_new_generation_is_not_active_before_a_node_says_so(watched):
    """What was said of the one before does not count."""
    watched.policy(1)
    watched.node("n1")
    watched.write()

    watched.policy(2)

    assert 0 == watched.nodes()["active"]
    watched.node("n1", generation=2)
    assert 1 == watched.nodes()["active"]


def test_a_policy_that_is_made_again_is_not_active_before_a_node_says_so(watched):
    """It begins with generation 1 again, and what was said of the one before does not count."""
    watched.policy(uid="11111111-aaaa")
    watched.node("n1", uid="11111111")
    watched.node("n2", uid="11111111")
    assert 2 == watched.nodes()["active"]
    watched.write()

    watched.overview.take(Deleted(OWN, KEY))
    watched.policy(uid="22222222-aaaa")
    watched.node("n2", "refused", uid="11111111")

    again = watched.overview.wanted(PLACE)
    assert again.is_verdict
    assert (2, 0, 0) == tuple(again.status["nodes"][key] for key in ("total", "active", "refused"))
    assert ("Unknown", "NodesBehind") == conditions(again.status)["Enforced"]
    watched.node("n1", uid="22222222")
    assert 1 == watched.nodes()["active"]
    watched.node("n2")  # an agent of an older version tells none
    assert 2 == watched.nodes()["active"]


def test_an_annotation_is_no_generation_and_is_summed_up_all_the_same(watched):
    """As soon as it is there, as what it says; and a node that holds the policy back counts as such."""
    watched.policy()
    watched.node("n1")
    watched.write()

    watched.policy(annotations={MODE: "audit"})
    first = watched.overview.wanted(PLACE).status
    watched.node("n1", "audit", rollout="audit", held=True)
    second = watched.overview.wanted(PLACE).status
    watched.policy(annotations={MODE: "enforced"})
    third = watched.overview.wanted(PLACE).status

    assert ("audit", 1, 0) == (first["rollout"], *map(first["nodes"].get, ("enforcing", "held")))
    assert ("Unknown", "NodesBehind") == conditions(first)["Enforced"]
    assert ("audit", 0, 1) == (second["rollout"], *map(second["nodes"].get, ("enforcing", "held")))
    assert ("False", "Rollout") == conditions(second)["Enforced"]
    assert "invalid" == third["rollout"]


def test_a_node_whose_engine_says_no_more_is_not_active(watched):
    """Its agent goes on to report what the engine last said, and new pods have got nothing since."""
    watched.policy()
    ready = {"type": "Ready", "status": "True"}
    report = watched.node("n1") | {"conditions": [ready]}
    watched.same("n1", report)
    watched.write()

    watched.same("n1", report | {"lastSeen": "a", "conditions": [{**ready, "status": "Unknown"}]})
    (first,) = [watched.overview.wanted(place) for place, _ in watched.overview.touched()]
    watched.overview.written(first)
    watched.same("n1", report | {"lastSeen": "b", "conditions": [{**ready, "status": "Unknown"}]})
    again = watched.overview.wanted(PLACE)
    watched.same("n1", report | {"lastSeen": "c"})
    (back,) = [watched.overview.wanted(place) for place, _ in watched.overview.touched()]

    assert ("Unknown", "EnginesSilent") == conditions(first.status)["Enforced"]
    assert (1, 0) == (first.status["nodes"]["total"], first.status["nodes"]["active"])
    assert [("n1", "EngineSilent")] == [(f["node"], f["reason"]) for f in first.status["failures"]]
    assert first.is_verdict
    assert again is None
    assert ("True", "Active") == conditions(back.status)["Enforced"]


@pytest.mark.parametrize(
    ("age", "enforced"), [(5, ("True", "Active")), (3 * 86400, ("Unknown", "EnginesSilent"))]
)
def test_what_a_node_reports_of_a_silent_engine_is_understood(watched, age, enforced):
    """By the words that the agent of that node uses."""
    folder = Path("/policies")
    file = "shop.web.enforcerpolicy.yaml"
    engine = Results(
        "0.1",
        "6.12",
        1000.0,
        7,
        "enforce",
        0,
        {str(folder / file): FileResult("active", "", "", "d", 0)},
    )
    known = [(file, PolicyObject(*KEY, OWN.word, {"d": Version(1)}))]
    watched.policy()

    watched.same("n1", NodeStatus(folder, lambda: 1000.0 + age).make(engine, known))

    assert enforced == conditions(watched.overview.wanted(PLACE).status)["Enforced"]


@pytest.mark.parametrize("conditions", [None, {}, [None, 7, {}], [{"type": "Ready"}], "Unknown"])
def test_conditions_that_are_none_say_nothing(watched, conditions):
    watched.policy()
    watched.same("n1", watched.node("n1") | {"conditions": conditions})

    assert 1 == watched.nodes()["active"]


def test_a_node_that_goes_silent_is_not_active(watched):
    """A quarter of an hour after its last report was seen here, whatever time it names."""
    watched.policy()
    last = watched.node("n1")
    watched.write()

    watched.now += 899
    watched.same("n1", last)  # as a list says it again
    watched.overview.look()
    before = watched.overview.touched()
    watched.now += 2
    watched.overview.look()

    assert [] == before
    assert {"total": 1} == {key: count for key, count in watched.nodes().items() if count}
    watched.write()
    watched.node("n1")
    assert 1 == watched.nodes()["active"]


def test_a_node_that_is_removed_does_not_count(watched):
    """By order, or since a list has it no more."""
    watched.policy()
    for name in ("n1", "n2", "n3"):
        watched.node(name)
    watched.write()

    watched.overview.take(Deleted(NODES, ("", "n1")))
    first = watched.nodes()
    watched.overview.take(Listed(NODES, {}))

    assert 2 == first["total"]
    assert 0 == watched.nodes()["total"]


def test_a_policy_that_is_gone_is_not_written(watched):
    """Nor asked about again."""
    watched.policy()
    watched.overview.take(Deleted(OWN, KEY))

    assert [] == watched.write()
    assert [] == watched.overview.touched()


def test_of_two_kinds_under_one_name_a_report_means_the_first(watched):
    """So of the second nothing is known, until the first is gone."""
    place = (TETRAGON, KEY)
    watched.policy()
    watched.policy(resource=OTHER)
    watched.node("n1", "active", denials=2)

    assert 1 == watched.nodes()["active"]
    second = watched.overview.wanted(place).status
    assert (0, 0) == (second["nodes"]["active"], second["denials"])
    watched.write()
    watched.overview.take(Deleted(OWN, KEY))
    assert [KEY] == watched.write()


def test_a_policy_of_the_cluster_has_no_namespace(watched):
    """Its name alone is its label."""
    watched.policy(resource=WHOLE, key=("", "web"))
    watched.node("n1", label="web")

    assert 1 == watched.nodes((WHOLE.path, ("", "web")))["active"]


@pytest.mark.parametrize(
    "policies", [7, [7], [{}], [{"name": ["web"]}], [{"name": "shop/web", "denials": "many"}]]
)
def test_a_report_that_makes_no_sense_says_nothing(watched, policies):
    """No server takes one, and none ends the agent."""
    watched.policy(status={"conditions": [7, {"type": []}]})

    watched.same("n1", {"policies": policies})

    assert (1, 0) == tuple(watched.nodes()[key] for key in ("total", "active"))


def test_the_same_words_of_many_nodes_are_kept_once(watched):
    """A thousand nodes that say the same need no thousand copies."""
    watched.node("n1", "refused", reason="No", message="why")
    watched.node("n2", "refused", reason="No", message="why")

    first, second = (node.said["shop/web"] for node in watched.overview._nodes.values())

    assert first is second
