# SPDX-License-Identifier: MIT
"""The agent with the role of the manifests, at a real API server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import time

import pytest
from kube_server import ROOT
from patience import wait_until

from enforcer.identity.naming import boot_id
from enforcer.policy.language.kube import FOREIGN_KINDS
from enforcer.policy.store import load_text

ARTICLE = ROOT / "policies/examples/detect-bash-exec.yaml"
OWN_FILES = ("shop.agent.enforcerpolicy", "agent.clusterenforcerpolicy")
ARMOR = {
    "apiVersion": "security.kubearmor.com/v1",
    "kind": "KubeArmorPolicy",
    "metadata": {"name": "no-sh", "namespace": "shop"},
    "spec": {"process": {"matchPaths": [{"path": "/bin/sh"}]}, "action": "Block"},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {"nodeName": "n1", "containers": [{"name": "main", "image": "x"}]},
}


def policy(kind, name, **metadata):
    """Return a policy as somebody applies it."""
    return json.dumps(
        {
            "apiVersion": "enforcer.dev/v1",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": {"rules": [{"exec": {}, "match": {"path": "/bin/sh"}, "action": "deny"}]},
        }
    )


@pytest.fixture
def filled(cluster):
    """A server with two policies of one name, a pod of this node, and one of another."""
    other = {**POD, "metadata": {"name": "web-2", "namespace": "shop"}, "spec": {"nodeName": "n2"}}
    texts = [
        policy("EnforcerPolicy", "agent", namespace="shop", labels={"team": "web"}),
        policy("ClusterEnforcerPolicy", "agent", annotations={"why": "because"}),
        json.dumps(POD),
        json.dumps(other),
    ]
    for text in texts:
        cluster.do("create", "--validate=false", "-f", "-", given=text)
    cluster.do("apply", "-n", "shop", "-f", str(ARTICLE))
    yield cluster
    for text in texts:
        cluster.do("delete", "-f", "-", given=text)


def command(cluster, folder, role, *more):
    """Return how the agent is started, with the token of *role*."""
    (folder / "token").write_text(role)
    words = ["--node=n1", f"--folder={folder}", f"--server=https://localhost:{cluster.port}"]
    files = [f"--token-file={folder / 'token'}", f"--ca-file={cluster.authority}"]
    results = f"--results={folder / 'results.json'}"
    return [sys.executable, "-m", "enforcer", "kube", *words, *files, results, *more]


def agent(cluster, folder, role):
    """Run the agent once."""
    argv = command(cluster, folder, role, "--once")
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def following(cluster, folder, role, *more):
    """Let the agent follow the server."""
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command(cluster, folder, role, *more), cwd=folder, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def until(holds, folder, what):
    """Wait until *holds* returns something true, and return that."""
    return wait_until(holds, lambda: f"{what}: {(folder / 'log').read_text()}", 120, 0.3)


def result(path, **parts):
    """Return what an engine says became of the policy in *path*."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    whole = {"name": "x", "state": "active", "reason": "", "message": "", "denials": 0}
    return {**whole, "file": str(path), "digest": digest, **parts}


def test_the_agent_needs_no_more_than_its_role(filled, tmp_path):
    """What it writes are policies for the reader, and the pods of this node."""
    done = agent(filled, tmp_path, "enforcer-agent")

    assert 0 == done.returncode, done.stderr
    files = list((tmp_path / "policies").glob("*.yaml"))
    names = {
        policy.name for path in files for policy in load_text(path.read_text(), path.name).policies
    }
    assert {"agent", "shop/agent", "shop/detect-bash-exec"} <= names
    (pods,) = (tmp_path / "pods").glob("*.json")
    text = pods.read_text()
    assert "web-1" in text
    assert '"app"' in text
    assert "web-2" not in text


@pytest.mark.parametrize(("role", "code"), [("enforcer-namespace-admin", "403"), ("nobody", "401")])
def test_without_its_role_it_says_so(filled, tmp_path, role, code):
    """And leaves what was there as it was."""
    agent(filled, tmp_path, "enforcer-agent")
    before = {path: path.read_text() for path in (tmp_path / "policies").iterdir()}

    done = agent(filled, tmp_path, role)

    assert done.returncode != 0
    assert code in done.stderr
    assert before
    assert before == {path: path.read_text() for path in (tmp_path / "policies").iterdir()}


