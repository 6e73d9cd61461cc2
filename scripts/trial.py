# SPDX-License-Identifier: MIT
"""What an installed enforcer must do, wherever it was installed."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

Run = Callable[..., subprocess.CompletedProcess[str]]


class Refused(Exception):
    """What was installed does not do what it should."""


def done(ended: subprocess.CompletedProcess[str], what: str) -> str:
    """Return the output of what must succeed."""
    if ended.returncode:
        raise Refused(f"{what} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def check_program(run: Run, policies: str) -> str:
    """Let *run* call enforcer: its version, a check of the shipped *policies*, what the kernel can do; return the first."""
    version = done(run("enforcer", "version"), "version")
    (wanted,) = re.findall(r'__version__ = "(.+)"', (ROOT / "enforcer/__init__.py").read_text())
    if not version.startswith(f"enforcer {wanted}\nlibbpf 1."):
        raise Refused(f"version says {version!r}")
    done(run("enforcer", "check", "--quiet", policies), "check")
    _check_doctor(run("enforcer", "doctor"))
    return ", ".join(version.splitlines()[:2])


def _check_doctor(told: subprocess.CompletedProcess[str]) -> None:
    """What it says is of the kernel, which is this system's: so a clone says the same."""
    here = subprocess.run(
        [sys.executable, "-m", "enforcer", "doctor"],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if (here.returncode, here.stdout) != (told.returncode, told.stdout):
        raise Refused(f"doctor says\n{told.stdout}{told.stderr}\nand in the clone\n{here.stdout}")
