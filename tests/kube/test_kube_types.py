# SPDX-License-Identifier: MIT
"""The plain manifests as the types of Kubernetes read them."""

from __future__ import annotations

import subprocess

import pytest
from kube_server import MISSING, PROGRAMS, ROOT

PLAIN = (ROOT / "packaging/kubernetes/enforcer.yaml").read_text()


def decode(text):
    """Return what is wrong with the manifests in *text*."""
    program = PROGRAMS / "kube-decode"
    if not program.exists():
        pytest.skip(MISSING)
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == bool(done.stdout), done.stderr
    return done.stdout


def test_manifests_have_known_fields_only():
    """A field that is misspelt would be left out by a server in silence."""
    assert "" == decode(PLAIN)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("hostPID: true", "hostPid: true"),
        ("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: maybe"),
        ("kind: DaemonSet", "kind: DaemonSat"),
        ("privileged: true", "privileged: true\n            privileged: false"),
    ],
)
def test_mistakes_are_found(right, wrong):
    """Words, types and repeated keys."""
    assert right in PLAIN
    assert decode(PLAIN.replace(right, wrong))