def test_it_reports_what_the_server_takes(filled, tmp_path):
    """The status of its node, with the role that the manifests give it."""
    policies = tmp_path / "policies"
    with following(filled, tmp_path, "enforcer-agent"):
        until(lambda: len(list(policies.glob("*.yaml"))) >= 2, tmp_path, "no policies")
        own, whole = (policies / f"{n}.yaml" for n in OWN_FILES)
        wrong = {
            "state": "refused",
            "reason": "PolicyError",
            "message": f"{whole}:1:1: no",
            "name": None,
        }
        (tmp_path / "results.json").write_text(
            json.dumps(
                {
                    "version": 1,
                    "enforcer": "1.0",
                    "kernel": "6.12.1",
                    "boot": boot_id(),
                    "time": time.time(),
                    "generation": 3,
                    "mode": "enforce",
                    "lost": 0,
                    "policies": [result(own, denials=2), result(whole, **wrong)],
                }
            )
        )

        def reported():
            found = filled.run("get", "enforcernode", "n1", "--output=json")
            status = json.loads(found.stdout).get("status", {}) if found.returncode == 0 else {}
            return status if status.get("policies") else None

        status = until(reported, tmp_path, "no report")

    states = {each["name"]: each for each in status["policies"]}
    assert ("active", 2) == (states["shop/agent"]["state"], states["shop/agent"]["denials"])
    assert "refused" == states["agent"]["state"]
    assert 1 == states["agent"]["observedGeneration"] == states["shop/agent"]["observedGeneration"]
    assert ("1.0", "6.12.1", 3) == (status["version"], status["kernel"], status["generation"])
    assert ["True"] == [each["status"] for each in status["conditions"] if each["type"] == "Ready"]
    filled.do("delete", "enforcernode", "n1")


def test_it_writes_events_on_pods_and_policies(filled, tmp_path):
    """With the role that the manifests give it; each is one object, whose count changes."""
    policies, engine = tmp_path / "policies", tmp_path / "results.json"
    uid = filled.get("pod", "web-1", "-n", "shop")["metadata"]["uid"]
    now = time.time()
    first = {
        "policy": "shop/agent",
        "rule": "r",
        "action": "kill",
        "operation": "exec",
        "podUid": uid,
        "podName": "web-1",
        "podNamespace": "shop",
        "first": now,
        "last": now,
        "count": 2,
    }

    def said(what, kind):
        events = filled.get("events", "-A")["items"]
        return [
            each
            for each in events
            if (each["reason"], each["involvedObject"]["kind"]) == (what, kind)
        ]

    with following(filled, tmp_path, "enforcer-agent", "--namespace=shop"):
        until(lambda: len(list(policies.glob("*.yaml"))) >= 2, tmp_path, "no policies")
        own, whole = (policies / f"{n}.yaml" for n in OWN_FILES)
        line = whole.read_text().splitlines().index('        "action": "deny",') + 1
        wrong = {"state": "refused", "reason": "Refused", "message": f"{whole}:{line}:9: no"}
        document = {
            "version": 1,
            "enforcer": "1.0",
            "kernel": "6.12.1",
            "boot": boot_id(),
            "time": now,
            "generation": 3,
            "mode": "enforce",
            "lost": 0,
            "firstDenials": [first],
            "policies": [result(own, denials=2), result(whole, name=None, **wrong)],
        }
        engine.write_text(json.dumps(document))
        (killed,) = until(lambda: said("Killed", "Pod"), tmp_path, "no event of the pod")
        (refused,) = until(
            lambda: said("Refused", "ClusterEnforcerPolicy"), tmp_path, "no event of a refusal"
        )
        (denies,) = until(
            lambda: said("Denies", "EnforcerPolicy"), tmp_path, "no event of the denials"
        )

    assert ("shop", "web-1", uid, 2) == (
        killed["metadata"]["namespace"],
        killed["involvedObject"]["name"],
        killed["involvedObject"]["uid"],
        killed["count"],
    )
    assert "policy shop/agent, rule r: exec was denied and the process killed" == killed["message"]
    assert ("default", "spec.rules[0].action") == (
        refused["metadata"]["namespace"],
        refused["involvedObject"]["fieldPath"],
    )
    assert "n1: spec.rules[0].action: no" in refused["message"]
    assert ("agent", 2) == (denies["involvedObject"]["name"], denies["count"])
    filled.do("delete", "events", "--all", "-n", "shop")
    filled.do("delete", "events", "--all", "-n", "default")
    filled.do("delete", "enforcernode", "n1")


