# SPDX-License-Identifier: MIT
"""
The containers of the DaemonSet, as its manifest has them, under podman: the engine holds on the host.

No kubelet and no image is needed: podman gets the options that say the same as the manifest, and this guest's
own files as the root of the containers.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import runtimes
import yaml
from engine import ENFORCER
from runtimes import Podman

ROOT = Path(__file__).parents[3]
MANIFESTS = yaml.safe_load_all((ROOT / "packaging/kubernetes/enforcer.yaml").read_text())
(POD,) = (
    each["spec"]["template"]["spec"] for each in MANIFESTS if each and each["kind"] == "DaemonSet"
)
(FOLDERS,) = POD["initContainers"]
ENGINE, AGENT = POD["containers"]
VOLUMES = {each["name"]: each["hostPath"] for each in POD["volumes"] if "hostPath" in each}

SECRET = Path("/srv/engine-pod/secret")
POLICY = f"""
apiVersion: enforcer.dev/v1
kind: ClusterEnforcerPolicy
metadata: {{name: vault}}
spec: {{rules: [{{name: closed, file: read, match: {{path: {SECRET}}}, action: deny}}]}}
"""


def options(container: dict[str, Any]) -> Iterator[str]:
    """Yield what podman is told for what the manifest says of *container*."""
    security = container["securityContext"]
    yield from ("--network=none", "--cgroupns=host", "--rootfs")
    yield from (f"--volume={mount(each)}" for each in container["volumeMounts"] if known(each))
    if POD["hostPID"]:
        yield "--pid=host"
    if security.get("privileged"):
        yield "--privileged"
    if security.get("readOnlyRootFilesystem"):
        yield from ("--read-only", "--read-only-tmpfs=false")
    if "runAsUser" in security:
        yield f"--user={security['runAsUser']}:{security.get('runAsGroup', 0)}"
    for word, verb in (("drop", "--cap-drop"), ("add", "--cap-add")):
        yield from (f"{verb}={name}" for name in security.get("capabilities", {}).get(word, ()))
    if security.get("allowPrivilegeEscalation") is False:
        yield "--security-opt=no-new-privileges"


def known(found: dict[str, Any]) -> bool:
    return found["name"] in VOLUMES


def mount(found: dict[str, Any]) -> str:
    mode = "ro" if found.get("readOnly") else "rw"
    return f"{VOLUMES[found['name']]['path']}:{found['mountPath']}:{mode}"


def words(container: dict[str, Any]) -> list[str]:
    """Return the command of *container*, with this guest's program."""
    program, *rest = container["command"]
    return [str(ENFORCER) if program == "enforcer" else program, *rest, *container.get("args", ())]


@pytest.fixture(scope="module")
def podman(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A podman with a root for containers, and the folders of the host that the kubelet would make."""
    made = request.getfixturevalue("ready")(Podman("crun", "cgroupfs"))
    for volume in VOLUMES.values():
        Path(volume["path"]).mkdir(parents=True, exist_ok=True)
    place = tmp_path_factory.mktemp("engine-pod")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    upper, work, root = (place / name for name in ("upper", "work", "root"))
    for each in (upper, work, root):
        each.mkdir()
    layers = f"lowerdir=/,upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, root], check=True)
    # In the containers' view only: the program of this guest may lie where only root can go.
    for parent in [*Path(ENFORCER).parents][:-1]:
        inside = root / parent.relative_to("/")
        inside.chmod(inside.stat().st_mode | 0o111)
    yield made, str(root)
    subprocess.run(["umount", root], check=True)
    subprocess.run(["umount", place], check=True)


@contextlib.contextmanager
def started(podman: tuple[Podman, str], persist: str = "--persist") -> Iterator[None]:
    """Run the engine until it is ready, as the manifest asks it; stop it as a kubelet does."""
    argv = [persist if word == "--persist" else word for word in words(ENGINE)]
    made, root = podman
    name = "engine-pod"
    made.podman("run", "--detach", f"--name={name}", *options(ENGINE), root, *argv)
    probe = [str(ENFORCER), *ENGINE["readinessProbe"]["exec"]["command"][1:]]

    def is_ready() -> bool:
        command = ["podman", "--runtime", made.runtime, "exec", name, *probe]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    try:
        runtimes.until(is_ready, "the engine is not ready", 240)
        yield
    finally:
        made.podman("stop", "--time=60", name)
        made.podman("rm", "--force", name)


def is_readable() -> bool:
    try:
        SECRET.read_text()
    except PermissionError:
        return False
    return True


def test_the_pod_enforces_on_the_host(podman):
    """From the agent's files, also while the pod is replaced; and no longer when it is removed as documented."""
    made, root = podman
    SECRET.parent.mkdir(parents=True, exist_ok=True)
    SECRET.write_text("secret")
    made.podman("run", "--rm", *options(FOLDERS), root, *words(FOLDERS))
    made.podman("run", "--rm", *options(FOLDERS), root, *words(FOLDERS))
    policies = Path(VOLUMES["kube"]["path"]) / "policies"
    owner = AGENT["securityContext"]["runAsUser"]
    assert owner == policies.stat().st_uid
    assert 0 == policies.parent.stat().st_uid
    policy = policies / "vault.clusterenforcerpolicy.yaml"
    policy.write_text(POLICY)
    os.chown(policy, owner, owner)
    assert is_readable()

    with started(podman):
        assert not is_readable()
    assert not is_readable()
    with started(podman, "--no-persist"):
        assert not is_readable()

    assert is_readable()
    policy.unlink()


def test_the_agent_runs_without_rights(podman):
    """It starts, and can write its folders and nothing else."""
    made, root = podman
    made.podman("run", "--rm", *options(FOLDERS), root, *words(FOLDERS))

    said = subprocess.run(
        [
            "podman",
            "--runtime",
            made.runtime,
            "--cgroup-manager",
            made.manager,
            "run",
            "--rm",
            "--env=NODE_NAME=n1",
            *options(AGENT),
            root,
            *words(AGENT),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 2 == said.returncode, said.stderr
    assert "no API server is known" in said.stderr
    kube, results = (
        next(each["mountPath"] for each in AGENT["volumeMounts"] if each["name"] == name)
        for name in ("kube", "results")
    )
    for place, may in (
        (f"{kube}/policies/x", True),
        (f"{kube}/x", False),
        (f"{results}/x", False),
        ("/etc/x", False),
    ):
        tried = made.podman(
            *("run", "--rm", *options(AGENT), root, "/bin/sh", "-c"),
            f"touch {place} 2>/dev/null && rm {place} && echo done || true",
        )
        assert may is ("done" in tried), place
