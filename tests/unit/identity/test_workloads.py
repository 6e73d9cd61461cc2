# SPDX-License-Identifier: MIT
"""Containers and pods from the files that runtimes leave: sample trees of each, and hostile ones."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from enforcer.identity.container import container_of, pod_of
from enforcer.identity.host_root import host_root
from enforcer.identity.workload_files import (
    PodFacts,
    containerd,
    crio,
    docker,
    pods_of_objects,
    stored,
)
from enforcer.identity.workload_places import Places
from enforcer.identity.workloads import Workloads

UID = "0a1b2c3d-1111-2222-3333-444455556666"
SLICE = (
    f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice"
)
A, B = "a" * 64, "b" * 64
TASKS = "run/containerd/io.containerd.runtime.v2.task"


@attrs.define
class Machine:
    """A root with a tree of cgroups."""

    root: Path
    now: float = 100.0

    @property
    def cgroups(self) -> Path:
        return self.root / "cgroup"

    def write(self, path: str, content: Any) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    def cgroup(self, path: str) -> None:
        (self.cgroups / path).mkdir(parents=True)

    def workloads(self) -> Workloads:
        return Workloads(Places(self.root, self.cgroups), lambda: self.now)

    def facts(self) -> dict[str, dict[str, Any]]:
        """What is known, by cgroup, as texts."""
        return {
            each.cgroup.decode(): {
                name: [t.decode() for t in value] if value is not None else None
                for name, value in each.facts.items()
            }
            for each in self.workloads().look()
        }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    found.cgroups.mkdir()
    return found


def cri(**notes: str) -> dict[str, Any]:
    given = {f"io.kubernetes.cri.{key.replace('_', '-')}": value for key, value in notes.items()}
    return {"ociVersion": "1.1.0", "annotations": given}


POD_NOTES = {"sandbox_name": "web-1", "sandbox_namespace": "prod", "sandbox_uid": UID}


def test_containerd(machine):
    """Names and image from the annotations of the bundle; labels are not there."""
    machine.cgroup(f"{SLICE}/cri-containerd-{A}.scope")
    machine.cgroup(f"{SLICE}/cri-containerd-{B}.scope")
    config = cri(
        container_type="container", container_name="main", image_name="r/app:1", **POD_NOTES
    )
    machine.write(f"{TASKS}/k8s.io/{A}/config.json", config)
    machine.write(f"{TASKS}/k8s.io/{B}/config.json", cri(container_type="sandbox", **POD_NOTES))
    pod = {"pod.name": ["web-1"], "pod.namespace": ["prod"], "pod.labels": None}

    assert {
        f"/{SLICE}": {**dict.fromkeys(f"container.{n}" for n in ("id", "name", "image", "runtime")), **pod},
        f"/{SLICE}/cri-containerd-{A}.scope": {
            "container.id": [A],
            "container.runtime": ["containerd"],
            "container.name": ["main"],
            "container.image": ["r/app:1"],
            **pod,
        },
        f"/{SLICE}/cri-containerd-{B}.scope": {
            "container.id": [B],
            "container.runtime": ["containerd"],
            **pod,
        },
    } == machine.facts()  # fmt: skip


def test_crio(machine):
    """The labels of the pod are those of its sandbox."""
    machine.cgroup(f"{SLICE}/crio-{A}.scope")
    machine.cgroup(f"{SLICE}/crio-{B}.scope")
    of_pod = {f"io.kubernetes.pod.{k}": v for k, v in
              (("name", "web-1"), ("namespace", "prod"), ("uid", UID))}  # fmt: skip
    for number, kind, labels in (
        (A, "container", {"io.kubernetes.container.name": "main"}),
        (B, "sandbox", {"app": "web", "x.y/tier": ""}),
    ):
        notes = {
            "io.kubernetes.cri-o.ContainerType": kind,
            "io.kubernetes.cri-o.Labels": json.dumps({**of_pod, **labels}),
            "io.kubernetes.cri-o.ImageName": "r/app:1",
        }
        path = f"run/containers/storage/overlay-containers/{number}/userdata/config.json"
        machine.write(path, {"annotations": notes})

    found = machine.facts()

    main = found[f"/{SLICE}/crio-{A}.scope"]
    assert (["main"], ["r/app:1"]) == (main["container.name"], main["container.image"])
    assert ["cri-o"] == main["container.runtime"]
    assert ["app=web", "x.y/tier="] == main["pod.labels"]
    assert ["prod"] == main["pod.namespace"]
    assert "container.name" not in found[f"/{SLICE}/crio-{B}.scope"]


def test_docker(machine):
    """Name and image; what labels say of pods is not believed outside of a pod's cgroup."""
    machine.cgroup(f"system.slice/docker-{A}.scope")
    labels = {"io.kubernetes.pod.namespace": "prod", "io.kubernetes.pod.uid": UID, "app": "web"}
    config = {"ID": A, "Name": "/db", "Config": {"Image": "postgres:16", "Labels": labels}}
    machine.write(f"var/lib/docker/containers/{A}/config.v2.json", config)

    assert {
        f"/system.slice/docker-{A}.scope": {
            "container.id": [A],
            "container.runtime": ["docker"],
            "container.name": ["db"],
            "container.image": ["postgres:16"],
        }
    } == machine.facts()


