# SPDX-License-Identifier: MIT
"""What a node reports: what the engine says of the text that the agent wrote, and nothing that nobody knows."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import attrs
import pytest
from kube_fakes import NODES, POLICIES, SPEC, FakeServer, until

from enforcer.cluster.agent.engine_results import FileResult, Results, read_results
from enforcer.cluster.agent.field_path import field_at
from enforcer.cluster.agent.node_object import NodeObject
from enforcer.cluster.agent.node_status import NodeStatus
from enforcer.cluster.agent.policy_folder import PolicyFolder
from enforcer.cluster.agent.policy_state import PolicyObject, PolicyStates
from enforcer.cluster.agent.reporter import Reporter, Tempo
from enforcer.cluster.agent.resource import POLICIES as RESOURCES
from enforcer.cluster.agent.resource import Deleted, Found, node_of
from enforcer.cluster.agent.rollout import MODE, SHARE
from enforcer.cluster.agent.rollout import NODES as NODE_LABELS
from enforcer.cluster.agent.troubles import Troubles
from enforcer.identity.naming import boot_id
from enforcer.policy.text.digest import digest_of

KEY = ("shop", "web")
QUICK = Tempo(look=0.01, least=0.0, counts=1000.0, alive=(1000.0, 1000.0), failed=(0.01, 0.02))


@attrs.define(eq=False)
class Node:
    """The files of an agent and of an engine."""

    folder: PolicyFolder
    results: object
    now: float = 1_000_000.0

    @property
    def file(self):
        return self.folder.path / "shop.web.enforcerpolicy.yaml"

    def agent_writes(self, generation, spec=SPEC, uid="u", **annotations):
        """Return the digest of the text of an object with this generation; empty if there is none."""
        meta = {"uid": uid, "generation": generation, "annotations": annotations}
        item = {"metadata": meta, "spec": spec}
        self.folder.take(Found(RESOURCES[0], KEY, item))
        self.folder.write()
        return digest_of(self.file.read_bytes()) if self.file.exists() else ""

    def engine_says(self, *policies, **more):
        """Write results, as the engine does."""
        document = {
            "version": 1,
            "enforcer": "1.2.3",
            "kernel": "6.12.1",
            "boot": boot_id(),
            "time": self.now,
            "generation": 7,
            "mode": "enforce",
            "lost": 0,
            "policies": list(policies),
        } | more
        self.results.write_text(json.dumps(document))
        self.results.chmod(0o644)

    def result(self, digest, state="active", reason="", message="", **more):
        found = {"name": "shop/web", "file": str(self.file), "state": state, "reason": reason}
        return found | {"message": message, "digest": digest, "denials": 0} | more

    def status(self):
        made = NodeStatus(self.folder.path, lambda: self.now)
        return made.make(read_results(self.results), self.folder.states.all())


@pytest.fixture
def node(tmp_path):
    folder = PolicyFolder(
        tmp_path / "policies",
        PolicyStates(tmp_path / "state"),
        NodeObject(tmp_path / "node", "node-1"),
    )
    folder.open()
    return Node(folder, tmp_path / "results.json")


def test_a_state_is_of_the_generation_whose_text_is_meant(node):
    """While the engine has not seen the newest, the one before is reported."""
    old = node.agent_writes(3)
    new = node.agent_writes(4, {**SPEC, "mode": "audit"})

    node.engine_says(node.result(old, denials=5))
    first = node.status()
    node.engine_says(node.result(new, state="audit"))
    second = node.status()
    node.engine_says(node.result("0" * 64))
    third = node.status()

    expected = {"name": "shop/web", "state": "active", "denials": 5, "observedGeneration": 3}
    expected |= {"uid": "u"}
    assert [expected] == first["policies"]
    assert [("audit", 4)] == [(p["state"], p["observedGeneration"]) for p in second["policies"]]
    assert "observedGeneration" not in third["policies"][0]
    assert ("1.2.3", "6.12.1", 7, "enforce", 0) == tuple(
        first[key] for key in ("version", "kernel", "generation", "mode", "lost")
    )


def test_a_rollout_is_reported_of_the_text_that_is_meant(node):
    """An annotation changes no generation: so the text says by which rollout it is."""
    every = node.agent_writes(3)
    held = node.agent_writes(3, **{MODE: "audit"})

    node.engine_says(node.result(every))
    (before,) = node.status()["policies"]
    node.engine_says(node.result(held, "audit"))
    (after,) = node.status()["policies"]
    node.agent_writes(3, **{SHARE: "0%"})
    (last,) = node.status()["policies"]

    expected = {"name": "shop/web", "state": "active", "denials": 0}
    assert {**expected, "observedGeneration": 3, "uid": "u"} == before
    assert ("audit", 3, "audit", True) == _of_rollout(after)
    assert ("audit", 3, "0%", True) == _of_rollout(last)  # the same text, by another rollout


def _of_rollout(policy):
    return tuple(policy[key] for key in ("state", "observedGeneration", "rollout", "held"))


def test_the_object_that_is_meant_is_told_by_its_uid(node):
    """One that is made again begins with generation 1 again. Also after a start of the agent."""
    again = "22222222-bbbb-cccc"
    digest = node.agent_writes(1, uid="11111111-bbbb-cccc")
    node.engine_says(node.result(digest))
    told = [node.status()["policies"]]
    node.agent_writes(1, {**SPEC, "mode": "audit"}, uid=again)
    node.folder.states.write()
    node.folder.states.read()
    told.append(node.status()["policies"])  # the engine has not read it yet
    node.agent_writes(1, uid=again)
    told.append(node.status()["policies"])  # the same text as the first
    node.agent_writes(1, uid="33333333-bbbb", **{SHARE: "25"})
    node.folder.states.write()
    node.folder.states.read()
    told.append(node.status()["policies"])

    assert ["11111111", "11111111", "22222222", "33333333"] == [each["uid"] for (each,) in told]


def test_labels_that_nobody_knows_are_told(node):
    """On the one node: the counts of the policy say no more than that it is held there."""
    digest = node.agent_writes(1, **{NODE_LABELS: "pool=canary"})
    node.engine_says(node.result(digest, "audit"))

    (policy,) = node.status()["policies"]

    assert ("LabelsUnknown", True) == (policy["reason"], policy["held"])


def test_a_policy_that_the_agent_refuses_is_reported(node):
    """With the annotation that is wrong. What was active is so still, and is told as older."""
    node.agent_writes(1, **{SHARE: "25"})
    node.engine_says()
    (new,) = node.status()["policies"]
    digest = node.agent_writes(1)
    node.agent_writes(2, **{SHARE: "25"})
    node.engine_says(node.result(digest, denials=7))
    (old,) = node.status()["policies"]

    assert ("refused", 1, 0) == tuple(new[k] for k in ("state", "observedGeneration", "denials"))
    assert ("older", 2, 7) == tuple(old[k] for k in ("state", "observedGeneration", "denials"))
    assert {("Rollout", f"metadata.annotations[{SHARE}]")} == {
        (each["reason"], each["path"]) for each in (new, old)
    }
    assert "'25' is no share" in old["message"]
    assert "SomeRefused" == node.status()["conditions"][0]["reason"]


def test_an_error_has_the_path_of_its_field(node):
    """Nobody but the agent knows the lines of its file."""
    wrong = {"rules": [*SPEC["rules"], {**SPEC["rules"][0], "action": "dney"}]}
    digest = node.agent_writes(2, wrong)
    lines = node.file.read_text().splitlines()
    line = next(n for n, each in enumerate(lines, 1) if "dney" in each)
    message = f"{node.file}:{line}:19: action must be one of\n{node.file}:1:1: another"
    node.engine_says(node.result(digest, "older", "Refused", message))

    (policy,) = node.status()["policies"]

    assert (
        "older",
        "Refused",
        "action must be one of (and 1 more)",
        "spec.rules[1].action",
    ) == tuple(policy[key] for key in ("state", "reason", "message", "path"))
    node.agent_writes(3)
    assert f"{line}:19" == node.status()["policies"][0]["path"]


def test_a_name_is_in_the_list_once(node):
    """Nobody could tell two entries of one name apart."""
    digest = node.agent_writes(1)
    item = {"metadata": {"generation": 9}, "spec": SPEC}
    node.folder.take(Found(RESOURCES[2], KEY, item))
    node.folder.write()
    other = str(node.folder.path / "shop.web.tetragonpolicy.yaml")

    node.engine_says(node.result(digest), node.result("0" * 64, "refused", file=other))

    assert ["active"] == [each["state"] for each in node.status()["policies"]]


def test_a_node_is_ready_while_its_engine_says_so(node):
    """An engine that says nothing, or said it long ago, is not taken for one that is well."""
    digest = node.agent_writes(1)

    def ready():
        (condition,) = node.status()["conditions"]
        return condition["status"], condition["reason"]

    assert ("False", "NoEngine") == ready()
    node.engine_says(node.result(digest))
    assert ("True", "Active") == ready()
    node.engine_says(node.result(digest, "refused", "Refused", "x"))
    assert ("True", "SomeRefused") == ready()
    node.now += 61
    assert ("Unknown", "Old") == ready()


def test_a_change_that_the_machine_kept_away_is_no_readiness(node):
    """No file is to blame, so no policy's entry could say why the newest is not active."""
    digest = node.agent_writes(1)
    node.engine_says(node.result(digest), problem="the kernel refuses:\nout of memory")

    (condition,) = node.status()["conditions"]

    assert ("False", "NotActivated") == (condition["status"], condition["reason"])
    assert condition["message"].endswith("tried again: the kernel refuses: out of memory")


