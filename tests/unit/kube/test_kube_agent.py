# SPDX-License-Identifier: MIT
"""The agent against a server that fails: what the files say in the end, and what is never removed."""

import json
import os

import attrs
import pytest
from kube_fakes import CLUSTER, KINDS, MACHINES, PODS, POLICIES, SPEC, TETRAGON, until

from enforcer.cluster.agent.agent import Agent
from enforcer.cluster.agent.errors import KubeError
from enforcer.cluster.agent.policy_folder import PolicyFolder

SHOP = "shop.web.enforcerpolicy.yaml"
BASE = "base.clusterenforcerpolicy.yaml"


def spec(path):
    return {"rules": [{"exec": {}, "match": {"path": path}, "action": "deny"}]}


def says(files, name, text):
    return text.encode() in files.get(name, b"")


def test_files_follow_objects(server, begin):
    """Made, changed, deleted: each is in the folder as the server has it."""
    server.put(POLICIES, ("shop", "web"))
    agent = begin()
    assert until(lambda: SHOP in agent.policies)

    server.put(CLUSTER, ("", "base"))
    server.put(POLICIES, ("shop", "web"), spec=spec("/bin/dash"))
    assert until(lambda: BASE in agent.policies and says(agent.policies, SHOP, "/bin/dash"))

    server.delete(POLICIES, ("shop", "web"))
    assert until(lambda: [BASE] == list(agent.policies))


def test_labels_of_the_node_are_watched(server, begin):
    """Only their form is another: a server gives one object in no form of lists, and lists in none of objects."""
    server.put(MACHINES, ("", "node-1"), meta={"labels": {"pool": "a"}})
    agent = begin()
    assert until(lambda: agent.agent.node.labels == {"pool": "a"})

    for pool in ("b", "c"):
        server.put(MACHINES, ("", "node-1"), meta={"labels": {"pool": pool}})
        assert until(lambda pool=pool: agent.agent.node.labels == {"pool": pool})

    asked = ["watch" in query for _, path, query in server.requests if path == MACHINES]
    assert [False, True] == asked


def test_a_list_in_parts(server, begin):
    """Every part is asked for, and none is taken for the whole."""
    server.pages = 7
    for number in range(30):
        server.put(POLICIES, ("shop", f"p{number:02}"))

    agent = begin()

    assert until(lambda: len(agent.policies) == 30)
    assert sum("continue" in query for *_, query in server.requests) == 4


def test_a_list_that_expires_in_the_middle_begins_anew(server, begin):
    """What was listed until then is not taken for the whole."""
    server.pages = 2
    for number in range(5):
        server.put(POLICIES, ("shop", f"p{number}"))
    server.faults.extend(["expire"] * 9)

    agent = begin()

    assert until(lambda: len(agent.policies) == 5)


@pytest.mark.parametrize(
    "fault",
    [500, 503, 429, 403, 404, 302, "drop", "garbage", "wrong", "half", "silence", 401],
)
def test_a_list_that_fails_removes_nothing(server, begin, plan, fault):
    """A node that boots meanwhile has what it last had, and follows as soon as it can."""
    server.put(POLICIES, ("shop", "web"))
    first = begin()
    assert until(lambda: SHOP in first.policies)
    first.stop()
    server.delete(POLICIES, ("shop", "web"))
    server.put(POLICIES, ("shop", "other"))
    plan = attrs.evolve(plan, pace=attrs.evolve(plan.pace, pause=0.05))
    server.faults.extend([fault] * 6)

    second = begin(plan)

    assert until(lambda: len(server.faults) == 0 or SHOP not in second.policies)
    assert until(lambda: ["shop.other.enforcerpolicy.yaml"] == list(second.policies))
    assert any("trying again" in sentence for sentence in second.said)


def test_nothing_is_removed_while_the_server_is_away(server, begin, plan):
    """The files are the cache: without a server they stay, and stay all the same."""
    server.put(POLICIES, ("shop", "web"))
    first = begin()
    assert until(lambda: SHOP in first.policies)
    first.stop()
    before = first.policies
    server.stop()

    second = begin()

    assert until(lambda: len(second.said) >= 3)
    assert before == second.policies
    server.start()
    server.delete(POLICIES, ("shop", "web"))
    assert until(lambda: not second.policies)


