# SPDX-License-Identifier: MIT
"""Real container runtimes, each with the same few verbs, and the containers that they run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import attrs
import images
from cri import Client, CriError, Fields
from engine import ENFORCER
from patience import wait_until

__all__ = [
    "ALL",
    "IMAGE",
    "MACHINES",
    "OTHER_IMAGE",
    "PLAIN",
    "Cri",
    "Lxc",
    "Nspawn",
    "Podman",
    "Running",
    "Runtime",
    "first_process",
    "left",
    "started",
    "until",
]

IMAGE = "localhost/meant:1"
OTHER_IMAGE = "localhost/other:1"
_PAUSE = "registry.k8s.io/pause:3.8"
_ARCHIVES = {IMAGE: Path("/tmp/meant.tar"), OTHER_IMAGE: Path("/tmp/other.tar")}
_MACHINES = Path("/var/lib/machines")
_STORAGES = {"overlay": "/var/lib/containers/storage", "vfs": "/srv/containers"}
"""By the driver; the settings of the system name the second."""
_PODMAN_SETTINGS = Path("/run/vm/storage.conf")
"""What podman takes if it is not told more."""
_SETTINGS = {Path("/etc/containers/storage.conf"): "vfs", _PODMAN_SETTINGS: "overlay"}
_PLACES = ("/var/lib/containers", "/var/lib/containerd", "/var/lib/machines", "/srv/containers")
_DISK = 1500 << 20
"""As large as the disk of each place may become, in memory."""
_SOCKET = Path("/run/containerd/containerd.sock")
_CONTAINERD = """
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd]
  default_runtime_name = "cgroupfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.cgroupfs]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.systemd]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.systemd.options]
    SystemdCgroup = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.native]
  runtime_type = "io.containerd.runc.v2"
  snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.native.options]
    SystemdCgroup = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hooked]
  runtime_type = "io.containerd.runc.v2"
  base_runtime_spec = "/etc/enforcer/containerd-base-spec.json"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.hooked.options]
    SystemdCgroup = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.based]
  runtime_type = "io.containerd.runc.v2"
  base_runtime_spec = "/run/vm/base-spec.json"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.based.options]
    SystemdCgroup = true
"""
_HOOK = (
    *("container-hook", "install", "--containerd", "--wait", "60s", "--on-failure", "refuse"),
    *("--hook", "/run/vm/not-of-podman/hook.json", "--hooks-dir", "/run/vm/not-of-podman"),
)


def until(holds: Callable[[], bool], what: str | Callable[[], str], limit: float = 60.0) -> None:
    """Wait until *holds*; *what* says what did not come."""
    wait_until(holds, what, limit, 0.05)


def _ran(*argv: str, check: bool = True) -> str:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or not check, f"{' '.join(argv)}: {done.stderr}{done.stdout}"
    return done.stdout


@attrs.define
class Running:
    """A container; *process* is the first of its own, as the host numbers it."""

    runtime: Runtime
    name: str
    id: str
    process: int
    is_meant: bool = True
    pod: str | None = None
    _asked: int = attrs.field(default=0, init=False)

    @cached_property
    def root(self) -> Path:
        """Where the host sees its files."""
        return Path(f"/proc/{self.process}/root")

    @property
    def cgroup(self) -> str:
        return Path(f"/proc/{self.process}/cgroup").read_text().strip().removeprefix("0::")

    def run(self, line: str) -> tuple[int, str]:
        """Let the container's own process run *line* of a shell; return how it ended and what it said."""
        self._asked += 1
        code = self.root / f"ctl/code.{self._asked}"
        with (self.root / "ctl/ask").open("r+b", buffering=0) as ask:  # never waits for a reader
            ask.write(line.encode() + b"\n")
            # Open until then: the line would be lost if nobody had the pipe open.
            until(
                lambda: code.exists() and code.read_text() != "", f"{self.name}: no end of {line}"
            )
        return int(code.read_text()), (self.root / f"ctl/said.{self._asked}").read_text()

    def reads(self, path: str) -> bool:
        """Tell whether it can read *path*."""
        return self.run(f"read x <{path}")[0] == 0

    def enter(self, *argv: str) -> int:
        """Run *argv* in it by the runtime's own command, and return how that ended."""
        return self.runtime.enter(self, argv)

    def remove(self) -> None:
        self.runtime.remove(self)


class Runtime(Protocol):
    """What tests ask of a runtime."""

    name: str
    packages: tuple[str, ...]
    said: str  # the word that records have for it

    def prepare(self) -> None:
        """Load the images, once."""

    def start(
        self, name: str, *, is_meant: bool = True, command: Sequence[str] = images.SERVE
    ) -> Running:
        """Start a container of this name; the meant ones have the image and the namespace that policies name."""

    def enter(self, running: Running, argv: Sequence[str]) -> int:
        """Run *argv* in the container."""

    def remove(self, running: Running) -> None:
        """End it."""