@pytest.mark.parametrize("boot", ["0b4ee0b8-5bbb-4c0c-a5b7-d7b1fbd5a0f3", "", None])
def test_what_was_said_in_another_boot_is_nothing(node, boot):
    """A machine that crashed has the file still, and nothing is active; so has one that does not say when it was."""
    digest = node.agent_writes(1)
    node.engine_says(node.result(digest), boot=boot)

    found = node.status()

    assert read_results(node.results) is None
    assert ([], "NoEngine") == (found["policies"], found["conditions"][0]["reason"])


def test_an_agent_that_does_not_know_the_boot_believes_nothing(node, monkeypatch):
    """Where the kernel tells neither of them, they are not of one boot for that."""
    node.engine_says(node.result(node.agent_writes(1)), boot="")
    monkeypatch.setattr("enforcer.cluster.agent.engine_results.boot_id", lambda: "")
    assert read_results(node.results) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text(path.read_text().replace('"active"', '"perfect"')),
        lambda path: path.write_text(path.read_text().replace('"1.2.3"', "7")),
        lambda path: path.write_text(path.read_text().replace('"denials": 0', '"denials": 1e999')),
        lambda path: path.chmod(0o666),
        lambda path: path.unlink(),
        lambda path: (path.rename(f"{path}.x"), path.symlink_to(f"{path}.x")),
    ],
)
def test_results_that_make_no_sense_are_none(node, spoil):
    """Or that others could have written."""
    node.engine_says(node.result(node.agent_writes(1)))
    assert read_results(node.results) is not None

    spoil(node.results)

    assert read_results(node.results) is None


