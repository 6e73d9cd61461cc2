# SPDX-License-Identifier: MIT
"""Programs to run in the guest: each leaves a mark as its first deed, so that it is seen to have run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import attrs
import compiled
from engine import attempt

__all__ = ["Ended", "Workshop", "unprivileged"]


@attrs.frozen
class Ended:
    """How an attempt ended: its exit code (negative for a signal) and whether the program ran."""

    code: int
    ran: bool


RAN = Ended(0, ran=True)


def unprivileged(uid: int) -> dict[str, Any]:
    """Options for an attempt by another user."""
    return {"user": uid, "group": uid, "extra_groups": []}


@attrs.frozen
class Workshop:
    """A folder that everybody may enter, with the programs in it."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> Workshop:
        """Make the folder, and compile the programs that the others are copies of."""
        root.mkdir(parents=True)
        root.chmod(0o755)
        marks = root / "marks"
        marks.mkdir()
        marks.chmod(0o777)
        for name in ("mark", "mark-dynamic", "launch"):
            compiled.place(name, root / name)
        return cls(root)

    def program(self, name: str, *, like: str = "mark", mode: int = 0o755) -> Path:
        """A program at *name*: ``mark``, ``mark-dynamic`` or ``launch``, or a path of the host."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.root / like, path)
        path.chmod(mode)
        return path

    def script(self, name: str, interpreter: Path | str = "/bin/sh") -> Path:
        """A script that leaves the mark."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!{interpreter}\n: > "$MARK"\n')
        path.chmod(0o755)
        return path

    def run(self, *argv: str | Path, **options: Any) -> Ended:
        """Run *argv* and look for the mark."""
        mark = self.root / "marks" / "mark"
        mark.unlink(missing_ok=True)
        try:
            ended = attempt(*map(str, argv), env={**os.environ, "MARK": str(mark)}, **options)
        finally:
            ran = mark.exists()
            mark.unlink(missing_ok=True)
        return Ended(ended.returncode, ran=ran)

    def launch(self, form: str, *argv: str | Path, **options: Any) -> Ended:
        """Run *argv* in one of the forms of ``launch.c``."""
        return self.run(self.root / "launch", form, *argv, **options)
