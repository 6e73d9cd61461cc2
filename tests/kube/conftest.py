# SPDX-License-Identifier: MIT
"""One API server for all tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kube_server import MISSING, PROGRAMS, Cluster, define, running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with no definitions and a namespace."""
    if not all((PROGRAMS / name).exists() for name in ("etcd", "kube-apiserver", "kubectl")):
        pytest.skip(MISSING)
    with running(tmp_path_factory.mktemp("kube")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster(server: Cluster) -> Cluster:
    """A server with the definitions."""
    define(server)
    return server