TEXT = json.dumps(
    {"a": {"b": [1, {"c.d": [[], {}, ["x: y", "{"]]}]}, "e": "f"}, indent=2, sort_keys=True
)


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ('"a"', "a"),
        ('"b"', "a.b"),
        ("1", "a.b[0]"),
        ('"c.d"', "a.b[1].c.d"),
        ("[],", "a.b[1].c.d[0]"),
        ("{},", "a.b[1].c.d[1]"),
        ('"x: y"', "a.b[1].c.d[2][0]"),
        ('"{"', "a.b[1].c.d[2][1]"),
        ('"e"', "e"),
    ],
)
def test_fields_by_lines(word, path):
    """Of maps and lists, in each other."""
    line = next(
        number for number, row in enumerate(TEXT.split("\n"), 1) if row.strip().startswith(word)
    )

    assert path == field_at(TEXT, line)


@pytest.mark.parametrize("text", ["", "}", "]\n]", "   x\n y", '  "\n', "{\n      deep"])
def test_any_text_has_some_path(text):
    """What is not the agent's has none that means anything, and does no harm."""
    assert isinstance(field_at(text, 9), str)


# ---- Reports -------------------------------------------------------------------------------------


@pytest.fixture
def reporter(node, plan):
    said = []
    made = Reporter(
        "node-1",
        plan.client(),
        node.results,
        node.folder.states,
        NodeStatus(node.folder.path, lambda: node.now),
        Troubles(said.append),
        node.folder.node,
        QUICK,
    )
    yield made, said
    made.close()
    made.client.close()


