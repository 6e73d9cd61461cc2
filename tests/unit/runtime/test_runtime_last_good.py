# SPDX-License-Identifier: MIT
"""What policy files said that was active last, kept on disk."""

from __future__ import annotations

import json
import os
import stat

import pytest

from enforcer.runtime.policies.last_good import LastGood

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's files are trusted")


@pytest.fixture
def good(tmp_path):
    return LastGood(tmp_path / "state" / "last-good.json", (tmp_path / "p",))


def _texts(good, *names):
    return {str(good.sources[0] / name): f"of {name} ä\n".encode() for name in names}


def test_texts_come_back(good):
    """Byte by byte; only root may read them, since policies may say what is worth an attack."""
    texts = {**_texts(good, "a", "b"), str(good.sources[0] / "c"): b"\xef\xbb\xbfc"}

    good.write(texts, pytest.fail)

    assert texts == good.read(pytest.fail)
    assert 0o600 == stat.S_IMODE(good.path.stat().st_mode)
    assert 0o700 == stat.S_IMODE(good.path.parent.stat().st_mode)
    assert [good.path] == list(good.path.parent.iterdir())


def test_what_is_gone_is_forgotten(good):
    good.write(_texts(good, "a", "b"), pytest.fail)
    good.write(_texts(good, "b"), pytest.fail)

    assert _texts(good, "b") == good.read(pytest.fail)


def test_nothing_is_written_if_nothing_differs(good):
    good.write(_texts(good, "a"), pytest.fail)
    before = good.path.stat().st_ino
    good.write(_texts(good, "a"), pytest.fail)

    assert before == good.path.stat().st_ino


def test_at_first_there_is_nothing(good):
    assert {} == good.read(pytest.fail)


def test_another_daemon_s_texts_stay(good, tmp_path):
    """It has other sources; neither reads nor forgets what the other has."""
    other = LastGood(good.path, (tmp_path / "pp",))
    good.write(_texts(good, "a"), pytest.fail)
    other.write(_texts(other, "a"), pytest.fail)
    good.write(_texts(good, "b"), pytest.fail)

    assert _texts(good, "b") == good.read(pytest.fail)
    assert _texts(other, "a") == other.read(pytest.fail)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": 1}', '{"format": 2, "files": {}}', '{"format": 1, "files": [1]}'],
)
def test_a_damaged_file_is_told_and_stops_nothing(good, content):
    """It is as if there were none, and the next change replaces it."""
    good.path.parent.mkdir()
    good.path.write_text(content)
    told = []

    assert {} == good.read(told.append)
    assert 1 == len(told)
    assert str(good.path) in told[0]

    good.write(_texts(good, "a"), pytest.fail)
    assert _texts(good, "a") == good.read(pytest.fail)


def test_what_others_may_have_written_is_not_read(good):
    """It would be their policy."""
    good.write(_texts(good, "a"), pytest.fail)
    good.path.chmod(0o622)
    told = []

    assert {} == good.read(told.append)
    assert "can be changed by others" in told[0]


def test_a_link_in_place_of_the_new_file_is_not_followed(good, tmp_path):
    """Whoever may write to the folder can do worse; but nothing of root's is overwritten by mistake."""
    good.path.parent.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("precious")
    good.path.with_name("last-good.json.new").symlink_to(victim)

    good.write(_texts(good, "a"), pytest.fail)

    assert "precious" == victim.read_text()
    assert _texts(good, "a") == good.read(pytest.fail)


def test_a_full_disk_changes_nothing_but_is_told(good):
    good.path.parent.mkdir()
    good.write(_texts(good, "a"), pytest.fail)
    good.path.with_name("last-good.json.new").mkdir()
    told = []

    good.write(_texts(good, "b"), told.append)

    assert "cannot be kept" in told[0]
    assert ["a"] == [path[-1] for path in json.loads(good.path.read_text())["files"]]
