# SPDX-License-Identifier: MIT
"""Which container a process is in that a hook names: the cgroup says it, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from enforcer.errors import ControlError
from enforcer.identity.first_process import container_at

A, B = "a" * 64, "b" * 64


@pytest.fixture
def proc(tmp_path: Path):
    """A /proc in which process 7 is in a cgroup."""

    def make(text: str) -> Path:
        (tmp_path / "7").mkdir()
        (tmp_path / "7/cgroup").write_text(text)
        return tmp_path

    return make


@pytest.mark.parametrize(
    "cgroup",
    [
        f"/machine.slice/libpod-{A}.scope",
        f"/machine.slice/libpod-{A}.scope/container",
        f"/machine.slice/libpod-{A}.scope/machine.slice/libpod-{B}.scope",
    ],
)
def test_its_cgroup_is_the_container(proc, cgroup):
    """What it makes below is its own: the outermost counts."""
    found = container_at(7, A, proc(f"0::{cgroup}\n"))

    assert f"/machine.slice/libpod-{A}.scope" == found.cgroup


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"0::/machine.slice/libpod-{B}.scope\n", f"of container {B}, not of {A}"),
        (f"0::/machine.slice/libpod-{B}.scope/libpod-{A}.scope\n", f"of container {B}"),
        (f"0::/user.slice/a.service/libpod-{A}.scope\n", "is in no container"),
        ("0::/\n", "is in no container"),
        (f"1:name=systemd:/libpod-{A}\n", "is in no container"),
        ("", "is in no container"),
    ],
)
def test_what_the_cgroup_does_not_say_is_not_believed(proc, text, why):
    """Another container's, one inside of another, one that a user delegated, none, or another kind of tree."""
    with pytest.raises(ControlError, match=why):
        container_at(7, A, proc(text))


def test_a_process_that_is_not_there(tmp_path):
    with pytest.raises(ControlError, match="process 7 is not there"):
        container_at(7, A, tmp_path)