def test_docker_of_a_kubelet(machine):
    """In the cgroup of a pod whose uid it names it speaks for that pod."""
    machine.cgroup(f"kubepods/pod{UID}/{A}")
    labels = {
        "io.kubernetes.pod.name": "web-1",
        "io.kubernetes.pod.namespace": "prod",
        "io.kubernetes.pod.uid": UID,
        "io.kubernetes.docker.type": "podsandbox",
        "app": "web",
    }
    config = {"ID": A, "Name": "/k8s_POD", "Config": {"Image": "pause", "Labels": labels}}
    machine.write(f"var/lib/docker/containers/{A}/config.v2.json", config)

    found = machine.facts()[f"/kubepods/pod{UID}/{A}"]

    assert ["prod"] == found["pod.namespace"]
    assert ["app=web"] == found["pod.labels"]
    assert ["docker"] == found["container.runtime"]


@pytest.mark.parametrize("file", ["containers.json", "volatile-containers.json"])
def test_podman(machine, file):
    """Name and image from the listing of the storage; one that is removed at its end is in another."""
    machine.cgroup(f"machine.slice/libpod-{A}.scope")
    listing = [{"id": A, "names": ["web"], "metadata": json.dumps({"image-name": "r/app:1"})}]
    machine.write(f"var/lib/containers/storage/overlay-containers/{file}", listing)
    path = f"var/lib/containers/storage/overlay-containers/{A}/userdata/config.json"
    machine.write(path, {"annotations": {"io.container.manager": "libpod"}})

    found = machine.facts()[f"/machine.slice/libpod-{A}.scope"]

    assert (["web"], ["r/app:1"]) == (found["container.name"], found["container.image"])
    assert ["podman"] == found["container.runtime"]
    assert "pod.name" not in found


@pytest.mark.parametrize("driver", ["overlay", "vfs", "btrfs", "zfs"])
@pytest.mark.parametrize("storage", ["var/lib/containers/storage", "srv/pods"])
def test_podman_with_a_storage_of_another_kind_or_elsewhere(machine, driver, storage):
    """The folders have the name of the driver; settings say where they are."""
    machine.write("etc/containers/storage.conf", '[storage]\ngraphroot = "/srv/pods"\n')
    machine.cgroup(f"machine.slice/libpod-{A}.scope")
    listing = [{"id": A, "names": ["web"], "metadata": json.dumps({"image-name": "r/app:1"})}]
    machine.write(f"{storage}/{driver}-containers/containers.json", listing)
    root = f"/{storage}/{driver}/x"
    config = {"annotations": {}, "root": {"path": root}}
    machine.write(f"{storage}/{driver}-containers/{A}/userdata/config.json", config)

    (found,) = machine.workloads().look()

    assert ((b"web",), (b"r/app:1",)) == (
        found.facts["container.name"],
        found.facts["container.image"],
    )
    assert root == found.root.decode()


@pytest.mark.parametrize(
    ("runtime", "file", "said", "root"),
    [
        (
            "cri-containerd",
            f"{TASKS}/k8s.io/{A}/config.json",
            "rootfs",
            f"{TASKS}/k8s.io/{A}/rootfs",
        ),
        (
            "libpod",
            f"var/lib/containers/storage/overlay-containers/{A}/userdata/config.json",
            "/var/lib/containers/storage/overlay/x/merged",
            "/var/lib/containers/storage/overlay/x/merged",
        ),
        ("cri-containerd", f"{TASKS}/k8s.io/{A}/config.json", "/", None),
        ("cri-containerd", f"{TASKS}/k8s.io/{A}/config.json", "a\nb", None),
        ("cri-containerd", f"{TASKS}/k8s.io/{A}/config.json", 7, None),
    ],
)
def test_where_the_host_has_the_root_of_a_container(machine, runtime, file, said, root):
    """The bundle says it, from its own folder on if it does not begin at the top; nonsense is not believed."""
    machine.write(file, {"root": {"path": said}})
    found = container_of(f"/machine.slice/{runtime}-{A}.scope")
    assert found is not None

    _, bundle, _ = machine.workloads().of(found)

    assert bundle is not None
    wanted = root if root is None or root.startswith("/") else str(machine.root / root)
    assert wanted == bundle.root


@pytest.mark.parametrize(
    ("said", "layer", "is_shown", "is_layer"),
    [
        ("/var/tmp/intermediate-mountpoint-0.0", B, True, True),
        ("/var/tmp/intermediate-mountpoint-0.0", B, False, False),
        ("/var/tmp/intermediate-mountpoint-0.0", "../b", True, False),
        ("/var/lib/containers/storage/overlay/x/merged", B, True, False),
        ("/srv/root", None, True, False),
    ],
)
def test_the_root_of_a_container_with_users_of_its_own(machine, said, layer, is_shown, is_layer):
    """podman has the runtime see its layer at another place, which shows nothing to the host."""
    storage = "var/lib/containers/storage"
    machine.cgroup(f"machine.slice/libpod-{A}.scope")
    entry = {"id": A, "names": ["web"], "layer": layer}
    machine.write(f"{storage}/overlay-containers/containers.json", [entry])
    config = {"root": {"path": said}}
    machine.write(f"{storage}/overlay-containers/{A}/userdata/config.json", config)
    shown = machine.root / f"{storage}/overlay/{B}/merged"
    if is_shown:
        shown.mkdir(parents=True)

    (found,) = machine.workloads().look()

    assert (str(shown) if is_layer else said) == found.root.decode()


