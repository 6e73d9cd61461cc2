# SPDX-License-Identifier: MIT
"""A kubectl on the path that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from plugin_fakes import FakeKubectl, engine, policy

POLICIES = "/apis/enforcer.dev/v1"
PODS = "/api/v1/namespaces/enforcer/pods"


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeKubectl:
    """A cluster with a policy and an engine."""
    made = FakeKubectl(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(made.folder))
    made.lists(f"{POLICIES}/enforcerpolicies", policy())
    made.lists(f"{POLICIES}/namespaces/shop/enforcerpolicies", policy())
    made.lists(f"{POLICIES}/clusterenforcerpolicies")
    made.lists(f"{POLICIES}/enforcernodes")
    made.refuse("tetragonpolicies", reason="NotFound")
    made.lists(PODS, engine())
    return made
