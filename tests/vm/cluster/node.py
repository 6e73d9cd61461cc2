# SPDX-License-Identifier: MIT
"""
A node of Kubernetes in the guest: a control plane, a kubelet and containerd, each a unit of systemd.

All is as in a cluster that somebody uses: certificates, RBAC and the authorizer of nodes, a network for pods, and
nothing that may do more than it has to. What a cluster has besides and nothing here needs is left out: names by DNS,
and a proxy for services. The address of the API server's own service is the node's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import images
import yaml
from authority import Authority
from cluster_clients import PROGRAMS, SERVER, Api, Kubectl
from patience import wait_until

__all__ = ["IMAGE", "PACKAGES", "Node", "until"]

PACKAGES = ("containerd", "runc", "containernetworking-plugins", "busybox-static")
"""Debian's, of what is not made here."""

IMAGE = "localhost/enforcer:0.1.0"
"""The image that the manifests name. Pods under test have it, too: it is a root of Debian, with bash."""

NAME = "n1"
ADDRESS = "10.77.0.1"
SERVICES = "10.99.0.0/24"
PODS = "10.88.1.0/24"
_PAUSE = "localhost/pause:1"
_STORE = "http://127.0.0.1:2379"
_LOGS = Path("/run/vm/cluster")
_UNITS = Path("/run/systemd/system")
_SOCKET = "unix:///run/containerd/containerd.sock"