@pytest.mark.parametrize(
    "fault",
    ["cut-line", "cut-chunk", "bad-chunk", "bad-line", "no-type", "silent", "expire", 410, 500],
)
def test_a_watch_that_fails_is_begun_again(server, begin, fault):
    """From the last version that was told, so that nothing is missed and nothing goes."""
    server.put(POLICIES, ("shop", "web"))
    agent = begin()
    assert until(lambda: SHOP in agent.policies)
    count = len(server.requests)
    server.stop()
    server.faults.extend([fault] * 4)
    server.start()
    assert until(lambda: len(server.requests) > count)

    server.put(POLICIES, ("shop", "new"))
    server.put(CLUSTER, ("", "base"))

    wanted = {SHOP, "shop.new.enforcerpolicy.yaml", BASE}
    assert until(lambda: wanted == set(agent.policies))


def test_history_that_is_gone_means_a_list(server, begin):
    """What was deleted meanwhile is found by comparing."""
    server.put(POLICIES, ("shop", "web"))
    server.put(POLICIES, ("shop", "stays"))
    agent = begin()
    assert until(lambda: len(agent.policies) == 2)
    server.stop()
    server.delete(POLICIES, ("shop", "web"))
    server.compact()
    server.start()

    assert until(lambda: ["shop.stays.enforcerpolicy.yaml"] == list(agent.policies))


def test_a_store_that_went_back_is_listed_again(server, begin):
    """A restored backup goes on with smaller versions; a watch from a later one would miss what comes."""
    server.put(POLICIES, ("shop", "web"))
    kept = server.backup()
    agent = begin()
    for number in range(20):
        server.put(POLICIES, ("shop", "late"), spec=spec(f"/bin/x{number}"))
    assert until(lambda: len(agent.policies) == 2)

    server.restore(kept)
    server.put(POLICIES, ("shop", "web"), spec=spec("/bin/restored"))

    assert until(lambda: [SHOP] == list(agent.policies))
    assert until(lambda: says(agent.policies, SHOP, "/bin/restored"))


def test_a_complete_list_is_the_truth_also_an_empty_one(server, begin):
    """A store that was lost has no policies: there is nobody else to ask, and a deletion must count."""
    server.put(POLICIES, ("shop", "web"))
    agent = begin()
    assert until(lambda: SHOP in agent.policies)

    server.restore(({path: {} for path in server.store}, 1))

    assert until(lambda: not agent.policies)


def test_a_definition_that_is_gone_is_no_empty_list(server, begin, monkeypatch):
    """404 says nothing of policies."""
    server.put(POLICIES, ("shop", "web"))
    agent = begin()
    assert until(lambda: SHOP in agent.policies)
    server.stop()
    monkeypatch.setattr("kube_fakes.KINDS", {PODS: "Pod"})
    server.start()

    assert until(lambda: any(f"{POLICIES}: 404" in sentence for sentence in agent.said))
    assert [SHOP] == list(agent.policies)


def test_a_kind_that_a_cluster_may_do_without(server, begin, monkeypatch):
    """It is looked for now and then; the others go on meanwhile."""
    kinds = dict(KINDS)
    monkeypatch.setattr("kube_fakes.KINDS", {k: v for k, v in kinds.items() if k != TETRAGON})
    server.put(POLICIES, ("shop", "web"))
    agent = begin()
    assert until(lambda: SHOP in agent.policies)
    assert until(lambda: sum(TETRAGON == path for _, path, _ in server.requests) > 9)
    assert any(f"{TETRAGON}: 404" in sentence for sentence in agent.said)

    monkeypatch.setattr("kube_fakes.KINDS", kinds)
    server.put(TETRAGON, ("shop", "web"))

    assert until(lambda: [SHOP, "shop.web.tetragonpolicy.yaml"] == list(agent.policies))


def test_once_does_without_it(server, plan, monkeypatch):
    """But not without the others."""
    agent = Agent(plan, lambda _: None)
    agent.open()
    for missing, is_well in ((TETRAGON, True), (CLUSTER, False)):
        kinds = {k: v for k, v in KINDS.items() if k != missing}
        with monkeypatch.context() as patch:
            patch.setattr("kube_fakes.KINDS", kinds)
            if is_well:
                agent.once()
            else:
                with pytest.raises(KubeError):
                    agent.once()


