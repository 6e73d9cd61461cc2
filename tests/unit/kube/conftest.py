# SPDX-License-Identifier: MIT
"""A server that fails as it is told to, and an agent that follows it in a thread."""

import threading

import pytest
from kube_fakes import QUICK, FakeServer, Running, authority

from enforcer.cluster.agent.access import Access
from enforcer.cluster.agent.agent import Agent, Plan


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The authority of the servers, and what they show."""
    return authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(certificate):
    made = FakeServer(certificate[1]).start()
    yield made
    made.stop()


@pytest.fixture
def access(server, certificate, tmp_path):
    token = tmp_path / "token"
    token.write_text("good\n")
    return Access("127.0.0.1", server.port, token, certificate[0])


@pytest.fixture
def plan(access, tmp_path):
    return Plan(access, "node-1", tmp_path / "kube", QUICK)


@pytest.fixture
def begin(plan):
    """Start agents; all of them end with the test."""
    running = []

    def begin(plan=plan):
        said = []
        agent = Agent(plan, said.append)
        agent.open()
        thread = threading.Thread(target=agent.run, daemon=True)
        thread.start()
        running.append(Running(agent, said, thread))
        return running[-1]

    yield begin
    for each in running:
        each.stop()