@attrs.frozen
class Podman:
    """
    podman with one of the programs that make containers, and one way to make cgroups.

    With *mapped*, users of its containers are others on the host. With another *driver*, its storage is elsewhere.
    """

    runtime: str
    manager: str
    mapped: str = ""
    driver: str = "overlay"
    said: str = "podman"

    @property
    def name(self) -> str:
        kinds = ("mapped" if self.mapped else "", self.driver if self.driver != "overlay" else "")
        return "-".join((self.runtime, *(filter(None, kinds) if any(kinds) else (self.manager,))))

    @property
    def packages(self) -> tuple[str, ...]:
        return "podman", "conmon", self.runtime, "busybox-static"

    def podman(self, *argv: str, check: bool = True) -> str:
        return _ran(*self._command, *argv, check=check)

    @property
    def _command(self) -> tuple[str, ...]:
        storage = ("--root", _STORAGES[self.driver], "--storage-driver", self.driver)
        made = ("--runtime", self.runtime, "--cgroup-manager", self.manager)
        return ("podman", *storage, *made)

    def prepare(self) -> None:
        there = self.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        for name, archive in _ARCHIVES.items():
            if name not in there:
                self.podman("load", "--input", str(archive))

    def begin(self, name: str, image: str, *command: str, options: Sequence[str] = ()) -> str:
        """Start it and return its id, though it may have ended."""
        users = ("--uidmap", self.mapped, "--gidmap", self.mapped) if self.mapped else ()
        asked = ("-d", "--name", name, "--network", "none", *users, *options)
        return self.podman("run", *asked, image, *command).strip()

    def start(
        self, name: str, *, is_meant: bool = True, command: Sequence[str] = images.SERVE
    ) -> Running:
        return self._started(name, self.begin(name, IMAGE if is_meant else OTHER_IMAGE, *command))

    def start_with(self, name: str, volumes: Mapping[str, Path]) -> Running:
        """Start one that is shown *volumes*, by the place where it sees them, and may mount."""
        shown = (f"--volume={host}:{place}" for place, host in volumes.items())
        options = ("--privileged", *shown)
        return self._started(name, self.begin(name, IMAGE, *images.SERVE, options=options))

    def _started(self, name: str, number: str) -> Running:
        (state,) = json.loads(self.podman("inspect", name))
        return Running(self, name, number, state["State"]["Pid"])

    @contextlib.contextmanager
    def together(self, names: Sequence[str], *command: str) -> Iterator[list[Running]]:
        """Start containers of these *names* by one call, and end them by one; they are made before."""
        try:
            for name in names:
                self.podman("create", "--name", name, "--network", "none", IMAGE, *command)
            began = time.monotonic()
            self.podman("start", *names)
            states = json.loads(self.podman("inspect", *names))
            yield [
                Running(self, name, state["Id"], state["State"]["Pid"])
                for name, state in zip(names, states, strict=True)
            ]
        finally:
            self.podman("rm", "--force", "--ignore", "--time", "0", *names)
        print(f"{self.name}: {len(names)} containers in {time.monotonic() - began:.0f} s")

    def enter(self, running: Running, argv: Sequence[str]) -> int:
        command = [*self._command, "exec", running.name, *argv]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def remove(self, running: Running) -> None:
        self.podman("rm", "--force", "--time", "0", running.name)