_CONTAINERD = f"""
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{_PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""
_BRIDGE = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}
# What a control plane for one node, sets of pods and a service needs; all others only cost an emulated machine its time.
_CONTROLLERS = (
    *("namespace", "serviceaccount", "serviceaccount-token", "root-ca-cert-publisher"),
    *("daemonset", "deployment", "replicaset", "endpoint"),
    *("garbagecollector", "nodelifecycle", "podgc"),
)


def until(
    holds: Callable[[], Any],
    what: str | Callable[[], str],
    limit: float = 120.0,
    pause: float = 0.3,
) -> Any:
    """Wait until *holds* and return what it returned; *what* says what did not come. In seconds."""
    return wait_until(holds, what, limit, pause)


def _ran(*argv: str | Path) -> str:
    done = subprocess.run(
        [*map(str, argv)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, argv))}: {done.stderr}{done.stdout}"
    return done.stdout


@attrs.frozen
class Node:
    """The node, with all that it consists of."""

    image: Path
    place: Path = Path("/run/cluster")

    @property
    def authority(self) -> Authority:
        return Authority(self.place / "pki")

    @property
    def api(self) -> Api:
        return Api(self.authority)

    @property
    def admin(self) -> Kubectl:
        return Kubectl(self.place / "pki/admin.kubeconfig")

    def start(self) -> None:
        """Start all of it, and wait until the node is ready for pods."""
        _LOGS.mkdir(parents=True, exist_ok=True)
        self._network()
        self._certificates()
        for name, words in self._commands().items():
            _unit(name, words)
        _ran("systemctl", "daemon-reload")
        _ran("systemctl", "start", "etcd", "containerd")
        until(lambda: _answers(f"{_STORE}/health"), "etcd does not answer")
        _ran("systemctl", "start", "kube-apiserver")
        self._images()
        self.wait_for_server()
        _ran("systemctl", "start", "kube-controller-manager", "kube-scheduler", "kubelet")
        until(self._is_ready, lambda: f"the node is not ready: {_tail('kubelet')}", 300)

    def kill(self, name: str) -> None:
        """Kill a part of the node, which then stays away: its unit is stopped by no other signal."""
        _ran("systemctl", "stop", name)

    def start_unit(self, name: str) -> None:
        """Start a part of the node again."""
        _ran("systemctl", "reset-failed", name)
        _ran("systemctl", "start", name)

    def save_store(self) -> None:
        """Keep what the store has, and end it and the API server meanwhile."""
        self._without_store(lambda: shutil.copytree(self._store, self._saved))

    def restore_store(self) -> None:
        """Put back what was kept: whatever has changed since has not happened, and versions are lower again."""

        def put_back() -> None:
            shutil.rmtree(self._store)
            self._saved.rename(self._store)

        self._without_store(put_back)

    def _without_store(self, do: Callable[[], object]) -> None:
        for name in ("kube-apiserver", "etcd"):
            self.kill(name)
        do()
        self.start_unit("etcd")
        until(lambda: _answers(f"{_STORE}/health"), "etcd does not answer")
        self.start_unit("kube-apiserver")

    @property
    def _store(self) -> Path:
        return self.place / "etcd"

    @property
    def _saved(self) -> Path:
        return self.place / "saved"

    def wait_for_server(self) -> None:
        until(
            lambda: self.api.text("/readyz") == "ok",
            lambda: f"the API server is not ready: {_tail('kube-apiserver')}",
            900,
        )

    def _is_ready(self) -> bool:
        found = self.api.get(f"/api/v1/nodes/{NAME}")
        if found is None:
            return False
        conditions = {
            each["type"]: each["status"] for each in found["status"].get("conditions", [])
        }
        return conditions.get("Ready") == "True" and not found["spec"].get("taints")

    def _network(self) -> None:
        _ran("modprobe", "--all", "overlay", "dummy", "bridge", "veth", "br_netfilter")
        _ran("ip", "link", "add", "node0", "type", "dummy")
        for address in (f"{ADDRESS}/24", f"{SERVER}/32"):
            _ran("ip", "address", "add", address, "dev", "node0")
        _ran("ip", "link", "set", "node0", "up")
        # A kubelet finds its own address by the way out, which leads nowhere.
        _ran("ip", "route", "add", "default", "via", "10.77.0.2", "dev", "node0")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        for path, text in (
            ("/etc/cni/net.d/10-pods.conflist", json.dumps(_BRIDGE)),
            ("/etc/containerd/config.toml", _CONTAINERD),
        ):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(text)

    def _certificates(self) -> None:
        made = self.authority
        made.make()
        made.key_pair("tokens")
        known = (f"IP:{SERVER}", f"IP:{ADDRESS}", "IP:127.0.0.1", "DNS:kubernetes.default.svc")
        made.vouch("server", "kube-apiserver", hosts=known)
        made.vouch("to-kubelet", "kube-apiserver", "system:masters")
        for name, user, *groups in (
            ("admin", "admin", "system:masters"),
            ("kube-controller-manager", "system:kube-controller-manager"),
            ("kube-scheduler", "system:kube-scheduler"),
            ("kubelet", f"system:node:{NAME}", "system:nodes"),
        ):
            made.vouch(name, user, *groups)
            made.config(name, f"https://{SERVER}")

    def _commands(self) -> dict[str, list[str]]:
        """Return how each program is started."""
        path, configs = self.authority.path, self.authority.folder
        kubelet = self.place / "kubelet.yaml"
        kubelet.write_text(yaml.safe_dump(self._kubelet()))
        manager = f"--kubeconfig={configs}/kube-controller-manager.kubeconfig"
        return {
            "etcd": [
                f"{PROGRAMS}/etcd",
                f"--data-dir={self._store}",
                "--unsafe-no-fsync",
                f"--listen-client-urls={_STORE}",
                f"--advertise-client-urls={_STORE}",
            ],
            "containerd": ["/usr/bin/containerd"],
            "kube-apiserver": [
                f"{PROGRAMS}/kube-apiserver",
                f"--etcd-servers={_STORE}",
                "--secure-port=443",
                f"--advertise-address={ADDRESS}",
                f"--client-ca-file={path('ca.crt')}",
                f"--tls-cert-file={path('server.crt')}",
                f"--tls-private-key-file={path('server.key')}",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                f"--service-account-key-file={path('tokens.pub')}",
                f"--service-account-signing-key-file={path('tokens.key')}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-cluster-ip-range={SERVICES}",
                # There is no proxy for services: the API server asks a webhook at the address of its pod.
                "--enable-aggregator-routing",
                "--allow-privileged",
                # An emulated machine that others keep busy is slow, and the node is not to be given up for that.
                "--enable-priority-and-fairness=false",
                "--request-timeout=5m",
                f"--kubelet-client-certificate={path('to-kubelet.crt')}",
                f"--kubelet-client-key={path('to-kubelet.key')}",
                "--kubelet-preferred-address-types=InternalIP",
            ],
            "kube-controller-manager": [
                f"{PROGRAMS}/kube-controller-manager",
                manager,
                f"--controllers={','.join(_CONTROLLERS)}",
                "--leader-elect=false",
                "--use-service-account-credentials",
                "--node-monitor-grace-period=30m",
                f"--root-ca-file={path('ca.crt')}",
                f"--service-account-private-key-file={path('tokens.key')}",
            ],
            "kube-scheduler": [
                f"{PROGRAMS}/kube-scheduler",
                f"--kubeconfig={configs}/kube-scheduler.kubeconfig",
                "--leader-elect=false",
            ],
            "kubelet": [
                f"{PROGRAMS}/kubelet",
                f"--config={kubelet}",
                f"--kubeconfig={configs}/kubelet.kubeconfig",
                f"--hostname-override={NAME}",
                f"--node-ip={ADDRESS}",
                "--container-runtime=remote",
                f"--container-runtime-endpoint={_SOCKET}",
                f"--cert-dir={self.place}/kubelet-pki",
            ],
        }

    def _kubelet(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": self.authority.path("ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "cgroupDriver": "cgroupfs",
            "failSwapOn": False,
            "nodeStatusUpdateFrequency": "1m",
            "nodeLeaseDurationSeconds": 600,
            "enforceNodeAllocatable": [],
            # The guest's memory and disk are small, and nobody else needs them.
            "evictionHard": {
                "memory.available": "1Mi",
                "nodefs.available": "0%",
                "imagefs.available": "0%",
            },
            "imageGCHighThresholdPercent": 100,
        }

    def _images(self) -> None:
        """Load what pods run. No registry is asked."""
        until(lambda: _succeeds("ctr", "version"), "containerd does not answer")
        pause = self.place / "pause.tar"
        images.archive(pause, _PAUSE)
        _ran("ctr", "-n", "k8s.io", "images", "import", pause)
        _ran("ctr", "-n", "k8s.io", "images", "import", self.image)


def _unit(name: str, words: Sequence[str]) -> None:
    log = f"append:{_LOGS}/{name}.log"
    lines = (
        "[Service]",
        f"ExecStart={' '.join(words)}",
        f"StandardOutput={log}",
        f"StandardError={log}",
        "Delegate=yes",
        "KillMode=process",
        "KillSignal=SIGKILL",
        # As in any cluster. An API server that is too slow to answer itself gives up.
        "Restart=on-failure",
        "RestartSec=3",
        "TasksMax=infinity",
        "LimitNOFILE=65536",
    )
    (_UNITS / f"{name}.service").write_text("\n".join(lines) + "\n")


def _tail(name: str) -> str:
    return (_LOGS / f"{name}.log").read_text()[-3000:]


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except (OSError, urllib.error.URLError):
        return False
    return True


def _succeeds(*argv: str) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
