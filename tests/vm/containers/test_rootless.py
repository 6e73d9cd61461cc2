# SPDX-License-Identifier: MIT
"""
podman without root: its containers are processes of their user, whatever the user calls them.

The user's own manager owns the cgroups, and gives names there. So nobody becomes a container that a policy means, and
none leaves the policies for the host.
"""

from __future__ import annotations

import json
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

import images
import pytest
import runtime_packages
import runtimes
from engine import ENFORCER, Engine, running
from runtimes import Running

USER = "enforcer-tester"
NUMBER = 4242
NEEDED = ("podman", "crun", "conmon", "uidmap", "dbus-user-session", "busybox-static")
POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: containers}}
spec:
  selector: {{container: {{id: "*"}}}}
  rules:
    - {{name: secret, file: read, match: {{path: /data/secret}}, action: deny}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: pods}}
spec:
  selector: {{pod: {{namespace: prod}}}}
  rules:
    - {{name: pod, file: read, match: {{path: /data/pod}}, action: deny}}
---
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: host}}
spec:
  rules:
    - {{name: user, file: read, match: {{path: /data/kept, process: {{uid: {NUMBER}}}}}, action: deny}}
"""


def _as_user(*argv: str) -> str:
    folder = f"/run/user/{NUMBER}"
    settings = (
        f"XDG_RUNTIME_DIR={folder}",
        f"DBUS_SESSION_BUS_ADDRESS=unix:path={folder}/bus",
        f"HOME={pwd.getpwnam(USER).pw_dir}",
    )
    done = subprocess.run(
        ["runuser", "-u", USER, "--", "env", *settings, *argv],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def container(packages) -> Iterator[Running]:
    """A container of the user, in a cgroup that is called as those of root's podman."""
    if why := runtime_packages.why_missing(*NEEDED):
        pytest.skip(why)
    runtimes.make_ready()
    home = Path("/home") / USER
    subprocess.run(["useradd", "--create-home", "--uid", str(NUMBER), USER], check=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"uid={NUMBER},mode=700", "tmpfs", home], check=True
    )
    for command in (
        ("systemctl", "start", "systemd-logind"),
        ("loginctl", "enable-linger", USER),
        ("systemctl", "start", f"user@{NUMBER}"),
    ):
        subprocess.run(command, check=True)
    archive = home / "image.tar"
    images.archive(archive, runtimes.IMAGE)
    archive.chmod(0o644)
    _as_user("podman", "load", "--input", str(archive))
    number = _as_user("podman", "run", "-d", "--name", "web", "--network", "none", runtimes.IMAGE)
    (state,) = json.loads(_as_user("podman", "inspect", "web"))
    yield Running(runtimes.ALL[0], "web", number.strip(), state["State"]["Pid"])
    _as_user("podman", "rm", "--force", "--time", "0", "web")


@pytest.fixture(scope="module")
def on(container, tmp_path_factory) -> Iterator[Engine]:
    """The engine, when the container has read everything."""
    assert all(container.reads(f"/data/{name}") for name in images.DATA)
    with running(POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def test_the_hook_of_containers_is_not_about_it(container):
    """It starts where containers must be known and no daemon is there to ask."""
    words = ("--on-failure", "refuse", "--socket", "/run/vm/nobody")
    subprocess.run([ENFORCER, "container-hook", "install", *words], check=True)
    try:
        _as_user("podman", "run", "-d", "--name", "web-2", "--network", "none", runtimes.IMAGE)
        _as_user("podman", "rm", "--force", "--time", "0", "web-2")
    finally:
        subprocess.run([ENFORCER, "container-hook", "remove"], check=True)


def test_its_name_proves_nothing(on, container):
    """The cgroup is called libpod-ID.scope, below the service of the user's manager."""
    assert f"user@{NUMBER}.service/" in container.cgroup
    assert f"libpod-{container.id}" in container.cgroup


def test_policies_for_containers_are_not_about_it(on, container):
    """Not by onError either: it is known to be none."""
    assert container.reads("/data/secret")
    assert container.reads("/data/pod")


def test_policies_for_the_host_are(on, container):
    """A rule on its user refuses what it names, by the name that the container has for it, and the record says no container."""
    assert not container.reads("/data/kept")
    assert container.reads("/data/free")

    event = on.wait_for(lambda e: e.get("rule") == "user")

    assert event["onError"] is False
    assert (None, NUMBER) == (event["container"]["id"], event["process"]["uid"])
    assert f"libpod-{container.id}" in event["process"]["cgroup"]