@pytest.mark.parametrize(
    ("driver", "place"),
    [
        ("overlay", f"overlay/{B}/merged"),
        ("vfs", f"vfs/dir/{B}"),
        ("btrfs", f"btrfs/subvolumes/{B}"),
        ("zfs", f"zfs/graph/{B}"),
    ],
)
def test_the_same_in_a_storage_of_another_kind(machine, driver, place):
    """Each shows its layers at a place of its own."""
    storage = "var/lib/containers/storage"
    machine.cgroup(f"machine.slice/libpod-{A}.scope")
    entry = {"id": A, "names": ["web"], "layer": B}
    machine.write(f"{storage}/{driver}-containers/containers.json", [entry])
    config = {"root": {"path": "/var/tmp/intermediate-mountpoint-0.0"}}
    machine.write(f"{storage}/{driver}-containers/{A}/userdata/config.json", config)
    shown = machine.root / storage / place
    shown.mkdir(parents=True)

    (found,) = machine.workloads().look()

    assert str(shown) == found.root.decode()


def test_machines_are_known_by_their_cgroups(machine):
    """lxc and nspawn have a name there, and no image."""
    machine.cgroup("lxc.payload.web")
    machine.cgroup("machine.slice/systemd-nspawn@db.service")

    found = machine.facts()

    assert ["web"] == found["/lxc.payload.web"]["container.name"]
    assert ["nspawn"] == found["/machine.slice/systemd-nspawn@db.service"]["container.runtime"]
    assert "container.image" not in found["/lxc.payload.web"]


def test_the_kubelet_names_a_pod_before_its_containers_are_there(machine):
    """Its folder of logs is enough for the cgroup of the pod."""
    machine.cgroup(SLICE)
    (machine.root / "var/log/pods" / f"prod_web-1_{UID}").mkdir(parents=True)

    found = machine.facts()[f"/{SLICE}"]

    assert (["web-1"], ["prod"]) == (found["pod.name"], found["pod.namespace"])
    assert found["container.name"] is None


def test_objects_give_labels_and_go_before_older_ones(machine):
    """A Pod, or a list of them, as Kubernetes writes it."""
    machine.cgroup(f"{SLICE}/cri-containerd-{A}.scope")
    (machine.root / "var/log/pods" / f"prod_web-1_{UID}").mkdir(parents=True)
    meta = {"name": "web-1", "namespace": "prod", "uid": UID, "labels": {"app": "web"}}
    file = machine.write("etc/enforcer/pods.d/all.json", {"items": [{"metadata": meta}]})
    workloads = machine.workloads()

    def labels() -> Any:
        return next(w for w in workloads.look() if w.cgroup.decode() == f"/{SLICE}").facts[
            "pod.labels"
        ]

    assert (b"app=web",) == labels()
    file.write_text(json.dumps({"kind": "Pod", "metadata": {**meta, "labels": {"app": "other"}}}))
    assert (b"app=other",) == labels()
    file.unlink()
    assert labels() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")
def test_the_agent_of_a_cluster_may_give_pods(machine):
    """In a folder of its own, where nobody else can write; what others own or could write counts for nothing."""
    machine.cgroup(SLICE)
    meta = {"name": "web-1", "namespace": "prod", "uid": UID, "labels": {"app": "web"}}
    file = machine.write("agent/kube.json", {"items": [{"metadata": meta}]})
    file.chmod(0o644)
    folder = file.parent
    folder.chmod(0o755)

    def labels(owner):
        places = Places(machine.root, machine.cgroups, pods=folder, owner=owner)
        found = {each.cgroup.decode(): each.facts for each in Workloads(places).look()}
        return found.get(f"/{SLICE}", {}).get("pod.labels")

    for each in (folder, file):
        os.chown(each, 9753, 9753)
    assert ((b"app=web",), None, None) == (labels(9753), labels(0), labels(9754))
    for mode in (0o775, 0o777):
        folder.chmod(mode)
        assert labels(9753) is None
    folder.chmod(0o755)
    file.chmod(0o666)
    assert labels(9753) is None
    file.chmod(0o644)
    assert labels(9753) == (b"app=web",)
    # A file of root's there can be a hard link, to a file that only root reads; so can the folder be a link.
    os.chown(file, 0, 0)
    assert labels(9753) is None
    os.chown(file, 9753, 9753)
    folder.rename(folder.with_name("moved"))
    folder.symlink_to("moved")
    assert labels(9753) is None