def test_a_token_that_was_renewed_is_read_again(server, begin, plan):
    """An expired token is refused until the file has the next one."""
    server.put(POLICIES, ("shop", "web"))
    agent = begin()
    assert until(lambda: SHOP in agent.policies)
    server.stop()
    server.tokens = {"next"}
    server.start()
    assert until(lambda: any("401" in sentence for sentence in agent.said))
    server.put(POLICIES, ("shop", "late"))

    plan.access.token_file.write_text("next")

    assert until(lambda: len(agent.policies) == 2)


def test_a_server_that_nobody_vouches_for_is_not_asked(server, begin, plan, tmp_path):
    """Neither with another authority nor under another name does the token leave the node."""
    from kube_fakes import authority

    other = tmp_path / "other"
    other.mkdir()
    strangers = attrs.evolve(plan.access, ca_file=authority(other)[0])
    misnamed = attrs.evolve(plan.access, host="localhost")

    for access in (strangers, misnamed):
        agent = begin(attrs.evolve(plan, access=access))
        assert until(lambda agent=agent: any("certificate" in each.lower() for each in agent.said))
        agent.stop()

    assert [] == server.requests


def test_an_authority_without_key_identifiers_vouches(certificate, begin, plan, tmp_path):
    """Clusters keep theirs for ten years, and Python 3.13 refuses such by itself."""
    from kube_fakes import FakeServer, old_authority

    folder = tmp_path / "old"
    folder.mkdir()
    known, shown = old_authority(folder)
    server = FakeServer(shown).start()
    access = attrs.evolve(plan.access, port=server.port, ca_file=known)
    try:
        server.put(POLICIES, ("shop", "web"))
        agent = begin(attrs.evolve(plan, access=access))

        assert until(lambda: SHOP in agent.policies)
        agent.stop()
    finally:
        server.stop()


def test_an_unchanged_policy_is_not_written_again(server, begin):
    """What the server counts and notes changes no file, so the engine reads nothing again."""
    server.put(POLICIES, ("shop", "web"))
    agent = begin()
    assert until(lambda: SHOP in agent.policies)
    path = agent.agent.plan.policies / SHOP
    before = path.stat()

    server.put(POLICIES, ("shop", "web"), meta={"labels": {"a": "b"}}, status={"nodes": 3})
    server.put(CLUSTER, ("", "base"))

    assert until(lambda: BASE in agent.policies)
    assert (before.st_ino, before.st_mtime_ns) == (path.stat().st_ino, path.stat().st_mtime_ns)


def test_what_cannot_be_written_is_tried_again(server, begin, monkeypatch):
    """A full disk keeps what was there; the agent goes on."""
    server.put(POLICIES, ("shop", "web"))
    agent = begin()
    assert until(lambda: SHOP in agent.policies)
    monkeypatch.setattr("enforcer.cluster.agent.agent._AGAIN", 0.01)
    real = PolicyFolder._write

    def full(self, path, text):
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(PolicyFolder, "_write", full)
    server.put(POLICIES, ("shop", "web"), spec=spec("/bin/dash"))
    assert until(lambda: any("No space left" in sentence for sentence in agent.said))
    assert not says(agent.policies, SHOP, "/bin/dash")

    monkeypatch.setattr(PolicyFolder, "_write", real)

    assert until(lambda: says(agent.policies, SHOP, "/bin/dash"))
    assert until(lambda: any("files: works again" in sentence for sentence in agent.said))


def test_pods_of_the_node_are_known_when_they_are_bound(server, begin):
    """Before a container has an id; pods of other nodes are none of its business."""
    meta = {"labels": {"app": "web"}, "uid": "11111111-2222-3333-4444-555555555555"}
    server.put(PODS, ("shop", "web-1"), spec={"nodeName": "node-1"}, meta=meta)
    server.put(PODS, ("shop", "web-2"), spec={"nodeName": "node-2"})
    agent = begin()

    assert until(agent.pods.exists)
    (pod,) = json.loads(agent.pods.read_text())["items"]
    assert ("web-1", "shop", meta["labels"]) == tuple(
        pod["metadata"][word] for word in ("name", "namespace", "labels")
    )
    server.delete(PODS, ("shop", "web-1"))
    assert until(lambda: [] == json.loads(agent.pods.read_text())["items"])


