# SPDX-License-Identifier: MIT
"""``enforcer kube``: what it needs, what it says, and how it ends."""

import signal
import subprocess
import sys

import pytest
from kube_fakes import POLICIES, FakeServer, authority, until
from patience import scaled

from enforcer.cli.main import main
from enforcer.cluster.agent.event_poster import EventPoster


@pytest.fixture
def cluster(tmp_path):
    """A server with a policy, and the options by which it is reached."""
    certificate, both = authority(tmp_path)
    token = tmp_path / "token"
    token.write_text("good")
    server = FakeServer(both).start()
    server.put(POLICIES, ("shop", "web"))
    words = ["kube", "--server", server.url, "--ca-file", str(certificate)]
    words += ["--token-file", str(token), "--folder", str(tmp_path / "kube"), "--node", "node-1"]
    yield server, words
    server.stop()


def test_once(cluster, tmp_path, capfd):
    """It writes, says so, and ends."""
    _, words = cluster

    assert 0 == main([*words, "--once"])

    assert ["shop.web.enforcerpolicy.yaml"] == [
        path.name for path in (tmp_path / "kube/policies").iterdir()
    ]
    assert "policies: 1 written, 0 removed" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "is_told", "number"),
    [([], True, 3), (["--no-totals"], True, 2), (["--no-events"], False, 2)],
)
def test_what_it_tells_the_server(options, is_told, number, cluster, monkeypatch):
    """How the node is, totals and events, but for what is switched off."""
    _, words = cluster
    agents = []
    monkeypatch.setattr("enforcer.cli.kube._obey_signals", agents.append)
    monkeypatch.setattr("enforcer.cluster.agent.agent.Agent.run", lambda _: None)

    assert 0 == main([*words, "--namespace", "enforcer", *options])

    found = agents[0].reporting
    assert number == len(found)
    assert is_told is any(isinstance(each, EventPoster) for each in found)
    assert is_told is (getattr(found[0].heard, "__name__", "") == "heard")


def test_once_without_a_server(cluster, tmp_path, capfd):
    """It says why, in one sentence."""
    server, words = cluster
    server.stop()

    assert 2 == main([*words, "--once"])

    err = capfd.readouterr().err
    assert "not everything could be listed: cannot reach https://127.0.0.1" in err
    assert 1 == len(err.splitlines())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(cluster, tmp_path, number):
    """What it wrote stays, and it says so."""
    _, words = cluster
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "enforcer", *words], stderr=subprocess.PIPE, text=True
    ) as agent:
        try:
            lines = []
            for line in agent.stderr:
                lines.append(line)
                if "1 written" in line:
                    break
            agent.send_signal(number)
            lines += agent.communicate(timeout=scaled(60))[1].splitlines()
        finally:
            agent.kill()

    assert 0 == agent.returncode, lines
    assert "as node node-1" in lines[0]
    assert "enforcer: ended; the files stay, and so does what is enforced" == lines[-1]
    assert (tmp_path / "kube/policies/shop.web.enforcerpolicy.yaml").exists()


@pytest.mark.parametrize(
    ("words", "is_asked"),
    [(["--namespace", "here"], True), (["--namespace", "here", "--no-totals"], False), ([], False)],
)
def test_who_sums_up_is_asked_where_it_is_wanted_and_known(cluster, monkeypatch, words, is_asked):
    """Without a namespace it says so, and does all else."""
    server, more = cluster
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    lease = "/apis/coordination.k8s.io/v1/namespaces/here/leases/enforcer-totals"
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "enforcer", *more, *words], stderr=subprocess.PIPE, text=True
    ) as agent:
        try:
            asked = until(
                lambda: [path for _, path, _ in server.requests if path == lease],
                20 if is_asked else 0,
            )
            # Not before it follows, since a signal would end it in no order.
            lines = [agent.stderr.readline() for _ in range(2)]
            agent.send_signal(signal.SIGTERM)
            said = "".join([*lines, agent.communicate(timeout=scaled(60))[1]])
        finally:
            agent.kill()

    assert is_asked is bool(asked)
    assert (words == []) is ("no totals: the namespace is not known" in said)
    assert 0 == agent.returncode


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--server", "https://192.0.2.1"], "the name of this node is not known"),
        (["--server", "https://192.0.2.1", "--node", "a/b"], "'a/b' is not the name of a node"),
        (["--node", "n"], "no API server is known: run in a pod, or give --server"),
        (["--node", "n", "--server", "http://192.0.2.1"], "write https://HOST:PORT"),
        (["--node", "n", "--server", "https://u:p@192.0.2.1"], "write https://HOST:PORT"),
        (["--node", "n", "--server", "https://192.0.2.1/x"], "write https://HOST:PORT"),
        (["--node", "n", "--server", "https://192.0.2.1:x"], "is no address of a server"),
        (
            ["--node", "n", "--server", "https://192.0.2.1", "--namespace", "a/b"],
            "'a/b' is not the name of a namespace",
        ),
    ],
)
def test_what_it_needs(words, said, capfd, monkeypatch, tmp_path):
    """TLS is not a choice, and nothing is guessed."""
    for name in ("KUBERNETES_SERVICE_HOST", "NODE_NAME", "POD_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)

    assert 2 == main(["kube", "--once", "--folder", str(tmp_path), *words])

    assert said in capfd.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_a_pod_is_told_where_its_cluster_is(cluster, tmp_path, monkeypatch):
    """By its environment, as every pod is."""
    server, words = cluster
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    monkeypatch.setenv("NODE_NAME", "node-7")

    assert 0 == main(["kube", "--once", *words[3:-2]])

    selectors = [query.get("fieldSelector") for *_, query in server.requests]
    assert ["metadata.name=node-7", None, None, None, "spec.nodeName=node-7"] == selectors


@pytest.mark.parametrize("content", [b"", b"two words", b"a\nb", "\u00e9".encode(), b"x" * 70000])
def test_a_token_that_could_not_be_sent(cluster, tmp_path, capfd, content):
    """A line break would be another header."""
    _, words = cluster
    (tmp_path / "token").write_bytes(content)

    assert 2 == main([*words, "--once"])

    assert "there is no token in" in capfd.readouterr().err