def test_an_object_cannot_speak_for_another_pod(machine):
    """An annotation that anybody may write does not lead to the pod that has that digest."""
    machine.cgroup(SLICE)
    (machine.root / "var/log/pods" / f"prod_web-1_{UID}").mkdir(parents=True)
    meta = {
        "name": "evil",
        "namespace": "dev",
        "uid": UID.replace("0a", "ff"),
        "labels": {"app": "web"},
        "annotations": {"kubernetes.io/config.hash": UID},
    }
    machine.write("etc/enforcer/pods.d/all.json", {"metadata": meta})

    found = machine.facts()[f"/{SLICE}"]

    assert (["web-1"], ["prod"], None) == tuple(
        found[f"pod.{key}"] for key in ("name", "namespace", "labels")
    )


@pytest.mark.parametrize("is_one_file", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_the_own_uid_of_a_pod_goes_before_a_claim(machine, is_one_file, order):
    """Whichever of them is read first: else who writes the annotation has the labels that a rule asks for."""
    machine.cgroup(SLICE)
    web = {"name": "web-1", "namespace": "prod", "uid": UID, "labels": {"app": "web"}}
    other = UID.replace("0a", "ff")
    notes = {"kubernetes.io/config.hash": UID}
    evil = {"name": "a", "namespace": "dev", "uid": other, "labels": {}, "annotations": notes}
    items = [{"metadata": meta} for meta in (web, evil)][::order]
    if is_one_file:
        machine.write("etc/enforcer/pods.d/all.json", {"items": items})
    else:
        for number, item in enumerate(items):
            machine.write(f"etc/enforcer/pods.d/{number}.json", item)

    found = machine.facts()[f"/{SLICE}"]

    assert (["web-1"], ["prod"], ["app=web"]) == tuple(
        found[f"pod.{key}"] for key in ("name", "namespace", "labels")
    )


@pytest.mark.parametrize("is_one_file", [True, False])
def test_a_digest_that_two_claim_is_neithers(machine, is_one_file):
    """A static pod has it alone."""
    machine.cgroup(SLICE)
    notes = {"kubernetes.io/config.hash": UID}
    items = [
        {"metadata": {"name": name, "namespace": "x", "uid": uid, "annotations": notes}}
        for name, uid in (("a", "f" * 32), ("b", "e" * 32))
    ]
    for number, item in enumerate(items if not is_one_file else [{"items": items}]):
        machine.write(f"etc/enforcer/pods.d/{number}.json", item)

    assert {} == machine.facts()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("is_one_file", [True, False])
def test_a_claim_does_not_remove_a_static_pod(machine, is_one_file, order):
    """The kubelet has named the pod: its labels are those of the claim with that name, whatever others claim."""
    machine.cgroup(SLICE)
    (machine.root / "var/log/pods" / f"kube-system_etcd_{UID}").mkdir(parents=True)
    notes = {"kubernetes.io/config.hash": UID}
    items = [
        {"metadata": {"name": name, "namespace": space, "uid": uid, "annotations": notes} | labels}
        for name, space, uid, labels in (
            ("etcd", "kube-system", "f" * 32, {"labels": {"app": "etcd"}}),
            ("evil", "dev", "e" * 32, {"labels": {"app": "evil"}}),
            ("etcd", "dev", "d" * 32, {"labels": {"app": "evil"}}),
        )
    ][::order]
    for number, item in enumerate(items if not is_one_file else [{"items": items}]):
        machine.write(f"etc/enforcer/pods.d/{number}.json", item)

    found = machine.facts()[f"/{SLICE}"]

    assert (["etcd"], ["kube-system"], ["app=etcd"]) == tuple(
        found[f"pod.{key}"] for key in ("name", "namespace", "labels")
    )


def test_a_uid_of_two_folders_of_logs_is_neithers(machine):
    """Which of them is the pod's is not known."""
    machine.cgroup(SLICE)
    for name in ("dev_evil", "prod_web-1"):
        (machine.root / "var/log/pods" / f"{name}_{UID}").mkdir(parents=True)

    assert {} == machine.facts()


def test_a_bundle_cannot_speak_for_another_pod(machine):
    """Only one in the cgroup of the pod can, and the kubelet's word goes before it."""
    machine.cgroup(f"{SLICE}/cri-containerd-{A}.scope")
    other = {**POD_NOTES, "sandbox_uid": UID.replace("0a", "ff")}
    machine.write(f"{TASKS}/k8s.io/{A}/config.json", cri(container_name="main", **other))

    found = machine.facts()[f"/{SLICE}/cri-containerd-{A}.scope"]

    assert ["main"] == found["container.name"]
    assert found["pod.namespace"] is None


def test_a_late_file_is_looked_for_again(machine):
    """A container is unknown until its bundle is there, whole."""
    machine.cgroup(f"docker/{A}")
    workloads = machine.workloads()
    assert () == workloads.look()
    assert {f"/docker/{A}": ""} == workloads.unknown

    path = f"var/lib/docker/containers/{A}/config.v2.json"
    file = machine.write(path, '{"Name": "/d')
    machine.now += 1
    assert () == workloads.look()
    file.write_text('{"Name": "/db", "Config": {"Image": "r:1"}}')
    machine.now += 1
    assert 1 == len(workloads.look())
    assert {} == workloads.unknown


def test_what_is_gone_is_forgotten(machine):
    """With its cgroup."""
    machine.cgroup("lxc.payload.web")
    workloads = machine.workloads()
    assert 1 == len(workloads.look())

    (machine.cgroups / "lxc.payload.web").rmdir()

    assert () == workloads.look()


def test_nothing_below_a_container_or_a_service_is_a_container(machine):
    """What a container or a service makes in its own cgroup says nothing."""
    machine.cgroup(f"lxc.payload.web/docker/{A}")
    machine.cgroup(f"system.slice/app.service/docker-{B}.scope")

    assert ["/lxc.payload.web"] == list(machine.facts())


def test_the_outermost_counts():
    """For records, too."""
    found = container_of(f"/lxc.payload.web/docker/{A}/docker-{B}.scope")

    assert found is not None
    assert ("lxc", "web", "/lxc.payload.web") == (found.runtime, found.id, found.cgroup)


@pytest.mark.parametrize("inside", ["", "/kubepods", "/kubepods/burstable"])
@pytest.mark.parametrize("above", ["kubepods", "kubepods/besteffort"])
def test_the_outermost_of_a_kubelet_counts(above, inside):
    """A container may make cgroups below its own that look like another one's of another pod."""
    outer = f"/{above}/pod{UID}/{A}"

    found = container_of(f"{outer}{inside}/pod{UID.replace('0a', 'ff')}/{B}")

    assert found is not None
    assert (A, UID, outer) == (found.id, found.pod_uid, found.cgroup)


@pytest.mark.parametrize(
    ("cgroup", "expected"),
    [
        (f"/kubepods/pod{UID}/x", (f"/kubepods/pod{UID}", UID)),
        (f"/{SLICE}", (f"/{SLICE}", UID)),
        (f"/kubepods/pod{'0a' * 16}", (f"/kubepods/pod{'0a' * 16}", "0a" * 16)),
        (f"/user.slice/pod{UID}/x", None),
        ("/kubepods/besteffort", None),
    ],
)
def test_pods_by_their_cgroups(cgroup, expected):
    """Only a kubelet's tree has pods."""
    assert expected == pod_of(cgroup)


@pytest.mark.parametrize(
    "content",
    [None, 1, [], "x", {}, {"annotations": 1}, {"annotations": {"io.kubernetes.cri-o.Labels": "{"}},
     {"annotations": {"io.kubernetes.cri-o.Labels": "[" * 5000}}, {"Config": []}, {"Name": 5}],
)  # fmt: skip
def test_any_content_is_read_as_nothing(content):
    """Whatever a file has in it, nothing fails and nothing is believed."""
    assert containerd(content).pod == crio(content).pod == PodFacts()
    assert docker(content, UID).pod.namespace is None
    assert {} == stored(content)
    assert [] == list(pods_of_objects(content))


def test_what_is_no_name_is_not_known(machine):
    """Control characters, endless texts and labels that Kubernetes would not take."""
    found = containerd(cri(container_name="a\nb", image_name="x" * 600, sandbox_name="A_b"))
    assert (None, None, None) == (found.name, found.image, found.pod.name)
    meta = {"name": "a", "namespace": "b", "uid": UID, "labels": {"a": "b c"}}
    assert [(UID, PodFacts("a", "b", None))] == list(pods_of_objects({"metadata": meta}))


def test_files_that_are_not_roots_are_not_read(machine, tmp_path):
    """Neither links, nor what others may write, nor what is too long."""
    machine.cgroup(f"docker/{A}")
    path = f"var/lib/docker/containers/{A}/config.v2.json"
    target = tmp_path / "elsewhere"
    target.write_text('{"Name": "/db"}')
    (machine.root / path).parent.mkdir(parents=True)
    (machine.root / path).symlink_to(target)
    assert {} == machine.facts()
    (machine.root / path).unlink()
    machine.write(path, '{"Name": "/db"}').chmod(0o666)
    assert {} == machine.facts()
    machine.write(path, " " * (9 << 20) + "{}").chmod(0o600)
    assert {} == machine.facts()


def test_records_learn_without_a_look(machine):
    """Of a container that the tree was not searched for."""
    config = cri(container_name="main", image_name="r/app:1", **POD_NOTES)
    machine.write(f"{TASKS}/k8s.io/{A}/config.json", config)
    container = container_of(f"/{SLICE}/cri-containerd-{A}.scope/x")
    assert container is not None

    runtime, bundle, pod = machine.workloads().of(container)

    assert "containerd" == runtime
    assert bundle is not None
    assert ("main", "r/app:1") == (bundle.name, bundle.image)
    assert ("web-1", "prod") == (pod.name, pod.namespace)


def test_a_name_that_comes_later_is_found(machine):
    """The bundle may be there before the listing that has the name."""
    machine.cgroup(f"machine.slice/libpod-{A}.scope")
    path = f"var/lib/containers/storage/overlay-containers/{A}/userdata/config.json"
    machine.write(path, {"annotations": {}})
    workloads = machine.workloads()
    assert workloads.look()[0].facts["container.name"] is None

    listing = [{"id": A, "names": ["web"], "metadata": '{"image-name": "r/app:1"}'}]
    machine.write("var/lib/containers/storage/overlay-containers/containers.json", listing)
    machine.now += 1

    assert (b"web",) == workloads.look()[0].facts["container.name"]


def test_beyond_the_limit_nothing_is_known(machine, monkeypatch):
    """A tree with more than can be kept is cut, and that is told."""
    monkeypatch.setattr("enforcer.identity.workloads.MAX_WORKLOADS", 2)
    for number in range(3):
        machine.cgroup(f"lxc/c{number}")
    workloads = machine.workloads()

    assert 2 == len(workloads.look())
    assert workloads.overflown


# ---- Whose word counts -------------------------------------------------------------------------

OF_POD = {
    "io.kubernetes.pod.name": "web-1",
    "io.kubernetes.pod.namespace": "prod",
    "io.kubernetes.pod.uid": UID,
}
DOCKER = "var/lib/docker/containers"
STORAGE = "var/lib/containers/storage/overlay-containers"


def of_docker(**labels: str) -> dict[str, Any]:
    return {"Name": "/db", "Config": {"Image": "postgres:16", "Labels": labels}}


@pytest.mark.parametrize("cgroup", [f"docker/{A}", f"{SLICE}/docker-{A}.scope"])
def test_labels_of_an_image_of_docker_name_nothing(machine, cgroup):
    """Neither its container, nor as a sandbox, which has no name: also in a pod, if they do not say which."""
    machine.cgroup(cgroup)
    labels = {
        "io.kubernetes.container.name": "vault",
        "io.kubernetes.docker.type": "podsandbox",
        **OF_POD,
        "io.kubernetes.pod.uid": UID.replace("0a", "ff"),
    }
    machine.write(f"{DOCKER}/{A}/config.v2.json", of_docker(**labels))

    found = machine.facts()[f"/{cgroup}"]

    assert (["db"], ["postgres:16"]) == (found["container.name"], found["container.image"])
    assert found.get("pod.namespace") is None


def test_a_kubelet_names_containers_of_docker(machine):
    """By labels, in the cgroup of the pod that they name."""
    cgroup = f"{SLICE}/docker-{A}.scope"
    machine.cgroup(cgroup)
    labels = {"io.kubernetes.container.name": "vault", **OF_POD}
    machine.write(f"{DOCKER}/{A}/config.v2.json", of_docker(**labels))

    found = machine.facts()[f"/{cgroup}"]

    assert (["vault"], ["prod"]) == (found["container.name"], found["pod.namespace"])


@pytest.mark.parametrize("cgroup", [f"docker/{A}", f"kubepods/pod{UID}/{A}"])
def test_docker_beside_containerd(machine, cgroup):
    """Docker says name and image; the bundle that containerd has for it, the root and what is mounted."""
    machine.cgroup(cgroup)
    machine.write(f"{DOCKER}/{A}/config.v2.json", of_docker())
    root = "/var/lib/docker/overlay2/x/merged"
    mounts = [{"destination": "/data", "source": "/srv", "type": "bind"}]
    config = {**cri(container_name="vault", container_type="sandbox"), "mounts": mounts}
    machine.write(f"{TASKS}/moby/{A}/config.json", {**config, "root": {"path": root}})
    workloads = machine.workloads()

    found = next(each for each in workloads.look() if each.cgroup.decode() == f"/{cgroup}")

    assert [(b"docker",), (b"db",), (b"postgres:16",)] == [
        found.facts[f"container.{name}"] for name in ("runtime", "name", "image")
    ]
    assert root == found.root.decode()
    assert b"/data" in [inside for _, inside in found.mounted]
    assert {} == workloads.unknown


def test_docker_whose_own_file_is_not_there(machine):
    """Its name and its image are unknown, which is told, and are looked for again."""
    machine.cgroup(f"docker/{A}")
    config = cri(container_name="vault", image_name="r/vault:1", container_type="sandbox")
    machine.write(f"{TASKS}/moby/{A}/config.json", config)
    workloads = machine.workloads()

    (found,) = workloads.look()
    assert (None, None) == (found.facts["container.name"], found.facts["container.image"])
    assert {f"/docker/{A}": "name and image"} == workloads.unknown

    machine.now += 60
    workloads.look()
    machine.write(f"{DOCKER}/{A}/config.v2.json", of_docker())
    machine.now += 60
    (found,) = workloads.look()
    assert (b"db",) == found.facts["container.name"]
    assert {} == workloads.unknown


HOSTILE = {
    **cri(container_type="sandbox", container_name="vault", image_name="r/vault:1", **POD_NOTES)[
        "annotations"
    ],
    "nerdctl/name": "vault",
}
HOSTILE_CRIO = {
    "io.kubernetes.cri-o.ContainerType": "sandbox",
    "io.kubernetes.cri-o.ImageName": "r/vault:1",
    "io.kubernetes.cri-o.Labels": json.dumps({**OF_POD, "app": "web"}),
}


@pytest.mark.parametrize("notes", [HOSTILE, HOSTILE_CRIO])
def test_annotations_of_podman_are_its_user_s_or_its_image_s(machine, notes):
    """They make no sandbox, no other name or image, and no pod: the storage says what the container is."""
    machine.cgroup(f"machine.slice/libpod-{A}.scope")
    listing = [{"id": A, "names": ["web"], "metadata": '{"image-name": "r/app:1"}'}]
    machine.write(f"{STORAGE}/containers.json", listing)
    machine.write(f"{STORAGE}/{A}/userdata/config.json", {"annotations": notes})

    assert {
        f"/machine.slice/libpod-{A}.scope": {
            "container.id": [A],
            "container.runtime": ["podman"],
            "container.name": ["web"],
            "container.image": ["r/app:1"],
        }
    } == machine.facts()


def test_annotations_of_nerdctl_are_its_user_s(machine):
    """But for its own, which it sets last. The image is not known, also in the namespace of a kubelet."""
    cgroup = f"system.slice/nerdctl-{A}.scope"
    machine.cgroup(cgroup)
    notes = {**HOSTILE, "nerdctl/name": "web"}
    machine.write(f"{TASKS}/k8s.io/{A}/config.json", {"annotations": notes})
    workloads = machine.workloads()

    (found,) = workloads.look()

    assert {
        "container.id": (A.encode(),),
        "container.runtime": (b"containerd",),
        "container.name": (b"web",),
        "container.image": None,
    } == dict(found.facts)
    assert {f"/{cgroup}": "image"} == workloads.unknown


def test_annotations_count_in_the_namespace_of_a_kubelet_only(machine):
    """Who makes something else of the same name in another cannot speak for it."""
    cgroup = f"{SLICE}/cri-containerd-{A}.scope"
    machine.cgroup(cgroup)
    machine.write(f"{TASKS}/a/{A}/config.json", {"annotations": HOSTILE})
    assert f"/{cgroup}" not in machine.facts()

    config = cri(container_name="main", image_name="r/app:1", **POD_NOTES)
    machine.write(f"{TASKS}/k8s.io/{A}/config.json", config)
    assert ["main"] == machine.facts()[f"/{cgroup}"]["container.name"]


def test_annotations_of_a_pod_s_author_do_not_name_a_container_of_crio(machine):
    """CRI-O's own words, and the kubelet's labels, do."""
    cgroup = f"{SLICE}/crio-{A}.scope"
    machine.cgroup(cgroup)
    notes = {
        "io.kubernetes.container.name": "vault",
        "io.kubernetes.pod.namespace": "dev",
        "io.kubernetes.cri-o.Labels": json.dumps({"io.kubernetes.pod.uid": UID}),
    }
    machine.write(f"{STORAGE}/{A}/userdata/config.json", {"annotations": notes})

    found = machine.facts()[f"/{cgroup}"]

    assert (None, None) == (found["container.name"], found["pod.namespace"])


# ---- Files of pods that cannot be read ----------------------------------------------------------


def test_a_file_of_pods_that_grows_too_long_keeps_what_it_said(machine, monkeypatch):
    """So nobody can make labels of others unknown by that; and it is told until it can be read."""
    machine.cgroup(SLICE)
    meta = {"name": "web-1", "namespace": "prod", "uid": UID, "labels": {"app": "web"}}
    machine.write(f"var/log/pods/prod_web-1_{UID}/log", "")
    file = machine.write("etc/enforcer/pods.d/all.json", {"items": [{"metadata": meta}]})
    workloads = machine.workloads()

    def labels() -> Any:
        return workloads.look()[0].facts["pod.labels"]

    assert (b"app=web",) == labels()
    assert () == workloads.unread
    other = {**meta, "labels": {"app": "other"}}
    text = json.dumps({"items": [{"metadata": other}]})
    file.write_text(text + " " * (8 << 20))
    assert (b"app=web",) == labels()
    (said,) = workloads.unread
    assert str(file) in said
    file.write_text(text)
    assert (b"app=other",) == labels()
    assert () == workloads.unread
    monkeypatch.setattr("enforcer.identity.workload_files.MAX_PODS", 1)
    file.write_text(json.dumps({"items": [{"metadata": other}] * 2}))
    labels()
    assert 1 == len(workloads.unread)
    file.unlink()
    assert labels() is None
    assert () == workloads.unread


def test_of_too_many_files_of_pods_the_first_are_read(machine):
    """Those that are none take nobody's place, however many they are; what is left out is told."""
    folder = machine.root / "etc/enforcer/pods.d"
    for number in range(65):
        machine.write(f"etc/enforcer/pods.d/a{number:02}.json.new", "")
    for number in range(64):
        machine.write(f"etc/enforcer/pods.d/b{number:02}.json", {})
    places = Places(root=machine.root)

    assert [f"{folder}/b{number:02}.json" for number in range(64)] == list(places.objects)
    assert () == places.left_out

    machine.write("etc/enforcer/pods.d/b7.json", {})
    assert (64, f"{folder}/b63.json") == (len(places.objects), places.objects[-1])
    (said,) = places.left_out
    assert said.startswith(f"{folder} has more than 64 files of pods")


# ---- Where the host's root is ------------------------------------------------------------------


def test_from_inside_a_container_the_host_s_files_count(machine, tmp_path):
    """And names of places in them are the host's."""
    machine.cgroup(f"{SLICE}/cri-containerd-{A}.scope")
    config = cri(container_type="container", container_name="main", image_name="r:1", **POD_NOTES)
    machine.write(f"{TASKS}/k8s.io/{A}/config.json", {**config, "root": {"path": "rootfs"}})
    machine.write(f"var/log/pods/prod_web-1_{UID}/log", "")
    own = tmp_path / "own"
    own.mkdir()

    inside = Workloads(Places(own, machine.cgroups, host=machine.root))

    assert [[b"main"], [b"prod"]] == [
        [*(each.facts[name] or ())]
        for each in inside.look()
        if each.cgroup.endswith(b".scope")
        for name in ("container.name", "pod.namespace")
    ]
    container = container_of(f"/{SLICE}/cri-containerd-{A}.scope")
    assert f"/{TASKS}/k8s.io/{A}/rootfs" == inside.of(container)[1].root
    assert not Workloads(Places(own, machine.cgroups)).look()


def test_what_is_mounted_here_counts_where_the_host_has_a_link(machine, tmp_path):
    """A link to another disk leads elsewhere from here: it is followed from this process's root."""
    machine.cgroup(f"{SLICE}/cri-containerd-{A}.scope")
    host = tmp_path / "host"
    (host / "run").mkdir(parents=True)
    (host / "run/containerd").symlink_to("/nowhere")
    config = cri(container_type="container", container_name="main", image_name="r:1", **POD_NOTES)
    machine.write(f"{TASKS}/k8s.io/{A}/config.json", config)

    found = Workloads(Places(machine.root, machine.cgroups, host=host)).look()

    assert [(b"main",)] == [name for each in found if (name := each.facts["container.name"])]


def _process(path: Path, mounts: str) -> Path:
    (path / "ns").mkdir(parents=True)
    (path / "ns/mnt").symlink_to(path.parent / mounts)
    (path / "root").mkdir()
    return path


def test_the_first_process_leads_to_the_host(tmp_path):
    """If it lives among other mounts, and if it may be looked at."""
    for name in ("a", "b"):
        (tmp_path / name).touch()
    first, own, other = (_process(tmp_path / n, m) for n, m in (("1", "a"), ("2", "a"), ("3", "b")))

    assert Path("/") == host_root(first, own)
    assert first / "root" == host_root(first, other)
    assert Path("/") == host_root(tmp_path / "gone", other)
    (first / "root").rmdir()
    assert Path("/") == host_root(first, other)


def test_a_container_that_is_announced_is_looked_at_however_soon(machine):
    """Others are looked at again after a moment; this one at once, since its file may have come meanwhile."""
    cgroup = f"{SLICE}/cri-containerd-{A}.scope"
    machine.cgroup(cgroup)
    workloads = machine.workloads()
    container = container_of(f"/{cgroup}")
    assert container is not None
    assert (None, None) == workloads.look_at(container)

    config = cri(container_type="container", container_name="main", **POD_NOTES)
    machine.write(f"{TASKS}/k8s.io/{A}/config.json", config)
    assert () == workloads.look()
    found, pod = workloads.look_at(container)

    assert found is not None
    assert (b"main",) == found.facts["container.name"]
    assert pod is not None
    assert (pod, found) == workloads.look()


def test_no_other_is_looked_at_for_one_that_is_announced(machine):
    """A container without a pod is described by itself; the next look finds the others."""
    for number in (A, B):
        machine.cgroup(f"machine.slice/libpod-{number}.scope")
        machine.write(
            f"run/containers/storage/overlay-containers/{number}/userdata/config.json", {}
        )
    workloads = machine.workloads()
    container = container_of(f"/machine.slice/libpod-{A}.scope")
    assert container is not None

    found, pod = workloads.look_at(container)

    assert found is not None
    assert (A.encode(),) == found.facts["container.id"]
    assert found.number == (machine.cgroups / found.cgroup[1:].decode()).stat().st_ino
    assert pod is None
    assert [A, B] == sorted(each.facts["container.id"][0].decode() for each in workloads.look())


def test_another_of_the_same_name_is_looked_at_anew(machine):
    """A container that begins again has a cgroup of another number, and may have another image."""
    path = "lxc/again"
    machine.cgroup(path)
    workloads = machine.workloads()
    container = container_of(f"/{path}")
    assert container is not None
    first, _ = workloads.look_at(container)
    (machine.cgroups / path).rename(machine.cgroups / "lxc/before")
    assert (None, None) == workloads.look_at(container)

    machine.cgroup(path)
    second, _ = workloads.look_at(container)

    assert first is not None
    assert second is not None
    assert first.number != second.number


def test_beyond_the_limit_who_is_announced_is_not_known(machine, monkeypatch):
    """As for who is found; those that are known already stay so."""
    monkeypatch.setattr("enforcer.identity.workloads.MAX_WORKLOADS", 1)
    workloads = machine.workloads()
    answers = []
    for name in ("a", "b"):
        machine.cgroup(f"lxc/{name}")
    for name in ("a", "b", "a"):
        container = container_of(f"/lxc/{name}")
        assert container is not None
        answers.append(workloads.look_at(container)[0] is not None)

    assert [True, False, True] == answers
