# SPDX-License-Identifier: MIT
"""``enforcer kube-webhook``: what it needs, what it says, and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from kube_fakes import authority, until
from patience import scaled

from enforcer.cli.commands import parser
from enforcer.cli.main import main

QUESTION = {
    "apiVersion": "admission.k8s.io/v1",
    "kind": "AdmissionReview",
    "request": {
        "uid": "u-1",
        "operation": "CREATE",
        "kind": {"group": "enforcer.dev", "version": "v1", "kind": "EnforcerPolicy"},
        "object": {
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"rules": [{"exec": {}, "acton": "kill", "action": "log"}]},
        },
    },
}


@pytest.fixture
def files(tmp_path):
    authority(tmp_path)
    return ["--certificate", str(tmp_path / "ca.crt"), "--key", str(tmp_path / "key.pem")]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def running(files):
    port = free_port()
    words = [
        sys.executable,
        "-P",
        "-m",
        "enforcer",
        "kube-webhook",
        "--listen",
        f"127.0.0.1:{port}",
    ]
    with subprocess.Popen([*words, *files], stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline()
            assert f"checking policies at https://127.0.0.1:{port}/validate" in line
            yield process, port
        finally:
            process.kill()


def asked(port, files):
    """Ask it the question, and return its answer."""
    request = urllib.request.Request(
        f"https://127.0.0.1:{port}/validate",
        json.dumps(QUESTION).encode(),
        {"Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=files[1])
    with urllib.request.urlopen(request, timeout=scaled(60), context=context) as answer:
        return json.load(answer)["response"]


def sockets(pid):
    """Name the sockets that *pid* has."""
    found = (str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir())
    return {each for each in found if each.startswith("socket:")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_and_ends_in_order(files, number):
    """With what it said of a refusal, and no process left. The processes that check have neither key nor port."""
    with running(files) as (process, port):
        found = asked(port, files)
        pids = children(process.pid)
        # One that has just begun closes what it does not need.
        has_one_each = until(lambda: [1, 1] == [len(sockets(pid)) for pid in pids])
        process.send_signal(number)
        said = process.communicate(timeout=scaled(60))[1]

    assert not found["allowed"]
    assert "did you mean 'action'?" in found["status"]["message"]
    assert 2 == len(pids)
    assert has_one_each
    assert "refused EnforcerPolicy shop/web, because of spec.rules[0].acton" in said
    assert "ended; policies are stored unchecked now, and nodes decide as before" in said
    assert 0 == process.returncode
    for pid in pids:
        assert until(lambda pid=pid: not Path(f"/proc/{pid}").exists())


def test_it_does_not_go_on_without_a_checker(files):
    """It ends with an error, and is started anew by whoever runs it."""
    with running(files) as (process, port):
        for pid in children(process.pid):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(OSError, match="503"):
            asked(port, files)
        said = process.communicate(timeout=scaled(60))[1]

    assert "a process that checks is lost" in said
    assert process.returncode


def test_no_checker_outlives_it(files):
    """Not even if it is killed."""
    with running(files) as (process, _):
        pids = children(process.pid)
        process.kill()

    for pid in pids:
        assert until(lambda pid=pid: not Path(f"/proc/{pid}").exists())


def test_what_it_needs(files, tmp_path, capfd):
    """A certificate that fits its key, and a port that nobody has."""
    words = ["kube-webhook", "--listen", f"127.0.0.1:{free_port()}"]
    other = tmp_path / "other"
    other.mkdir()
    authority(other)

    assert 2 == main([*words, "--certificate", str(tmp_path / "none"), *files[2:]])
    assert 2 == main([*words, "--certificate", str(other / "ca.crt"), *files[2:]])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert 2 == main(["kube-webhook", "--listen", f"127.0.0.1:{port}", *files])

    said = capfd.readouterr().err
    assert 2 == said.count("cannot be used")
    assert f"cannot listen at 127.0.0.1 port {port}" in said


@pytest.mark.parametrize("text", ["9443", "localhost:9443", "127.0.0.1:0", "::1:9443"])
def test_addresses_are_numbers(text, files, capfd):
    """Names are not looked up."""
    with pytest.raises(SystemExit):
        parser(["kube-webhook"]).parse_args(["kube-webhook", "--listen", text, *files])
    assert "--listen" in capfd.readouterr().err
