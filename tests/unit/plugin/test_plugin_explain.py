# SPDX-License-Identifier: MIT
"""`kubectl enforcer explain`: a line of a log, and the policies of the cluster."""

import io
import json
import sys

import pytest
from fakes import denied
from plugin_fakes import engine, policy
from printed import document

from enforcer.cli.exits import Exit
from enforcer.events.document import as_document
from enforcer.events.types import Origin
from enforcer.identity.container import Container
from enforcer.identity.resolver import Identity
from enforcer.identity.workloads import PodFacts
from enforcer.plugin.main import main
from enforcer.sinks.logfmt import logfmt_line

API = "/apis/enforcer.dev/v1"
PLACE = "/var/lib/enforcer/kube/policies/shop.vault.enforcerpolicy.yaml:10:7"
POD = Identity(
    container=Container("containerd", "f" * 64, pod_uid="u"),
    pod=PodFacts(name="web-0", namespace="shop"),
)
RECORD = denied(origin=Origin("shop/vault", "no-writes", PLACE), identity=POD)
LINE = logfmt_line(RECORD).decode().strip()
OTHER = denied(origin=Origin("shop/vault", "no-writes", PLACE), pid=7, identity=POD)


def line_of(record):
    return json.dumps(as_document(record))


@pytest.fixture
def stdin(monkeypatch):
    def give(text):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return give


@pytest.fixture
def on_a_node(kubectl):
    """The pod of the record is on a node, whose engine keeps the record and another one."""
    pod = {"metadata": {"name": "web-0"}, "spec": {"nodeName": "node-1"}}
    kubectl.answer("/api/v1/namespaces/shop/pods/web-0", out=json.dumps(pod))
    kubectl.answer("exec", "enforcer events", out=f"{line_of(OTHER)}\n{line_of(RECORD)}\n")
    return kubectl


def test_a_record_in_json_by_the_policies_of_the_cluster(kubectl, stdin, capsys):
    """Places are fields of objects. No engine is asked."""
    stdin(line_of(RECORD))

    assert Exit.OK == main(["explain", "-"])

    shown = capsys.readouterr()
    assert "EnforcerPolicy shop/vault spec.rules[0]: policy shop/vault, rule no-writes" in shown.out
    assert "the given policies do not explain it" not in shown.out
    assert "What would allow it" in shown.out
    assert "/var/lib" not in shown.out
    assert "" == shown.err
    assert not any("exec" in words for words in kubectl.asked())


def test_as_json(kubectl, stdin, capsys):
    """With the same names of places."""
    stdin(line_of(RECORD))

    assert Exit.OK == main(["explain", "-", "-o", "json"])

    found = document("explain", capsys.readouterr().out)
    assert "/var/lib" not in json.dumps(found)


@pytest.mark.parametrize("form", ["argument", "file", "stdin", "with a prefix"])
def test_a_line_of_logfmt_is_completed_by_its_engine(form, on_a_node, stdin, tmp_path, capsys):
    """That of the node on which the record's pod is."""
    given = {"argument": LINE, "with a prefix": f"[pod/enforcer-a/engine] {LINE}", "stdin": "-"}
    (tmp_path / "line").write_text(f"{LINE}\n")
    stdin(f"{LINE}\n")

    assert Exit.OK == main(["explain", given.get(form, str(tmp_path / "line"))])

    assert "tee[12345]" in capsys.readouterr().out
    (asked,) = [words for words in on_a_node.asked() if "exec" in words]
    assert ["exec", "enforcer-a", "--namespace=enforcer", "--container=engine"] == asked[:4]
    assert ["--policy=shop/vault", "--rule=no-writes"] == asked[-2:]