@attrs.frozen
class Cri:
    """
    containerd, asked as a kubelet asks it.

    *driver* says who makes cgroups. hooked: systemd, with our hook; based: with the specification that it is in, without it.
    """

    driver: str
    said: str = "containerd"
    packages: tuple[str, ...] = ("containerd", "runc", "curl", "busybox-static")
    _client: Client = attrs.field(factory=lambda: Client(_SOCKET))

    @property
    def name(self) -> str:
        return f"cri-{self.driver}"

    def prepare(self) -> None:
        if _SOCKET.exists():
            return
        place = Path("/etc/containerd/config.toml")
        place.parent.mkdir(exist_ok=True)
        place.write_text(_CONTAINERD)
        _ran(ENFORCER, *_HOOK)
        Path("/run/vm/base-spec.json").write_text(_ran("ctr", "oci", "spec"))
        _ran("systemctl", "daemon-reload")
        _ran("systemctl", "start", "containerd")
        until(self._answers, "containerd does not answer")
        for archive in _ARCHIVES.values():
            _ran("ctr", "-n", "k8s.io", "image", "import", str(archive))
        _ran("ctr", "-n", "k8s.io", "image", "tag", "--force", IMAGE, _PAUSE)

    def _answers(self) -> bool:
        try:
            self._client.call("Version", {})
        except CriError:
            return False
        return True

    def start(
        self,
        name: str,
        *,
        is_meant: bool = True,
        command: Sequence[str] = images.SERVE,
    ) -> Running:
        sandbox = self.sandbox(name, "prod" if is_meant else "dev")
        number = self.begin(sandbox, name, IMAGE if is_meant else OTHER_IMAGE, command)
        return Running(self, name, number, first_process(number), is_meant, sandbox[1])

    def start_with(self, name: str, volumes: Mapping[str, Path]) -> Running:
        """Start one that is shown *volumes*, by the place where it sees them."""
        sandbox = self.sandbox(name, "prod")
        number = self.begin(sandbox, name, IMAGE, images.SERVE, volumes)
        return Running(self, name, number, first_process(number), pod=sandbox[1])

    def sandbox(self, name: str, namespace: str) -> tuple[Fields, str]:
        """Make a pod with the uid that *name* gives it; return how it was asked for and its id."""
        number = uid(name)
        logs = f"/var/log/pods/{namespace}_{name}_{number}"
        Path(logs).mkdir(parents=True)  # as a kubelet does first
        parent = f"/kubepods/besteffort/pod{number}"
        if self.driver != "cgroupfs":
            parent = f"kubepods-besteffort-pod{number.replace('-', '_')}.slice"
        asked: Fields = {
            1: {1: name, 2: number, 3: namespace},
            3: logs,
            8: {1: parent, 2: {1: _NAMESPACES}},
        }
        answer = self._client.call("RunPodSandbox", {1: asked, 2: self.driver})
        return asked, answer[1].decode()

    def begin(
        self,
        sandbox: tuple[Fields, str],
        name: str,
        image: str,
        command: Sequence[str],
        volumes: Mapping[str, Path] | None = None,
    ) -> str:
        """Start a container in the pod and return its id, though it may have ended."""
        asked, pod = sandbox
        config: Fields = {
            1: {1: name},
            2: {1: image},
            3: list(command),
            7: [{1: place, 2: str(host)} for place, host in (volumes or {}).items()],
            11: f"{name}.log",
            15: {2: {3: _NAMESPACES}},
        }
        answer = self._client.call("CreateContainer", {1: pod, 2: config, 3: asked})
        number = answer[1].decode()
        self._client.call("StartContainer", {1: number})
        return number

    def enter(self, running: Running, argv: Sequence[str]) -> int:
        try:
            answer = self._client.call("ExecSync", {1: running.id, 2: list(argv), 3: 60})
        except CriError:
            return 126  # the runtime could not run it
        return int(answer.get(3, b"0"))

    def remove(self, running: Running) -> None:
        assert running.pod is not None
        self._client.call("StopPodSandbox", {1: running.pod})
        self._client.call("RemovePodSandbox", {1: running.pod})
        for logs in Path("/var/log/pods").glob(f"*_{uid(running.name)}"):
            shutil.rmtree(logs)


_NAMESPACES: Fields = {1: 2, 2: 1}  # the host's network, and processes of its own