def test_what_the_engine_says_is_passed_on(node, reporter):
    """Whether there is anything to report or not."""
    made, _ = reporter
    heard = []
    made.heard = heard.append

    made.look()
    node.engine_says()
    made._not_before = 0.0
    made.look()

    assert [False, True] == [each is not None for each in heard]


def test_the_object_is_made_and_its_status_applied(server, node, reporter):
    """By the field manager of this node; again only when something has changed."""
    made, said = reporter
    node.engine_says(node.result(node.agent_writes(1)))

    made.look()
    made.look()

    status = server.store[NODES]["", "node-1"]["status"]
    assert [("shop/web", "active", 1)] == [
        (p["name"], p["state"], p["observedGeneration"]) for p in status["policies"]
    ]
    assert "1970-01-12T13:46:40Z" == status["lastSeen"]
    place = f"{NODES}/node-1"
    assert [f"{place}/status", place, f"{place}/status"] == [path for _, path, _ in server.requests]
    assert {"enforcer-node-node-1"} == {query["fieldManager"] for *_, query in server.requests}
    node.engine_says(node.result(node.agent_writes(2, {"rules": []}), "audit"))
    made.look()
    assert 4 == len(server.requests)
    assert [] == said


# ---- The owner of a report -------------------------------------------------------------------------


def machine(node, uid, **more):
    """The server says that the node's object is this one."""
    item = {"metadata": {"name": "node-1", "uid": uid, **more}}
    node.folder.node.take(Found(node_of("node-1"), ("", "node-1"), item))


def owners(server):
    found = server.store[NODES]["", "node-1"]["metadata"].get("ownerReferences", [])
    return [(each["kind"], each["name"], each["uid"]) for each in found]


def test_a_report_belongs_to_its_node(server, node, reporter):
    """So it goes with it. A node that is made anew is another one; the status alone does not change it."""
    made, said = reporter
    made.look()
    before = owners(server)
    machine(node, "u1")
    made.look()
    first = owners(server)
    node.engine_says(node.result(node.agent_writes(1)))
    made.look()
    count = len(server.requests)
    machine(node, "u2")
    made.look()
    made.look()

    assert [] == before
    assert [("Node", "node-1", "u1")] == first
    assert [("Node", "node-1", "u2")] == owners(server)
    assert 2 == len(server.requests) - count
    assert "policies" in server.store[NODES]["", "node-1"]["status"]
    assert [] == said


def test_a_report_that_somebody_removed_is_made_again(server, node, reporter):
    """With its owner."""
    made, _ = reporter
    machine(node, "u1")
    made.look()
    server.delete(NODES, ("", "node-1"))
    node.engine_says()

    made.look()

    assert [("Node", "node-1", "u1")] == owners(server)


def test_a_report_of_a_node_that_was_deleted_is_not_made_again(server, node, reporter):
    """It would have no owner and stay. It is made when the node is back."""
    made, said = reporter
    machine(node, "u1")
    made.look()
    node.folder.node.take(Deleted(node_of("node-1"), ("", "node-1")))
    server.delete(NODES, ("", "node-1"))
    node.engine_says()
    made.look()
    meanwhile = ("", "node-1") in server.store[NODES]

    machine(node, "u2")
    made._not_before = 0.0
    made.look()

    assert not meanwhile
    assert any("the node was deleted" in sentence for sentence in said)
    assert [("Node", "node-1", "u2")] == owners(server)


