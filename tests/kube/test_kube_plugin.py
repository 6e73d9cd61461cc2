# SPDX-License-Identifier: MIT
"""``kubectl enforcer`` at a real API server, by kubectl itself, with the roles of the manifests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import denied
from kube_server import PROGRAMS, config_of
from patience import scaled
from plugin_fakes import engine
from printed import document

from enforcer.cli.exits import Exit
from enforcer.events.document import as_document
from enforcer.events.types import Origin
from enforcer.identity.container import Container
from enforcer.identity.resolver import Identity
from enforcer.identity.workload_files import PodFacts
from enforcer.policy.language.vocabulary import Op

POD = Identity(
    container=Container("containerd", "f" * 64, pod_uid="u"),
    pod=PodFacts(name="web-0", namespace="shop"),
)

POLICY = {
    "apiVersion": "enforcer.dev/v1",
    "kind": "EnforcerPolicy",
    "metadata": {"name": "plugin", "namespace": "shop"},
    "spec": {
        "rules": [{"name": "no-shells", "exec": {}, "match": {"path": "/bin/sh"}, "action": "deny"}]
    },
}
NODE = {
    "apiVersion": "enforcer.dev/v1",
    "kind": "EnforcerNode",
    "metadata": {"name": "plugin-1"},
    "spec": {},
}
STATUS = {
    **NODE,
    "status": {
        "version": "1.0",
        "kernel": "6.12.0\u001b[2J",
        "mode": "enforce",
        "lost": 3,
        "policies": [{"name": "shop/plugin", "state": "refused", "denials": 0}],
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "SomeRefused", "message": "1"}
        ],
    },
}
OF_POLICY = {
    **POLICY,
    "status": {
        "nodes": {"total": 1, "active": 0, "degraded": 0, "refused": 1},
        "denials": 7,
        "failures": [
            {"node": "plugin-1", "reason": "Refused", "message": "no", "path": "spec.rules"}
        ],
    },
}
APPLY = ("apply", "--server-side", "--force-conflicts", "-f", "-")


@pytest.fixture(scope="module")
def filled(cluster):
    for item in (POLICY, NODE):
        cluster.do(*APPLY, given=json.dumps(item))
    for item in (STATUS, OF_POLICY):
        cluster.do(*APPLY, "--subresource=status", given=json.dumps(item))
    return cluster


@pytest.fixture
def plugin(filled, tmp_path):
    """Run the plug-in as kubectl does, as somebody with a role."""

    def run(*words, role="admin", given=""):
        config = config_of(filled.port)
        config["users"] = [{"name": "admin", "user": {"token": role}}]
        config["contexts"][0]["context"]["namespace"] = "shop"
        file = tmp_path / f"{role}.config"
        file.write_text(json.dumps(config))
        path = f"{PROGRAMS}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["kubectl", "enforcer", *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=scaled(120),
            env={**os.environ, "PATH": path, "KUBECONFIG": str(file), "HOME": str(tmp_path)},
        )

    return run


def test_status_of_a_cluster(plugin):
    """Nodes and policies, and nothing that would move a cursor."""
    done = plugin("status", role="enforcer-reader")

    assert Exit.OK == done.returncode, done.stderr
    assert "plugin-1" in done.stdout
    assert "6.12.0\\x1b[2J" in done.stdout
    assert "\x1b" not in done.stdout
    assert "shop/plugin on plugin-1: spec.rules: no" in done.stdout


def test_status_as_json(plugin):
    """As the schema says."""
    done = plugin("status", "-o", "json", "-n", "shop")

    found = document("kubectl-status", done.stdout)

    (policy,) = [each for each in found["policies"] if each["name"] == "plugin"]
    assert (7, 1) == (policy["denials"], policy["nodes"]["refused"])
    assert found["nodes"] is None


def test_a_tenant_sees_the_own_namespace_and_why(plugin):
    """One sentence for each thing that may not be seen."""
    done = plugin("status", role="enforcer-namespace-admin")

    assert Exit.OK == done.returncode, done.stderr
    assert "shop/plugin" in done.stdout
    assert "nodes are not shown" in done.stderr
    assert "Traceback" not in done.stderr


def test_who_may_see_nothing_gets_a_sentence(plugin):
    """And wrong usage as the exit code."""
    done = plugin("status", role="nobody")

    assert Exit.USAGE == done.returncode
    assert "" == done.stdout
    assert 1 == len(done.stderr.splitlines()), done.stderr


def test_a_dry_run_asks_the_server_and_reads_as_a_node_does(plugin):
    """What each refuses is told by its fields; nothing is stored."""
    good = plugin("dry-run", "-f", "-", given=json.dumps(POLICY).replace("plugin", "tried"))
    refused = plugin("dry-run", "-f", "-", given=json.dumps(POLICY).replace('"deny"', '"no"'))
    unread = plugin(
        "dry-run", "-f", "-", given=json.dumps(POLICY).replace('"match"', '"wrong": 1, "match"')
    )
    after = plugin("status", "-o", "json", "-n", "shop")

    assert (Exit.OK, "ok: 1 policy, 1 rule\n") == (good.returncode, good.stdout), good.stderr
    assert "nothing was tried: give --recording" in good.stderr
    assert Exit.POLICY == refused.returncode
    assert "the API server refuses it" in refused.stderr
    assert Exit.POLICY == unread.returncode
    assert "EnforcerPolicy shop/plugin spec.rules[0].wrong" in unread.stderr
    assert "tried" not in after.stdout


def test_explain_by_the_policies_of_the_cluster(plugin):
    """Places are fields of objects."""
    origin = Origin(
        "shop/plugin",
        "no-shells",
        "/var/lib/enforcer/kube/policies/shop.plugin.enforcerpolicy.yaml:10:7",
    )
    record = denied(origin=origin, op=Op.EXEC, path=b"/bin/sh", identity=POD)

    done = plugin("explain", "-", given=json.dumps(as_document(record)))

    assert Exit.OK == done.returncode, done.stderr
    assert "EnforcerPolicy shop/plugin spec.rules[0]" in done.stdout
    assert "the given policies do not explain it" not in done.stdout


def test_events_without_an_engine_and_without_a_right(plugin, filled):
    """A sentence each."""
    nobody = plugin("events", role="enforcer-namespace-admin")
    none = plugin("events")
    filled.do("create", "namespace", "enforcer")
    pod = {"apiVersion": "v1", "kind": "Pod", **engine()}
    del pod["metadata"]["uid"]
    filled.do("create", "-f", "-", given=json.dumps(pod))
    without_logs = [plugin("events", *words) for words in ((), ("-f",))]

    assert Exit.USAGE == nobody.returncode
    assert "you may not see the engines in namespace enforcer" in nobody.stderr
    assert Exit.USAGE == none.returncode
    assert "no engine runs in namespace enforcer" in none.stderr
    for done in without_logs:
        # This server knows no kubelet that it could ask.
        assert (Exit.USAGE, "") == (done.returncode, done.stdout)
        assert "the server could not find the requested resource" in done.stderr
        assert 1 == len(done.stderr.splitlines())