def uid(name: str) -> str:
    """Return the uid of the pod of this name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def first_process(number: str) -> int:
    """Find the first process of the container of this id, by its cgroup."""
    for folder in Path("/sys/fs/cgroup/").glob("kubepods*/**/"):
        if number in folder.name:
            members = (folder / "cgroup.procs").read_text().split()
            assert members, f"{folder} is empty"
            return int(members[0])
    message = f"no cgroup of {number}"
    raise AssertionError(message)


@attrs.frozen
class Nspawn:
    """systemd-nspawn, whose containers are folders and have no images."""

    name: str = "nspawn"
    said: str = "machine"
    packages: tuple[str, ...] = ("systemd-container", "busybox-static")

    def prepare(self) -> None:
        _ran("systemctl", "start", "systemd-machined")

    def start(
        self, name: str, *, is_meant: bool = True, command: Sequence[str] = images.SERVE
    ) -> Running:
        folder = _MACHINES / name
        images.unpacked(folder)
        spawn = ("systemd-nspawn", "--quiet", "--machine", name, "--directory", str(folder))
        _ran("systemd-run", "--quiet", "--collect", "--unit", name, *spawn, "--as-pid2", *command)
        until(lambda: self._leader(name) != 0, f"no machine {name}")
        leader = self._leader(name)
        until(lambda: len(_tree(leader)) > 1, f"{name} runs nothing")
        return Running(self, name, name, _tree(leader)[-1], is_meant)

    def _leader(self, name: str) -> int:
        said = _ran("machinectl", "show", name, "--property", "Leader", "--value", check=False)
        return int(said or 0)

    def enter(self, running: Running, argv: Sequence[str]) -> int:
        """What it has needs a manager in the container: this enters its namespaces, as root of the host can."""
        command = ["nsenter", "--target", str(running.process), "--all", *argv]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def remove(self, running: Running) -> None:
        _ran("systemctl", "stop", running.name)


_LXC: str = """
lxc.uts.name = {name}
lxc.rootfs.path = dir:{folder}
lxc.mount.auto = proc:rw sys:ro
lxc.net.0.type = none
lxc.apparmor.profile = unconfined
"""


@attrs.frozen
class Lxc:
    """LXC, whose containers are folders as well."""

    name: str = "lxc"
    said: str = "lxc"
    packages: tuple[str, ...] = ("lxc", "busybox-static")

    def prepare(self) -> None:
        """Its containers need nothing but its programs."""

    def start(
        self, name: str, *, is_meant: bool = True, command: Sequence[str] = images.SERVE
    ) -> Running:
        folder, place = _MACHINES / name, Path("/var/lib/lxc") / name
        images.unpacked(folder)
        place.mkdir(parents=True)
        (place / "config").write_text(_LXC.format(name=name, folder=folder))
        _ran("lxc-start", "--name", name, f"--logfile={place}/log", "--daemon", "--", *command)
        process = int(_ran("lxc-info", "--name", name, "--pid", "--no-humanize"))
        return Running(self, name, name, process, is_meant)

    def enter(self, running: Running, argv: Sequence[str]) -> int:
        command = ["lxc-attach", "--name", running.name, "--", *argv]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False
        ).returncode

    def remove(self, running: Running) -> None:
        _ran("lxc-stop", "--name", running.name, "--kill")
        shutil.rmtree(Path("/var/lib/lxc") / running.name)


def _tree(process: int) -> list[int]:
    """Return *process* and the first child of each, downwards."""
    found = [process]
    while children := Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text().split():
        found.append(int(children[0]))
    return found


ALL: tuple[Runtime, ...] = (
    *(
        Podman(program, manager)
        for program in ("crun", "runc")
        for manager in ("systemd", "cgroupfs")
    ),
    *(Podman(program, "systemd", "0:200000:65536") for program in ("crun", "runc")),
    *(Podman("crun", "systemd", users, "vfs") for users in ("", "0:200000:65536")),
    *(Cri(driver) for driver in ("systemd", "cgroupfs", "native")),
    Nspawn(),
    Lxc(),
)


MACHINES = {"nspawn", "lxc"}
"""Those whose containers are folders: no image brought them, and no file says where their root is."""

PLAIN = {"crun-vfs", "crun-mapped-vfs", "cri-native", *MACHINES}
"""Those whose containers have no overlay."""


def make_ready(*, on_disk: bool = True) -> None:
    """
    Make what all of them need: modules of the kernel, places that are no overlay, the settings and the image.

    In memory an image's own files are drift where there is no overlay; a disk costs instructions of its own.
    """
    _ran("modprobe", "--all", "overlay", "loop", "ext4")
    for place in _PLACES:
        Path(place).mkdir(parents=True, exist_ok=True)
        if not os.path.ismount(place):
            _mount(place, on_disk=on_disk)
    for settings, driver in _SETTINGS.items():
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(f'[storage]\ndriver = "{driver}"\ngraphroot = "{_STORAGES[driver]}"\n')
    os.environ["CONTAINERS_STORAGE_CONF"] = str(_PODMAN_SETTINGS)
    _ran("systemctl", "start", "dbus")
    for name, archive in _ARCHIVES.items():
        if not archive.exists():
            images.archive(archive, name)


def _mount(place: str, *, on_disk: bool) -> None:
    if not on_disk:
        _ran("mount", "-t", "tmpfs", "tmpfs", place)
        return
    disk = Path(f"/tmp/{place.strip('/').replace('/', '-')}.disk")
    with disk.open("wb") as file:
        file.truncate(_DISK)
    _ran("mkfs.ext4", "-q", str(disk))
    _ran("mount", "-o", "loop", str(disk), place)


@contextlib.contextmanager
def started(runtime: Runtime, name: str, **how: Any) -> Iterator[Running]:
    """A container that *runtime* starts like that, until the end of the block."""
    container = runtime.start(name, **how)
    try:
        yield container
    finally:
        container.remove()


def left(container: Running, name: str) -> list[str]:
    """Return the words that *container* writes into a file of /data, which it does once; it must not end before."""
    place = container.root / "data" / name
    assert container.process, f"{container.name} has ended"
    until(
        lambda: not container.root.exists() or (place.exists() and place.read_text() != ""),
        f"no {place}",
        240,
    )
    assert container.root.exists(), f"{container.name} has ended"
    return place.read_text().split()
