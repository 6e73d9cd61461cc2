# SPDX-License-Identifier: MIT
"""What the guest leaves is copied out."""

from __future__ import annotations

from pathlib import Path

from lab.state import State


def test_a_second_run_leaves_its_own_over_that_of_the_first(tmp_path: Path) -> None:
    """Files, and links, which may lead elsewhere now or nowhere."""
    out = tmp_path / "out"
    for turn in ("first", "second"):
        with State() as state:
            (state.exchange / "folder").mkdir()
            (state.exchange / "folder/file").write_text(turn)
            (state.exchange / "folder/link").symlink_to(turn)
            (state.exchange / ".lab/hidden").touch()
            state.copy_out(out)

    assert "second" == (out / "folder/file").read_text()
    assert "second" == str((out / "folder/link").readlink())
    assert not (out / ".lab").exists()
