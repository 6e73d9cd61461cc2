# SPDX-License-Identifier: MIT
"""Any history of objects and of faults: in the end the folder is as the store, and nothing went without an order."""

import tempfile
import threading
from pathlib import Path

import attrs
import pytest
from amount import examples
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kube_fakes import CLUSTER, PODS, POLICIES, QUICK, FakeServer, files_of, until

from enforcer.cluster.agent.access import Access
from enforcer.cluster.agent.agent import Agent, Plan
from enforcer.cluster.agent.policy_folder import PolicyFolder
from enforcer.cluster.agent.policy_text import file_name, policy_text
from enforcer.cluster.agent.resource import POLICIES as RESOURCES

KEYS = [
    (POLICIES, ("shop", "web")),
    (POLICIES, ("shop", "web.cases")),
    (POLICIES, ("bank", "web")),
    (POLICIES, ("bank", "x.policy")),
    (CLUSTER, ("", "shop.web")),
    (CLUSTER, ("", "base.enforcerpolicy")),
    (PODS, ("shop", "web-1")),
]
FAULTS = [
    *(500, 429, 403, 404, 410, 401, "drop", "garbage", "wrong", "half", "expire"),
    *("cut-line", "cut-chunk", "bad-chunk", "bad-line", "no-type"),
]

STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(KEYS), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.sampled_from(KEYS)),
    st.tuples(st.just("fault"), st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4)),
    st.tuples(st.just("compact")),
    st.tuples(st.just("restart")),
    st.tuples(st.just("reboot")),
    st.tuples(st.just("settle")),
)
# An example that fails waits until it is sure: making it smaller would take an hour.
WAITING = {"suppress_health_check": list(HealthCheck), "phases": [Phase.explicit, Phase.generate]}
RESTORES = st.sampled_from([("backup",), ("restore",)])


@attrs.define(eq=False)
class History:
    """A server, and an agent that follows it through everything."""

    server: FakeServer
    plan: Plan
    agent: Agent | None = None
    thread: threading.Thread | None = None
    kept: object = None

    def begin(self):
        self.agent = Agent(self.plan, lambda _: None)
        self.agent.open()
        self.thread = threading.Thread(target=self.agent.run, daemon=True)
        self.thread.start()

    def end(self):
        self.agent.stop()
        self.thread.join()

    def do(self, step, *what):
        match step:
            case "put":
                (path, key), number = what
                spec = {"nodeName": "node-1", "number": number}
                self.server.put(path, key, spec=spec, meta={"labels": {"n": str(number)}})
            case "delete":
                self.server.delete(*what[0])
            case "fault":
                self.server.faults.extend(what[0])
            case "compact":
                self.server.compact()
            case "backup":
                self.kept = self.server.backup()
            case "restore" if self.kept is not None:
                self.server.restore(self.kept)
            case "restart":
                self.server.stop()
                self.server.start()
            case "reboot":
                self.end()
                self.begin()
            case "settle":
                assert until(self.is_settled)

    def wanted(self):
        """What the files of policies must say, from the store."""
        return {
            file_name(key, resource): policy_text(item, key, resource)
            for resource in RESOURCES
            for key, item in self.server.store[resource.path].items()
        }

    def is_settled(self):
        return self.wanted() == files_of(self.plan.policies) and self._are_pods_settled()

    def _are_pods_settled(self):
        path = self.plan.pods / "kube.json"
        pods = self.server.store[PODS].values()
        text = path.read_text() if path.exists() else ""
        return text.count('"kind": "Pod"') == len(pods) and all(
            f'"uid": "{pod["metadata"]["uid"]}"' in text
            and f'"n": "{pod["metadata"]["labels"]["n"]}"' in text
            for pod in pods
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("histories")


@settings(max_examples=examples(40), **WAITING)
@given(first=st.sets(st.sampled_from(KEYS)), steps=st.lists(STEPS, min_size=3, max_size=14))
def test_the_folder_becomes_the_store(certificate, place, first, steps):
    """At no moment does a file go whose object was not deleted. Nothing is listed but when it must be."""
    live(certificate, place, first, steps, QUICK)


@settings(max_examples=examples(20), **WAITING)
@given(
    first=st.sets(st.sampled_from(KEYS)),
    steps=st.lists(STEPS | RESTORES, min_size=3, max_size=14),
)
def test_the_folder_becomes_a_store_that_was_restored(certificate, place, first, steps):
    """Also if it has had as many changes since; then only listing it now and then can tell."""
    live(certificate, place, first, steps, attrs.evolve(QUICK, watch=(1.0, 1.0), anew=(1.0, 1.0)))


def live(certificate, place, first, steps, pace):
    """Let an agent follow a server, which has the objects *first*, through *steps*."""
    folder = Path(tempfile.mkdtemp(dir=place))
    (folder / "token").write_text("good")
    server = FakeServer(certificate[1]).start()
    access = Access("127.0.0.1", server.port, folder / "token", certificate[0])
    plan = Plan(access, "node-1", folder / "kube", attrs.evolve(pace, page=1))
    history = History(server, plan)
    for path, key in sorted(first):
        history.do("put", (path, key), 0)
    wrong = []
    real = PolicyFolder._remove

    def remove(self, path):
        deleted = {
            file_name(key, resource)
            for resource in RESOURCES
            for at, key in server.deleted
            if at == resource.path
        }
        if path.name not in deleted:
            wrong.append(path.name)
        return real(self, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PolicyFolder, "_remove", remove)
        history.begin()
        try:
            for step in steps:
                history.do(*step)
            server.faults.clear()
            assert until(history.is_settled)
        finally:
            history.end()
            server.stop()
    assert [] == wrong