def says(cluster, node, state, **more):
    """Let *node* report of the policy agent in shop."""
    entry = {"name": "shop/agent", "state": state, "observedGeneration": 1, **more}
    head = {"apiVersion": "enforcer.dev/v1", "kind": "EnforcerNode", "metadata": {"name": node}}
    status = {"lastSeen": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "policies": [entry]}
    words = ("apply", "--server-side", "--field-manager=test", "-f", "-")
    cluster.do(*words, given=json.dumps({**head, "spec": {}}))
    cluster.do(*words, "--subresource=status", given=json.dumps({**head, "status": status}))


def test_one_agent_sums_up_on_the_policy(filled, tmp_path):
    """What kubectl shows of it; and another agent goes on when the first is killed."""
    role, place = "enforcer-agent", "--namespace=shop"
    says(filled, "n2", "refused", reason="PolicyError", message="no", path="spec.rules[0].exec")
    says(filled, "n3", "active", denials=5)

    def policy_of(*, active):
        status = filled.get("ep", "agent", "-n", "shop").get("status", {})
        return status if status.get("nodes", {}).get("active") == active else None

    def holder():
        return filled.get("lease", "enforcer-totals", "-n", "shop")["spec"].get("holderIdentity")

    with following(filled, tmp_path / "one", role, place, "--node=one") as first:
        status = until(lambda: policy_of(active=1), tmp_path / "one", "no totals")
        table = filled.do("get", "ep", "agent", "-n", "shop").splitlines()
        assert holder().startswith("one_")
        with following(filled, tmp_path / "two", role, place, "--node=two"):
            first.kill()
            first.wait()
            says(filled, "n2", "active")
            until(lambda: policy_of(active=2), tmp_path / "two", "nobody goes on")
            assert holder().startswith("two_")

    # Each agent is a node, too, whose engine says nothing. Whether it has reported yet is not certain.
    assert status["nodes"]["total"] >= 2
    assert (1, 5) == (status["nodes"]["refused"], status["denials"])
    failure = {"node": "n2", "reason": "PolicyError", "message": "no", "path": "spec.rules[0].exec"}
    assert [failure] == status["failures"]
    found = {each["type"]: each["status"] for each in status["conditions"]}
    assert {"Accepted": "False", "Enforced": "False", "Degraded": "True"} == found
    columns = ["NAME", "MODE", "ROLLOUT", "ENFORCING", "ACTIVE", "NODES", "DENIALS", "AGE"]
    assert columns == table[0].split()
    _, *numbers, _ = table[1].split()  # no mode is written there
    assert ["all", "1", "1", str(status["nodes"]["total"]), "5"] == numbers
    assert 1 == filled.get("ep", "agent", "-n", "shop")["metadata"]["generation"]
    filled.do("delete", "enforcernode", "--all")


def definition(kind):
    """Return a definition of a kind of another engine, which says nothing of what objects have."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.resource},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {"kind": kind.kind, "plural": kind.plural, "singular": kind.singular},
            "versions": [
                {
                    "name": kind.version,
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }


def test_kinds_of_other_engines_by_their_names(filled, tmp_path):
    """What the server calls them is where the agent asks; each object is a file that the language reads."""
    definitions = json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [*map(definition, FOREIGN_KINDS)]}
    )
    filled.do("create", "-f", "-", given=definitions)
    try:
        for kind in FOREIGN_KINDS:
            filled.do("wait", "--for=condition=Established", f"crd/{kind.resource}")
        filled.do("create", "-f", "-", given=json.dumps(ARMOR))
        also = [f"--also={kind.kind}" for kind in FOREIGN_KINDS]
        argv = command(filled, tmp_path, "admin", "--once", *also)
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    finally:
        filled.do("delete", "-f", "-", given=definitions)

    assert 0 == done.returncode, done.stderr
    for kind in FOREIGN_KINDS:
        assert f"/{kind.plural}: {int(kind.kind == ARMOR['kind'])} listed" in done.stderr
    text = (tmp_path / "policies/shop.no-sh.kubearmorpolicy.yaml").read_text()
    (found,) = load_text(text, "p.yaml").policies
    assert "shop/no-sh" == found.name
