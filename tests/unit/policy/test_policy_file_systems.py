# SPDX-License-Identifier: MIT
"""Where a file system takes several spellings for one name."""

from __future__ import annotations

import os

from enforcer.policy.lint import file_systems


def test_the_type_that_is_mounted_there_counts(monkeypatch, tmp_path):
    """The nearest mount above a path tells, also of what does not exist yet."""
    inner = tmp_path / "efi"
    inner.mkdir()
    kinds = {b"/": b"ext4", os.fsencode(inner): b"vfat"}
    monkeypatch.setattr(file_systems, "_kinds", lambda: kinds)

    assert "vfat" == file_systems.folded_by(os.fsencode(inner / "loader/entries/a.conf"))
    assert file_systems.folded_by(os.fsencode(tmp_path / "other")) is None
    assert file_systems.folded_by(b"") is None


def test_a_directory_may_say_it_of_itself(monkeypatch, tmp_path):
    """It is the nearest one that exists which is asked."""
    monkeypatch.setattr(file_systems, "_kinds", lambda: {b"/": b"ext4"})
    monkeypatch.setattr(file_systems, "_is_casefolded", lambda path: path == os.fsencode(tmp_path))

    assert "ext4" == file_systems.folded_by(os.fsencode(tmp_path / "missing"))
    assert file_systems.folded_by(b"/usr") is None


def test_this_machine_is_asked():
    """The root of a machine tells names apart."""
    assert file_systems.folded_by(b"/etc/passwd") is None
