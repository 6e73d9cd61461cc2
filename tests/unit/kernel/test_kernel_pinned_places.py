# SPDX-License-Identifier: MIT
"""Where enforcement is pinned, and whether what is pinned still enforces; no kernel."""

import errno
import fcntl
import os

import pytest

from enforcer.errors import KernelError
from enforcer.kernel import pinned_places
from enforcer.kernel.pinned_places import is_active, left_places
from enforcer.libbpf.calls import MapFacts


@pytest.fixture
def base(tmp_path):
    """A folder with a session that has a program at a hook."""
    made = tmp_path / "bpf" / "enforcer"
    (made / "7").mkdir(parents=True)
    (made / "7/link-000-enf_exec").touch()
    (made / "7/map-images").touch()
    return made


@pytest.fixture
def images(monkeypatch):
    """What is in the slots of every map of images: errors that looking there gives."""
    slots = [None, errno.ENOENT, errno.ENOENT]

    def lookup(_, index, size):
        if slots[index] is not None:
            raise KernelError("read", slots[index])
        return bytes(size)

    calls = pinned_places.calls
    monkeypatch.setattr(calls, "get_pinned", lambda path: os.open(path, os.O_RDONLY))
    monkeypatch.setattr(calls, "map_facts", lambda _: MapFacts(1, 4, len(slots)))
    monkeypatch.setattr(calls, "lookup", lookup)
    return slots


@pytest.fixture
def mounts(base, tmp_path):
    """A table of mounts with a BPF file system in which the folder is; returns what adds lines to it."""
    table = tmp_path / "mountinfo"

    def mount(place, kind):
        device = base.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        with table.open("a") as file:
            file.write(f"1 1 {number} / {place} rw - {kind} none rw\n")
        return table

    mount(base.parent, "bpf")
    return mount


@pytest.mark.parametrize("name", ["object", "1/link-mine", "1/map-x"])
def test_what_others_pin_by_a_number_does_not_enforce(base, images, name):
    """As a program of another tool: nobody is told to end what is not there."""
    other = base.parent / "other"
    (other / "1").mkdir(parents=True)
    (other / name).touch()
    (other / "2").touch()

    assert not is_active(other)


def test_who_else_makes_a_folder_does_not_enforce(base, images, mounts, monkeypatch):
    """A file system on which everybody may make folders says nothing of what root's daemons left."""
    table = mounts(base, "ext4")
    assert [base] == left_places(table)

    monkeypatch.setattr(pinned_places.os, "geteuid", lambda: os.getuid() + 1)

    assert [] == left_places(table)


@pytest.mark.parametrize(
    ("current", "fallback", "active"),
    [
        (None, errno.ENOENT, True),
        (errno.ENOENT, None, True),
        (errno.ENOENT, errno.ENOENT, False),
        (errno.ENOENT, errno.EPERM, True),
    ],
)
def test_without_an_image_nothing_is_enforced(base, images, current, fallback, active):
    """As after an end whose names could not be removed; in doubt it is."""
    images[:2] = current, fallback

    assert active is is_active(base)


def test_without_a_program_at_a_hook_nothing_is_enforced(base, images):
    """As where something strange keeps a folder there."""
    (base / "7/link-000-enf_exec").unlink()
    (base / "7/strange").mkdir()

    assert not is_active(base)


def test_of_several_sessions_one_is_enough(base, images):
    """The others may be the rests of starts."""
    (base / "8").mkdir()
    (base / "9").mkdir()
    (base / "9/map-images").touch()

    assert is_active(base)


def test_what_cannot_be_opened_may_enforce(base):
    """Protection keeps others from its maps; and these are no maps."""
    assert is_active(base)
    (base / "7/map-images").unlink()
    assert is_active(base)


def test_a_folder_that_is_not_there(tmp_path):
    """Nothing is in it."""
    assert not is_active(tmp_path / "none")


def test_what_is_left_is_found_wherever_it_is_pinned(base, images, mounts, tmp_path):
    """In every BPF file system, each folder once, and in nothing else."""
    other = tmp_path / "other"
    (other / "1").mkdir(parents=True)
    (other / "1/link-000-enf_exec").touch()
    (other / "1/map-images").touch()

    assert [base] == left_places(mounts(base.parent, "bpf"))
    assert [base] == left_places(mounts(other, "tmpfs"))
    assert [base, other] == left_places(mounts(tmp_path, "bpf"))


def test_what_a_daemon_holds_is_not_left(base, images, mounts):
    """It is that daemon's."""
    fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)

    table = mounts(base.parent, "bpf")
    assert [] == left_places(table)
    os.close(fd)
    assert [base] == left_places(table)


def test_what_has_ended_is_not_left(base, images, mounts):
    """It enforces nothing."""
    images[0] = errno.ENOENT

    assert [] == left_places(mounts(base.parent, "bpf"))


def test_what_is_mounted_over_it_is_not_searched(images, tmp_path):
    """It may be of any size, and is no BPF file system."""
    (tmp_path / "1").mkdir()
    (tmp_path / "1/link-000-enf_exec").touch()
    table = tmp_path / "mountinfo"
    table.write_text(f"1 1 0:1048575 / {tmp_path} rw - bpf none rw\n")

    assert [] == left_places(table)
