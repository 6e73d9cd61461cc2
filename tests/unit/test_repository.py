# SPDX-License-Identifier: MIT
"""Whoever reads the repository can read all of it: nothing that was built or fetched is in it, even by a slip."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_file_but_pictures_is_text() -> None:
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    files = [ROOT / name for name in listed if name and not name.endswith(".png")]

    assert ROOT / "README.md" in files
    assert [] == [str(file) for file in files if file.is_file() and b"\0" in file.read_bytes()]