def test_an_engine_that_has_forgotten(on_a_node, capsys):
    """Another record of the same process is not taken for it."""
    on_a_node.answer("exec", "enforcer events", out=f"{line_of(OTHER)}\nno json\n[]\n")

    assert Exit.USAGE == main(["explain", LINE])

    assert "does not keep this record any more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("exec", "its engine could not be asked: Error from server (Forbidden)"),
        ("pods/web-0", "its engine could not be asked: Error from server (Forbidden)"),
        ("/api/v1/namespaces/enforcer/pods", "you may not see the engines in namespace enforcer"),
    ],
)
def test_a_tenant_is_told_what_is_missing(path, says, on_a_node, capsys):
    """One sentence, and what to do instead."""
    on_a_node.refuse(path)

    assert Exit.USAGE == main(["explain", LINE])

    err = capsys.readouterr().err
    assert says in err
    assert 1 == len(err.splitlines())


def test_a_pod_that_is_gone(on_a_node, capsys):
    """Its node can be named."""
    on_a_node.refuse("pods/web-0", reason="NotFound")

    assert Exit.USAGE == main(["explain", LINE])
    assert "pod shop/web-0 is gone" in capsys.readouterr().err
    assert Exit.OK == main(["explain", LINE, "--node", "node-1"])


def test_a_line_that_names_its_node(kubectl, capsys):
    """As events prints it: the pod is not asked for."""
    kubectl.lists("/api/v1/namespaces/enforcer/pods", engine("enforcer-b", "node-2"))
    kubectl.answer("exec", "enforcer-b", out=line_of(RECORD))

    assert Exit.OK == main(["explain", f'{LINE} node="node-2"'])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("no-such-file", "neither a line of a log nor a file"),
        ("{", "is not a JSON object"),
        ("time=1", "is no record"),
        (f"{LINE}\n{LINE}", "has 2 lines"),
        ('time="x" policy="a"', "names no pod"),
        ('time="2025-01-01T00:00:00Z" lost_decisions=1', "records are missing"),
        ('{"kind": "lost", "version": 1}', "not a record of a verdict"),
    ],
)
def test_what_is_no_record(given, says, kubectl, capsys):
    """A sentence."""
    assert Exit.USAGE == main(["explain", given])

    assert says in capsys.readouterr().err


def test_a_time_that_is_none_asks_no_engine(on_a_node, capsys):
    """It would be a part of a question."""
    line = LINE.replace('time="2025-11-24T20:48:01.123456Z"', 'time="--socket=/x"')

    assert Exit.USAGE == main(["explain", line])

    assert "no time that could be looked for" in capsys.readouterr().err


def test_policies_that_cannot_be_read_are_left_out_and_told(kubectl, stdin, capsys):
    """By their fields; the record is explained by the others."""
    kubectl.lists(
        f"{API}/enforcerpolicies", policy(), *(policy(f"w{n}", wrong=1) for n in range(5))
    )
    stdin(line_of(RECORD))

    assert Exit.OK == main(["explain", "-"])

    shown = capsys.readouterr()
    assert "left out, as it cannot be read here: EnforcerPolicy shop/w0 spec.wrong: " in shown.err
    assert "and 2 more that cannot be read" in shown.err
    assert "policy shop/vault, rule no-writes: denied" in shown.out


def test_a_tenant_explains_by_the_own_policies(kubectl, stdin, capsys):
    """Of the namespace in which it happened."""
    kubectl.refuse(f"{API}/enforcerpolicies")
    kubectl.refuse(f"{API}/clusterenforcerpolicies")
    kubectl.refuse(f"{API}/namespaces/default/enforcerpolicies")
    stdin(line_of(RECORD))

    assert Exit.OK == main(["explain", "-"])

    assert "the given policies do not explain it" not in capsys.readouterr().out


def test_a_policy_of_the_node_is_not_in_the_cluster(kubectl, stdin, capsys):
    """That is said."""
    stdin(line_of(denied()))

    main(["explain", "-"])

    assert "the policy that decided is the node's own, vault.yaml:9:3" in capsys.readouterr().err