def test_what_is_missing_of_pods_is_told(server, begin):
    """Once: numbers change with every pod."""
    labels = {f"l{n}": "" for n in range(257)}
    meta = {"labels": labels, "uid": "11111111-2222-3333-4444-555555555555"}
    server.put(PODS, ("shop", "web-1"), spec={"nodeName": "node-1"}, meta=meta)
    agent = begin()

    assert until(lambda: any("1 are without labels" in sentence for sentence in agent.said))


def test_once_lists_writes_and_ends(server, plan):
    """What it lists it removes, too."""
    server.put(POLICIES, ("shop", "web"))
    agent = Agent(plan, lambda _: None)
    agent.open()
    agent.once()
    assert [SHOP] == [path.name for path in plan.policies.iterdir()]
    server.delete(POLICIES, ("shop", "web"))

    again = Agent(plan, lambda _: None)
    again.open()
    again.once()

    assert [] == list(plan.policies.iterdir())


@pytest.mark.parametrize("missing", [POLICIES, CLUSTER, PODS])
def test_once_lists_the_rest(server, plan, monkeypatch, missing):
    """Whichever kind cannot be listed: what is there of it stays, and the others are as the server says."""
    kinds = {POLICIES: ("shop", "web"), CLUSTER: ("", "all")}
    for path, key in kinds.items():
        server.put(path, key)
    agent = Agent(plan, lambda _: None)
    agent.open()
    agent.once()
    meta = {"uid": "11111111-2222-3333-4444-555555555555"}
    server.put(PODS, ("shop", "web-1"), spec={"nodeName": "node-1"}, meta=meta)
    for path, key in kinds.items():
        server.delete(path, key)

    monkeypatch.setattr("kube_fakes.KINDS", {k: v for k, v in KINDS.items() if k != missing})
    again = Agent(plan, lambda _: None)
    again.open()
    with pytest.raises(KubeError, match="404"):
        again.once()

    left = [path.name for path in plan.policies.iterdir()]
    assert int(missing in kinds) == len(left)
    assert (SHOP in left) is (missing == POLICIES)
    assert (missing != PODS) is any("web-1" in each.read_text() for each in plan.pods.iterdir())


def test_once_fails_without_a_server(server, plan):
    """And removes nothing."""
    server.put(POLICIES, ("shop", "web"))
    agent = Agent(plan, lambda _: None)
    agent.open()
    agent.once()
    server.stop()

    with pytest.raises(KubeError):
        agent.once()

    assert [SHOP] == [path.name for path in plan.policies.iterdir()]


def test_a_bug_ends_the_agent(server, plan, monkeypatch):
    """A watch that nobody goes on with would let files age in silence."""

    def bug(self):
        raise ZeroDivisionError

    monkeypatch.setattr("enforcer.cluster.agent.watcher.Watcher._round", bug)
    agent = Agent(plan, lambda _: None)
    agent.open()

    with pytest.raises(ZeroDivisionError):
        agent.run()


def test_half_written_files_of_a_crash_go(server, plan):
    """They are not policies, and nobody else would clear them."""
    plan.policies.mkdir(parents=True)
    (plan.policies / f"{SHOP}.new").write_text("half")

    Agent(plan, lambda _: None).open()

    assert [] == list(plan.policies.iterdir())


def test_a_policy_is_as_its_object_says(server, begin):
    """What the language does not know stays for the engine to refuse; what the server adds does not."""
    server.put(POLICIES, ("shop", "web"), spec={**SPEC, "acton": "kill"}, more={"x": 1})
    agent = begin()
    assert until(lambda: SHOP in agent.policies)

    document = json.loads(agent.policies[SHOP])

    assert {
        "apiVersion": "enforcer.dev/v1",
        "kind": "EnforcerPolicy",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {**SPEC, "acton": "kill"},
        "more": {"x": 1},
    } == document
