# SPDX-License-Identifier: MIT
"""Files that are replaced as a whole."""

import os
import stat

import pytest

from enforcer.whole_file import beside, replace, settle


@pytest.mark.parametrize("is_lasting", [True, False])
def test_a_file_has_its_new_content_and_mode(tmp_path, is_lasting):
    """Whatever the umask says, and whatever a crash has left beside it."""
    path = tmp_path / "file"
    path.write_bytes(b"before")
    beside(path).write_bytes(b"half")
    old = os.umask(0o077)
    try:
        replace(path, b"now", 0o644, is_lasting=is_lasting)
    finally:
        os.umask(old)
    settle(tmp_path)

    assert b"now" == path.read_bytes()
    assert 0o644 == stat.S_IMODE(path.stat().st_mode)
    assert [path] == list(tmp_path.iterdir())


def test_what_cannot_be_written_leaves_the_old_content(tmp_path):
    """A reader never sees a part."""
    path = tmp_path / "file"
    path.write_bytes(b"before")
    beside(path).mkdir()

    with pytest.raises(OSError):
        replace(path, b"now", 0o644, is_lasting=True)

    assert b"before" == path.read_bytes()


def test_a_link_beside_the_file_is_not_followed(tmp_path):
    """Where somebody else can put links, nothing of theirs is written."""
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_bytes(b"mine")
    beside(path).symlink_to(victim)

    replace(path, b"now", 0o600, is_lasting=False)

    assert (b"mine", b"now") == (victim.read_bytes(), path.read_bytes())
