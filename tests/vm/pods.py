# SPDX-License-Identifier: MIT
"""
Pods without a runtime: the cgroups and the files that one leaves, and processes as it would start them.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import compiled
from patience import scaled, wait_until

__all__ = ["CGROUPS", "Container", "Pod", "ask", "built", "give_labels", "runtime_of"]

CGROUPS = Path("/sys/fs/cgroup")
TASKS = Path("/run/containerd/io.containerd.runtime.v2.task/k8s.io")
STORAGE = Path("/var/lib/containers/storage")
DOCKER = Path("/var/lib/docker")
LOGS = Path("/var/log/pods")
OBJECTS = Path("/etc/enforcer/pods.d")
FILES = ("secret", "label", "main", "own", "lenient", "free", "image", "tenant")


def built(directory: Path) -> Path:
    """Compile the program that containers run."""
    program = directory / "contained"
    compiled.place("contained", program)
    return program


def ask(
    process: subprocess.Popen[str], deed: str, path: str | Path, expected: str | None = None
) -> str:
    """Let *process*, which is ``contained.c``, do something, and return how that ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{deed} {path}\n")
    process.stdin.flush()
    said = process.stdout.readline().strip()
    assert expected is None or said == expected, said
    return said


def _host_process(program: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@contextlib.contextmanager
def runtime_of(program: Path) -> Iterator[subprocess.Popen[str]]:
    """Start what makes containers, a process of the host."""
    with _host_process(program) as process:
        assert process.stdin is not None
        yield process
        process.stdin.close()  # it ends


@attrs.frozen
class Pod:
    """A pod; *number* makes its uid."""

    number: int
    name: str
    namespace: str

    @property
    def uid(self) -> str:
        return f"{self.number:08x}-1111-2222-3333-444444444444"

    @property
    def cgroup(self) -> Path:
        return CGROUPS / "kubepods.slice" / f"kubepods-pod{self.uid.replace('-', '_')}.slice"

    def announce(self) -> None:
        """Do what a kubelet does first."""
        (LOGS / f"{self.namespace}_{self.name}_{self.uid}").mkdir(parents=True)

    def remove(self) -> None:
        shutil.rmtree(LOGS / f"{self.namespace}_{self.name}_{self.uid}", ignore_errors=True)
        with contextlib.suppress(OSError):
            self.cgroup.rmdir()


@attrs.define
class Container:
    """
    One container of *runtime*; *letter*, or a few of them, make its id.

    Attributes:
        program: what runs in it, as /bin/app and /bin/other.
        pod: None: it is Docker's own.
        volume: a directory of the host that its runtime shows it; None: there is none.
        place: where it sees that.
        also: how many more places of the same volume its runtime names.
    """

    runtime: str
    letter: str
    program: Path
    pod: Pod | None = None
    name: str = "main"
    image: str = "registry.example/app:1"
    labels: dict[str, str] = attrs.field(factory=dict)
    process: subprocess.Popen[str] | None = None
    volume: Path | None = None
    place: str = "/data"
    also: int = 0

    @property
    def id(self) -> str:
        return (self.letter * 64)[:64]

    @property
    def cgroup(self) -> Path:
        if self.pod is None:
            return CGROUPS / "system.slice" / f"docker-{self.id}.scope"
        head = {"containerd": "cri-containerd", "cri-o": "crio"}[self.runtime]
        return self.pod.cgroup / f"{head}-{self.id}.scope"

    @property
    def root(self) -> Path:
        """Where the runtime would mount its file system."""
        return {
            "containerd": TASKS / self.id / "rootfs",
            "cri-o": STORAGE / "overlay" / self.id / "merged",
            "docker": DOCKER / "overlay2" / self.id / "merged",
        }[self.runtime]

    @property
    def bundle(self) -> Path:
        """The file that says what it is."""
        return {
            "containerd": TASKS / self.id / "config.json",
            "cri-o": STORAGE / "overlay-containers" / self.id / "userdata" / "config.json",
            "docker": DOCKER / "containers" / self.id / "config.v2.json",
        }[self.runtime]

    def describe(self) -> None:
        """Leave the file that the runtime leaves, whole or not at all."""
        self.bundle.parent.mkdir(parents=True, exist_ok=True)
        half = self.bundle.with_suffix(".half")
        half.write_text(json.dumps(self._config()))
        half.rename(self.bundle)

    def _config(self) -> dict[str, Any]:
        places = [self.place, *(f"/also/{n}" for n in range(self.also))]
        shown = [] if self.volume is None else [(each, str(self.volume)) for each in places]
        if self.runtime == "docker":
            return {
                "ID": self.id,
                "MountPoints": {to: {"Destination": to, "Source": of} for to, of in shown},
                "Name": f"/{self.name}",
                "Config": {"Image": self.image, "Labels": self.labels},
            }
        assert self.pod is not None
        mounts = [{"destination": to, "source": of, "type": "bind"} for to, of in shown]
        if self.runtime == "containerd":
            notes = {
                "container-type": "container",
                "container-name": self.name,
                "image-name": self.image,
                "sandbox-name": self.pod.name,
                "sandbox-namespace": self.pod.namespace,
                "sandbox-uid": self.pod.uid,
            }
            return {
                "annotations": {f"io.kubernetes.cri.{k}": v for k, v in notes.items()},
                "mounts": mounts,
            }
        labels = {
            "io.kubernetes.pod.name": self.pod.name,
            "io.kubernetes.pod.namespace": self.pod.namespace,
            "io.kubernetes.pod.uid": self.pod.uid,
            **self.labels,
        }
        kind = "sandbox" if self.name == "POD" else "container"
        if kind == "container":
            labels["io.kubernetes.container.name"] = self.name
        notes = {
            "io.kubernetes.cri-o.ContainerType": kind,
            "io.kubernetes.cri-o.Labels": json.dumps(labels),
            "io.kubernetes.cri-o.ImageName": self.image,
        }
        return {"annotations": notes, "mounts": mounts}

    def start(self) -> None:
        """Make the root and the cgroup, and run the program there."""
        self.root.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "root", str(self.root)], check=True)
        for folder in ("bin", "data"):
            (self.root / folder).mkdir()
        for name in ("app", "other"):
            shutil.copy(self.program, self.root / "bin" / name)
        for name in FILES:
            (self.root / "data" / name).write_text(name)
        if self.volume is not None:
            self._show(self.volume, self.root / self.place.strip("/"))
        self.cgroup.mkdir(parents=True)
        self.process = self._run("/bin/app")

    def _show(self, volume: Path, place: Path) -> None:
        volume.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (volume / name).write_text(name)
        place.mkdir(exist_ok=True)
        subprocess.run(["mount", "--bind", str(volume), str(place)], check=True)

    def _run(self, program: str) -> subprocess.Popen[str]:
        self.process = process = self._joined()
        self.ask("enter", str(self.root), "ok")
        self.ask("become", program, "ready")
        return process

    def _joined(self) -> subprocess.Popen[str]:
        """Start a process of the host that enters the cgroup: what it ran there would be the container's."""
        process = _host_process(self.program)
        ask(process, "cgroup", self.cgroup / "cgroup.procs", "ok")
        return process

    def ask(self, deed: str, path: str, expected: str | None = None) -> str:
        """Let the process do something, and return how that ended."""
        assert self.process is not None
        return ask(self.process, deed, path, expected)

    def open(self, name: str) -> str:
        """Let it read one of its files."""
        return self.ask("open", f"/data/{name}")

    def becomes(self, wanted: str, name: str, limit: float = 240.0) -> bool:
        """Tell whether reading ends like that within *limit* seconds."""
        until = time.monotonic() + scaled(limit)
        while time.monotonic() < until:
            if self.open(name) == wanted:
                return True
            time.sleep(0.1)
        return False

    def remove(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.close()
            self.process.wait(scaled(20))
            self.process.stdout.close()
        subprocess.run(["umount", "--recursive", str(self.root)], check=False, capture_output=True)
        shutil.rmtree(self.root.parent, ignore_errors=True)
        shutil.rmtree(self.bundle.parent, ignore_errors=True)
        # Who has ended is a member for a moment longer.
        wait_until(self._is_cleared, f"{self.cgroup} stays", 60, 0.05)

    def _is_cleared(self) -> bool:
        for folder in (*sorted(self.cgroup.rglob("*/"), reverse=True), self.cgroup):
            with contextlib.suppress(OSError):
                folder.rmdir()
        return not self.cgroup.exists()


@contextlib.contextmanager
def running(*containers: Container) -> Iterator[None]:
    """Describe and start *containers*, and remove them afterwards."""
    try:
        for container in containers:
            if container.pod is not None and not container.pod.cgroup.exists():
                container.pod.announce()
            container.describe()
            container.start()
        yield
    finally:
        for container in containers:
            container.remove()
            if container.pod is not None:
                container.pod.remove()


def give_labels(pod: Pod, labels: dict[str, str]) -> None:
    """Put the pod where an administrator would."""
    meta = {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid, "labels": labels}
    OBJECTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta})
    half = OBJECTS / f".{pod.name}"
    half.write_text(text)
    half.rename(OBJECTS / f"{pod.name}.json")
