# SPDX-License-Identifier: MIT
"""Where runtimes keep their files, as their settings say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enforcer.identity.runtime_settings import docker_folders, storages, task_folders

USUAL = ("run/containers/storage", "var/lib/containers/storage")


def _write(root: Path, path: str, content: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def test_the_usual_places(tmp_path):
    """Without settings."""
    assert USUAL == storages(tmp_path)
    assert ("run/containerd", "run/k3s/containerd") == task_folders(tmp_path)
    assert ("var/lib/docker",) == docker_folders(tmp_path)


def test_the_storage_that_an_administrator_names(tmp_path):
    """Before the usual ones, of which each is named once; the file of the distribution counts if there is no other."""
    _write(tmp_path, "usr/share/containers/storage.conf", '[storage]\ngraphroot = "/srv/shared"\n')
    assert ("srv/shared", *USUAL) == storages(tmp_path)

    said = (
        '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/srv/pods/"\n'
    )
    _write(tmp_path, "etc/containers/storage.conf", said)
    assert (USUAL[0], "srv/pods", USUAL[1]) == storages(tmp_path)


def test_the_folders_of_others(tmp_path):
    """Of containerd and Docker."""
    _write(tmp_path, "etc/containerd/config.toml", 'version = 2\nstate = "/srv/state"\n')
    _write(tmp_path, "etc/docker/daemon.json", json.dumps({"data-root": "/srv/docker"}))

    assert ("srv/state", "run/containerd", "run/k3s/containerd") == task_folders(tmp_path)
    assert ("srv/docker", "var/lib/docker") == docker_folders(tmp_path)


@pytest.mark.parametrize(
    "said",
    [
        'storage = "/srv"',
        "[storage]\ngraphroot = 7",
        '[storage]\ngraphroot = "srv/pods"',
        '[storage]\ngraphroot = "/srv/../etc"',
        '[storage]\ngraphroot = "/.."',
        '[storage]\ngraphroot = "/"',
        '[storage]\ngraphroot = "$HOME/pods"',
        '[storage]\ngraphroot = "/srv/$UID"',
        '[storage]\ngraphroot = "/srv/a b"',
        "[storage",
        "\0",
        "",
    ],
)
def test_what_makes_no_sense_is_not_believed(tmp_path, said):
    """The usual places are left."""
    _write(tmp_path, "etc/containers/storage.conf", said)

    assert USUAL == storages(tmp_path)


def test_a_file_that_others_may_write_is_not_believed(tmp_path):
    """As with all files about containers."""
    file = _write(tmp_path, "etc/containers/storage.conf", '[storage]\ngraphroot = "/srv/pods"\n')
    assert ("srv/pods", *USUAL) == storages(tmp_path)

    file.chmod(0o666)

    assert USUAL == storages(tmp_path)
