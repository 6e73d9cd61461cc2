# SPDX-License-Identifier: MIT
"""What the tree of cgroups shows, and that it is read anew only where it has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from enforcer.identity import cgroup_tree
from enforcer.identity.cgroup_tree import CgroupTree, listed
from enforcer.libbpf.folders import directories

A, B = "a" * 64, "b" * 64
UID = "01234567-89ab-cdef-0123-456789abcdef"
POD = f"kubepods.slice/kubepods-pod{UID.replace('-', '_')}.slice"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (f"system.slice/docker-{A}.scope/inner", "system.slice/x.service/sub", POD):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "cgroup.procs").touch()
    return tmp_path


def shown(tree: CgroupTree) -> dict[str, tuple[int, str | None, str | None]]:
    return {
        each.path: (each.number, each.container and each.container.id, each.pod_uid)
        for each in tree.look()
    }


@pytest.mark.parametrize("listing", [listed, directories])
def test_containers_and_pods_are_shown(root, listing):
    """With their inodes; nothing below containers and services, and no file."""
    container, pod = root / f"system.slice/docker-{A}.scope", root / POD

    assert {
        f"/system.slice/{container.name}": (container.stat().st_ino, A, None),
        f"/{POD}": (pod.stat().st_ino, None, UID),
    } == shown(CgroupTree(root, listing))


def test_a_folder_that_has_not_changed_is_not_read_again(root, monkeypatch):
    """One in which something began is, and so is what another of the same name has in its place."""
    tree, read = CgroupTree(root), []
    before = shown(tree)
    old = cgroup_tree._Folder.read
    monkeypatch.setattr(
        cgroup_tree._Folder, "read", lambda path, listing: read.append(path) or old(path, listing)
    )
    assert before == shown(tree)
    assert [] == read

    (root / POD / f"cri-containerd-{B}.scope").mkdir()
    assert {f"/{POD}/cri-containerd-{B}.scope"} == shown(tree).keys() - before.keys()
    assert [f"/{POD}"] == read

    container = root / f"system.slice/docker-{A}.scope"
    container.rename(root / "moved")
    assert f"/system.slice/{container.name}" not in shown(tree)
    container.mkdir()
    assert container.stat().st_ino == shown(tree)[f"/system.slice/{container.name}"][0]


@pytest.mark.parametrize("listing", [listed, directories])
def test_what_is_gone_has_nothing_in_it(tmp_path, listing):
    """Between two looks anything may end; a file is no folder, and a link leads nowhere."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")

    assert [b"", b""] == [listing(str(tmp_path / name)) for name in ("none", "file")]
    assert [b"folder"] == [e.partition(b"/")[2] for e in listing(str(tmp_path)).split(b"\0")[:-1]]


def test_both_ways_list_the_same_however_many_there_are(tmp_path):
    """More than there is room for at first, and names of any bytes."""
    for number in range(700):
        (tmp_path / f"{number:0>40}").mkdir()
    (tmp_path / "new\nline /").mkdir()
    Path(bytes(tmp_path).decode() + "/\udcff").mkdir()

    entries = [sorted(way(str(tmp_path)).split(b"\0")) for way in (listed, directories)]

    assert entries[0] == entries[1]
    assert 703 == len(entries[0])
