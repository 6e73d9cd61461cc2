# SPDX-License-Identifier: MIT
"""What every package must have for container runtimes to find the hook."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

from enforcer import places
from enforcer.hook.files import NAME, Choice, choice_of, hook_file


def require_hook(tree: Path) -> None:
    """Fail unless the files of a package, laid out in *tree*, have the hook with the defaults, and what it runs."""
    found = json.loads((tree / "etc/enforcer/container-hook.json").read_bytes())
    choice = choice_of(found)
    assert choice is not None

    assert Choice(places.SOCKET, program=choice.program) == choice
    assert hook_file(choice) == found
    link = tree / places.HOOKS.relative_to("/") / NAME
    assert places.HOOK == link.readlink()
    program = tree / choice.program.relative_to("/")
    assert stat.S_IFREG | 0o755 == program.stat().st_mode
    done = subprocess.run([program], check=False, capture_output=True, text=True)
    assert (1, "enforcer: its arguments cannot be read") == (done.returncode, done.stderr[:38])