def test_without_the_right_to_an_owner_reports_go_on(server, node, reporter):
    """Some servers let nobody name one who may not delete what is owned."""
    made, said = reporter
    server.no_owners = True
    machine(node, "u1")

    made.look()

    assert [] == owners(server)
    assert "conditions" in server.store[NODES]["", "node-1"]["status"]
    assert any(sentence.startswith("owner of the status: 403") for sentence in said)


def test_counts_alone_wait(server, node, reporter):
    """Thousands of nodes would tell of each denial."""
    made, _ = reporter
    digest = node.agent_writes(1)
    node.engine_says(node.result(digest))
    made.look()
    count = len(server.requests)

    node.engine_says(node.result(digest, denials=9), generation=8, lost=3)
    made.look()

    assert count == len(server.requests)
    made.tempo = attrs.evolve(QUICK, counts=0.0)
    made.look()
    status = server.store[NODES]["", "node-1"]["status"]
    assert (9, 3, 8) == (status["policies"][0]["denials"], status["lost"], status["generation"])


def test_a_node_reports_now_and_then(server, node, reporter):
    """So that one that does not is noticed."""
    made, _ = reporter
    node.engine_says()
    made.tempo = attrs.evolve(QUICK, alive=(0.0, 0.0))
    made.look()
    node.now += 30

    made.look()

    assert "1970-01-12T13:47:10Z" == server.store[NODES]["", "node-1"]["status"]["lastSeen"]


def test_a_report_that_fails_touches_nothing_else(server, node, plan, begin, monkeypatch):
    """Policies are written all the same; the trouble is told once, and it is tried again."""
    server.put(POLICIES, KEY)
    agent = begin()
    assert until(lambda: agent.policies)
    node.engine_says()
    made = Reporter(
        "node-1",
        plan.client(),
        node.results,
        agent.agent.states,
        NodeStatus(plan.policies, lambda: node.now),
        agent.agent.troubles,
        agent.agent.node,
        QUICK,
    )
    real, is_well = FakeServer.put, Event()

    def put(self, path, *given, **named):
        if path == NODES and not is_well.is_set():
            raise ConnectionError
        return real(self, path, *given, **named)

    monkeypatch.setattr(FakeServer, "put", put)
    made.start()
    assert until(lambda: any("status of this node: " in sentence for sentence in agent.said))
    server.put(POLICIES, ("shop", "other"))
    assert until(lambda: len(agent.policies) == 2)

    is_well.set()

    assert until(lambda: ("", "node-1") in server.store[NODES])
    assert until(lambda: any("status of this node: works" in sentence for sentence in agent.said))
    made.close()
    assert 1 == sum("status of this node: cannot" in sentence for sentence in agent.said)


@attrs.frozen
class Flood:
    """Policies of some namespaces, and what an engine says of each."""

    folder: Path
    policies: Sequence[tuple[str, str]]
    """Namespace and state."""

    def status(self, monkeypatch, most=20, messages=6):
        monkeypatch.setattr("enforcer.cluster.agent.node_status._MAX_POLICIES", most)
        monkeypatch.setattr("enforcer.cluster.agent.node_status._MAX_MESSAGES", messages)
        objects, files = [], {}
        for number, (namespace, state) in enumerate(self.policies):
            name = f"{number}.yaml"
            objects.append((name, PolicyObject(namespace, f"p{number}", "enforcerpolicy")))
            reason = "" if state == "active" else "Refused"
            files[str(self.folder / name)] = FileResult(
                state=state, reason=reason, message="no", digest=None, denials=0
            )
        results = Results(
            version="1", kernel="6", time=0.0, generation=1, mode="enforce", lost=0, files=files
        )
        return NodeStatus(self.folder, lambda: 0.0).make(results, objects)


