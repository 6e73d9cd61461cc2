# SPDX-License-Identifier: MIT
"""One cluster for all tests of a run, or the sentence that says why there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import runtime_packages
from cluster_clients import PROGRAMS, ROOT
from installed import Installed
from node import PACKAGES, Node
from pages.blocks import IN_CLUSTER, Block, blocks
from pages.sessions import Outcome, Session

PAGE = ROOT / "docs/kubernetes.md"

# kubectl gives a server half a minute for the schema by which it checks a file, and an emulated one may need more.
_PATIENT = f"""#!/bin/sh
said=$(mktemp)
for again in 1 2 3 4 5; do
    {PROGRAMS}/kubectl "$@" 2>"$said"
    code=$?
    grep -q "failed to download openapi" "$said" || break
done
cat "$said" >&2
rm "$said"
exit $code
"""


@pytest.fixture(scope="session")
def node(scratch: Path) -> Node:
    """A node that is ready, in a guest that ends with the tests."""
    assert Path("/run/systemd/system").is_dir(), "start the guest with --systemd"
    if not (PROGRAMS / "made-of").exists():
        pytest.skip(f"{PROGRAMS} has no cluster: scripts/kube/build-cluster.py makes one")
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes certificates, is not installed")
    if not (ROOT / "build/helm/helm").exists():
        pytest.skip("there is no helm: scripts/kube/fetch-helm.py build/helm/helm gets it")
    found = sorted(
        (ROOT / "dist").glob("enforcer-*.oci.tar"), key=lambda path: path.stat().st_mtime
    )
    if not found:
        pytest.skip("there is no image of enforcer: make image")
    runtime_packages.put_in_place(*PACKAGES)
    if why := runtime_packages.why_missing(*PACKAGES):
        pytest.skip(why)
    _set_clock()
    for name in ("containerd", "kubelet"):
        place = Path("/var/lib") / name
        (scratch / name).mkdir()
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "--bind", scratch / name, place], check=True)
    node = Node(found[-1])
    node.start()
    return node


def _set_clock() -> None:
    """Take the time of the host, whose files the guest shares: systemd may have begun in another year."""
    told = Path("/run/vm/clock")
    told.touch()
    time.clock_settime(time.CLOCK_REALTIME, told.stat().st_mtime)


@pytest.fixture(scope="session")
def read(node: Node, tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """What came of the commands of the page, typed in their order by the administrator of a new cluster."""
    place = tmp_path_factory.mktemp("page")
    for name in ("packaging", "policies"):
        (place / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "policies/examples/detect-bash-exec.yaml", place)
    patient = place / "patient/kubectl"
    patient.parent.mkdir()
    patient.write_text(_PATIENT)
    patient.chmod(0o755)
    paths = (patient.parent, ROOT / "build/helm", os.environ["PATH"])
    environment = {"PATH": ":".join(map(str, paths)), **node.admin.environment}
    with Path("/run/vm/cluster/page.txt").open("w") as log:
        found = []
        for outcome in Session(typed(), place, environment).run():
            found.append(outcome)
            print(f"$ {outcome.command.text}", *outcome.came, sep="\n", file=log, flush=True)
    return found


def typed() -> list[Block]:
    """Return the blocks of the page that are run here, and the files that they need."""
    return [
        each
        for each in blocks(PAGE)
        if each.marks.get("not run") == IN_CLUSTER or ("file" in each.marks and not each.place)
    ]


@pytest.fixture(scope="session")
def installed(node: Node, read: list[Outcome]) -> Installed:
    """What the page has installed; all that it has applied besides is there."""
    return Installed(node.admin, node.api)
