# SPDX-License-Identifier: MIT
"""The shipped policy about drift, and a container with what people run: all that the image brought, and nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from engine import Engine, running
from runtimes import Podman, until

ROOT = Path(__file__).parents[3]
ARCHIVE = ROOT / "build/vm/services.tar"
POLICY = ROOT / "policies/container-drift.yaml"
IMAGE = "localhost/services:1"

FETCH = 'import urllib.request as u; print(b"nginx" in u.urlopen("http://127.0.0.1").read() and 42)'
PSQL = "setpriv --reuid=postgres --clear-groups psql -Atc 'select 42' postgres"
SERVICES = {
    "python": "python3 -c 'import ctypes, sqlite3, ssl; print(sqlite3.sqlite_version and 42)'",
    "nginx": f"nginx 2>/dev/null; python3 -c '{FETCH}'",
    "postgresql": f"pg_ctlcluster 17 main start >/dev/null 2>&1; {PSQL}",
    "reload": "nginx -s reload && pg_ctlcluster 17 main reload && echo 42",
}
"""Lines that print 42, each by a service that begins if it is not there."""

PRINT = "-c 'print(42)'"
DOWNLOAD = 'import urllib.request as u; u.urlretrieve("http://127.0.0.1/it", "/opt/it")'
IN_MEMORY = (
    'import os; f = os.memfd_create("x"); os.write(f, open("/usr/bin/python3", "rb").read());'
    ' os.execve(f, ["x", "-c", "print(42)"], {})'
)
LIBRARY = 'import ctypes; ctypes.CDLL("/tmp/libz.so.1"); print(42)'
DRIFT = {
    "copied": f"cp /usr/bin/python3 /usr/local/bin/it && it {PRINT}",
    "replaced by itself": "cp -p /usr/bin/expr /tmp/it && cp -p --remove-destination /tmp/it /usr/bin/expr && expr 40 + 2",
    "downloaded": f"cp /usr/bin/python3 /var/www/html/it && python3 -c '{DOWNLOAD}' && chmod +x /opt/it && /opt/it {PRINT}",
    "unpacked": f"tar -C /usr/bin -cf - python3.13 | tar -C /srv -xf - && /srv/python3.13 {PRINT}",
    "in memory": f"python3 -c '{IN_MEMORY}'",
    "on tmpfs": f"cp /usr/bin/python3 /memory/it && /memory/it {PRINT}",
    "library": f"cp /usr/lib/x86_64-linux-gnu/libz.so.1 /tmp && python3 -c '{LIBRARY}'",
    "edited script": "echo 'echo 42; exit' >/tmp/e && sed -i '1r /tmp/e' /usr/bin/ldd && ldd",
}
"""Lines that print 42 by something that the image did not bring."""


@attrs.frozen
class Services:
    """The container."""

    podman: Podman
    name: str = "services"

    def begin(self) -> None:
        options = ("--detach", "--network=none", "--tmpfs=/memory:exec", f"--name={self.name}")
        self.podman.podman("run", *options, IMAGE, "sleep", "infinity")

    def remove(self) -> None:
        self.podman.podman("rm", "--force", "--time", "0", self.name)

    def run(self, line: str) -> str:
        """Run *line* of a shell in it, and return what it printed."""
        argv = ("podman", "exec", self.name, "sh", "-c", line)
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr

    def restart(self) -> None:
        """End all of it, and start it again with the files that it has."""
        self.podman.podman("restart", "--time", "0", self.name)

    def is_up(self) -> bool:
        return "running" in self.podman.podman(
            "inspect", self.name, "--format", "{{.State.Status}}"
        )


@pytest.fixture(scope="module")
def services(ready) -> Iterator[Services]:
    if not ARCHIVE.exists():
        pytest.skip(f"there is no {ARCHIVE.name}: scripts/make-services-image.py makes it")
    podman = ready(Podman("crun", "systemd"))
    podman.podman("import", "--quiet", str(ARCHIVE), IMAGE)
    made = Services(podman)
    made.begin()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def without(services) -> dict[str, str]:
    """What everything prints without a policy; the container is a new one afterwards."""
    found = {name: services.run(line) for name, line in {**SERVICES, **DRIFT}.items()}
    services.remove()
    services.begin()
    return found


@pytest.fixture(scope="module")
def on(services, without, tmp_path_factory) -> Iterator[Engine]:
    with running(POLICY.read_text(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def test_without_a_policy_all_of_it_runs(without):
    """The control."""
    assert dict.fromkeys([*SERVICES, *DRIFT], "42") == without


def test_what_the_image_brought_runs_also_after_a_restart(on, services):
    for _ in range(2):
        assert dict.fromkeys(SERVICES, "42") == {
            name: services.run(line) for name, line in SERVICES.items()
        }
        services.restart()
        until(services.is_up, "the container does not start again")
    assert not [event for event in on.events() if event.get("policy") == "container-drift"]


@pytest.mark.parametrize("name", DRIFT)
def test_what_the_image_did_not_bring_does_not_run(on, services, name):
    assert "42" == services.run(SERVICES["nginx"])
    seen = len(on.events())

    assert "42" != services.run(DRIFT[name])

    until(lambda: any(is_prevented(each) for each in on.events()[seen:]), "there is no record")


def is_prevented(event: dict[str, Any]) -> bool:
    return event.get("policy") == "container-drift" and event["prevented"] is True