def test_refused_policies_take_nobodys_room(tmp_path, monkeypatch):
    """Whoever has thousands of them comes first by its name, and neither hides another's nor takes its message."""
    policies = [("a", "refused")] * 100 + [("b", "active")] * 10 + [("b", "refused")] * 4
    flood = Flood(tmp_path, policies)

    status = flood.status(monkeypatch)

    found = [(each["name"][0], each["state"], "message" in each) for each in status["policies"]]
    assert [
        *[("a", "refused", True)] * 3,
        *[("a", "refused", False)] * 3,
        *[("b", "active", False)] * 10,
        *[("b", "refused", True)] * 3,
        ("b", "refused", False),
    ] == found
    (condition,) = status["conditions"]
    assert condition["message"].endswith("; the report has no room for 94 others")


def test_what_has_room_is_reported_in_its_order(tmp_path, monkeypatch):
    policies = [("b", "active"), ("a", "refused"), ("b", "refused"), ("a", "active")]

    status = Flood(tmp_path, policies).status(monkeypatch)

    assert ["b/p0", "a/p1", "b/p2", "a/p3"] == [each["name"] for each in status["policies"]]
    assert "room" not in status["conditions"][0]["message"]


def test_a_report_is_smaller_than_what_a_server_takes(tmp_path):
    """However long names and errors of one namespace are; and those of another stay in it."""
    emoji = "\N{GRINNING FACE}"
    files, objects = {}, []
    for namespace, length, n_policies in (("a" * 63, 253, 4900), ("shop", 8, 50)):
        for number in range(n_policies):
            name = f"{namespace}.{number}.yaml"
            long = f"{number}".rjust(length, "p")
            objects.append((name, PolicyObject(namespace, long, "enforcerpolicy")))
            message = f"{tmp_path / name}:1:1: {emoji * 4000}"
            files[str(tmp_path / name)] = FileResult("refused", "Refused", message, None, 0)
    results = Results("1", "6", 0.0, 1, "enforce", 0, files, omitted=7)

    status = NodeStatus(tmp_path, lambda: 0.0).make(results, objects)

    assert len(json.dumps(status)) < 3 << 19  # 1.5 MiB
    shop = [each for each in status["policies"] if each["name"].startswith("shop/")]
    assert (50, True) == (len(shop), any("message" in each for each in shop))
    omitted = 4950 - len(status["policies"]) + 7
    assert status["conditions"][0]["message"].endswith(
        f"no room for {omitted:,} others".replace(",", "")
    )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_text("{"), "it makes no sense"),
        (lambda path: path.chmod(0o666), "others than root may have written it"),
        (lambda path: os.truncate(path, (16 << 20) + 1), "more than 16,777,216 bytes"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "it is no file"),
    ],
)
def test_what_cannot_be_read_is_not_what_is_not_there(node, reporter, monkeypatch, spoil, why):
    """An engine runs, and nobody must look for one."""
    made, _ = reporter
    node.engine_says(node.result(node.agent_writes(1)))
    spoil(node.results)
    sent = []
    monkeypatch.setattr(Reporter, "_send", lambda _, status: sent.append(status))

    made.look()

    (condition,) = sent[0]["conditions"]
    assert ("Unknown", "Unreadable") == (condition["status"], condition["reason"])
    assert why in condition["message"]


@pytest.mark.parametrize("has_result", [True, False])
def test_a_policy_of_another_engine_is_not_taken_for_one_with_a_status(tmp_path, has_result):
    """Of one name, by its file it comes first: what it enforces, the other one does not."""
    names = {word: f"shop.web.{word}.yaml" for word in ("kubearmorpolicy", "tetragonpolicy")}
    objects = [(name, PolicyObject("shop", "web", word)) for word, name in names.items()]
    active = FileResult("active", "", "", None, 5)
    refused = FileResult("refused", "Refused", "policy 'shop/web' has its name from x", None, 0)
    files = {str(tmp_path / names["kubearmorpolicy"]): active}
    if has_result:
        files[str(tmp_path / names["tetragonpolicy"])] = refused
    results = Results("1", "6", 0.0, 1, "enforce", 0, files)
    made = NodeStatus(tmp_path, lambda: 0.0)

    status = made.make(results, objects)
    alone = made.make(results, objects[:1])

    states = [(each["name"], each["state"], each["denials"]) for each in status["policies"]]
    assert [("shop/web", "refused", 0)] * has_result == states
    assert ["active"] == [each["state"] for each in alone["policies"]]
