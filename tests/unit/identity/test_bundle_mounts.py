# SPDX-License-Identifier: MIT
"""What runtimes say that they mount for containers, and how the host calls that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from enforcer.identity.bundle_mounts import host_names, of_docker, of_oci
from enforcer.identity.workload_places import Places
from enforcer.mountinfo import parse_mountinfo

DISKS = parse_mountinfo(
    b"1 0 8:1 / / rw - ext4 /dev/a rw\n"
    b"2 1 8:2 / /srv/pool rw - ext4 /dev/b rw\n"
    b"3 1 8:2 /one /run/one rw - ext4 /dev/b rw\n"
)


def _bind(place: Any, source: Any, **more: Any) -> dict[str, Any]:
    return {"destination": place, "source": source, "type": "bind", **more}


def test_what_shows_a_place_of_the_host_counts():
    """By its type or its options; the last one at a place is what is seen there."""
    mounts = [
        {"destination": "/proc", "source": "proc", "type": "proc"},
        {"destination": "/dev/shm", "source": "shm", "type": "tmpfs"},
        _bind("/data/", "/srv/first"),
        {"destination": "/all", "source": "/", "type": "none", "options": ["rbind", "ro"]},
        _bind("/data", "/srv/second"),
    ]

    assert (("/all", "/"), ("/data", "/srv/second")) == of_oci(mounts)


@pytest.mark.parametrize(
    "mounts",
    [
        None,
        7,
        {"a": "b"},
        ["x", None, []],
        [_bind("data", "/srv")],
        [_bind("/data", "srv")],
        [_bind("/data", None), _bind(["/data"], "/srv"), {"type": "bind"}],
        [_bind("//data", "/srv")],
        [_bind("/data\0", "/srv")],
        json.loads(r'[{"destination": "/\ud800", "source": "/srv", "type": "bind"}]'),
        json.loads(r'[{"destination": "/data", "source": "/srv/\udfff", "type": "bind"}]'),
        [_bind("/data", "/" + "x" * 5000)],
        [_bind("/data", "/srv", type="tmpfs", options="rbind")],
        [_bind("/data", "/srv", type="tmpfs", options=[{}, ["rbind"], None])],
    ],
)
def test_what_is_no_such_mount_is_none(mounts):
    """A file that is malformed says nothing."""
    assert () == of_oci(mounts)


def test_one_that_is_malformed_hides_no_other():
    """And stops nobody who asks for names."""
    given = of_oci(
        json.loads(r"""[
        {"destination": "/a", "source": "/srv/\ud800", "type": "bind"},
        {"destination": "/b", "source": "/srv/b\ud83d\ude00", "type": "bind"}
    ]""")
    )

    assert (("/srv/b😀".encode(), b"/b"),) == host_names(given, "", DISKS)


def test_docker_says_it_in_its_own_way():
    """By the place; what it does not describe is left out."""
    points = {
        "/data": {"Destination": "/data", "Source": "/var/lib/docker/volumes/v/_data"},
        "/tmp": {"Destination": "/tmp", "Type": "tmpfs"},
        "/x": None,
    }

    assert (("/data", "/var/lib/docker/volumes/v/_data"),) == of_docker(points)
    assert () == of_docker(["/data"])


def test_the_host_s_names(tmp_path):
    """By the oldest mount, after the links on the way, which are those of the host's root."""
    (tmp_path / "srv/volumes").mkdir(parents=True)
    (tmp_path / "srv/volumes/here").symlink_to("/srv/pool/one/two")
    given = (
        ("/data", "/srv/volumes/here/three"),
        ("/one", "/run/one/x/"),
        ("/host", "/"),
        ("/", "/srv/root"),
    )

    assert (
        (b"/srv/pool/one/two/three", b"/data"),
        (b"/srv/pool/one/x", b"/one"),
        (b"", b"/host"),
        (b"/srv/root", b""),
    ) == host_names(given, str(tmp_path), DISKS)


def test_no_link_is_followed_where_somebody_else_would_have_to_answer(tmp_path):
    """A file system of a process, or of another machine, and what is mounted in it."""
    for name in ("there", "served"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "link").symlink_to("/srv")
    mounts = parse_mountinfo(
        b"1 0 8:1 / / rw - ext4 /dev/a rw\n"
        b"2 1 0:40 / /served rw - fuse.evil evil rw\n"
        b"3 2 8:2 / /served/inner rw - ext4 /dev/b rw\n"
    )
    given = (("/a", "/there/link"), ("/b", "/served/link"), ("/c", "/served/inner/../link"))

    assert (
        (b"/srv", b"/a"),
        (b"/served/link", b"/b"),
        (b"/served/link", b"/c"),
    ) == host_names(given, str(tmp_path), mounts)


def test_what_a_runtime_shows_in_a_container_is_found_by_its_id(tmp_path):
    """For explanations; an id that is a path leads nowhere."""
    number = "ab" * 32
    tasks = tmp_path / "run/containerd/io.containerd.runtime.v2.task/k8s.io"
    for name in (number, "x"):
        (tasks / name).mkdir(parents=True)
        (tasks / name / "config.json").write_text(json.dumps({"mounts": [_bind("/data", "/srv")]}))
    places = Places(tmp_path, tmp_path / "cgroup")

    ((_, inside),) = places.mounted(number)
    assert b"/data" == inside
    assert () == places.mounted("cd" * 32)
    assert () == places.mounted("x")
    assert () == places.mounted(f"../k8s.io/{number}")
