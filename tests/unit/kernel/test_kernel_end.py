# SPDX-License-Identifier: MIT
"""The end of a session whose names cannot be removed; no kernel."""

import contextlib
import os

import attrs
import pytest

from enforcer.errors import KernelError
from enforcer.kernel import pins
from enforcer.kernel.pins import PinDirectory
from enforcer.kernel.session import Session


@attrs.define
class Images:
    """The images of a session, which end unless the kernel refuses."""

    error: KernelError | None = None
    is_ended: bool = False

    def end(self):
        if self.error is not None:
            raise self.error
        self.is_ended = True


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Pins of a session with one name that is none of ours."""
    monkeypatch.setattr(pins.calls, "get_pinned", lambda path: os.open(path, os.O_RDONLY))
    for name in ("1", "1/strange"):
        (tmp_path / name).mkdir()
    for name in ("link-000-enf_a", "map-images", "map-hits", "state-1"):
        (tmp_path / "1" / name).touch()
    return PinDirectory(tmp_path / "1")


def session_of(directory, images):
    undo = contextlib.ExitStack()
    undo.callback(directory.remove)
    return Session(None, images, None, None, directory, None, undo)


def test_names_that_stay_are_told_and_are_no_failure_of_the_end(directory):
    """Nothing is enforced by then: all else of the end goes on."""
    images = Images()
    session = session_of(directory, images)

    said = session.end()

    assert images.is_ended
    assert f"{directory.path} enforces nothing any more, and could not be removed: cannot" in said
    assert ["strange"] == [entry.name for entry in directory.path.iterdir()]
    session.close()


def test_links_that_stay_are_told_likewise(directory, monkeypatch):
    """As where the file system cannot be written to any more."""

    def refuse(path):
        raise KernelError("open", 30)

    monkeypatch.setattr(pins.calls, "get_pinned", refuse)
    session = session_of(directory, Images())

    assert "could not be removed: cannot release the links" in session.end()
    session.close()


def test_after_the_end_its_folder_is_left_alone(directory):
    """By the time the programs are taken from their hooks it may be another daemon's."""
    session = session_of(directory, Images())
    session.end()
    (directory.path / "strange").rmdir()
    (directory.path / "link-000-enf_b").touch()

    session.close()

    assert ["link-000-enf_b"] == [entry.name for entry in directory.path.iterdir()]


def test_an_end_that_leaves_nothing_says_nothing(directory):
    """And its folder is gone."""
    (directory.path / "strange").rmdir()

    assert "" == session_of(directory, Images()).end()
    assert not directory.path.exists()


def test_an_end_that_the_kernel_refuses_removes_nothing(directory):
    """Enforcement goes on: its pins are what the next daemon takes over."""
    with pytest.raises(KernelError):
        session_of(directory, Images(KernelError("write", 1))).end()

    assert (directory.path / "link-000-enf_a").exists()
