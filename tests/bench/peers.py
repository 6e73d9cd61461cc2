# SPDX-License-Identifier: MIT
"""Others that confine processes, each as it is set up by its own tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

__all__ = ["Peer", "fetch_apparmor", "peers"]

_PROFILES: Final = (1, 1000)
_FILTERS: Final = (2, 200)
_PARSER: Final = "usr/sbin/apparmor_parser"


@attrs.frozen
class Peer:
    """
    A way to be confined.

    Attributes:
        engine: its name.
        rules: how many rules it has.
        confinement: what work.c is told.
    """

    engine: str
    rules: int
    confinement: str


def fetch_apparmor(into: Path) -> str | None:
    """
    Have the parser of profiles under *into*, from Debian's package, which is not installed.

    Returns:
        Why there is none, if so.
    """
    if (into / _PARSER).exists():
        return None
    into.mkdir(parents=True, exist_ok=True)
    if installed := shutil.which("apparmor_parser", path="/usr/sbin:/sbin"):
        (into / _PARSER).parent.mkdir(parents=True)
        shutil.copy(installed, into / _PARSER)
        return None
    try:
        subprocess.run(
            ["apt-get", "download", "-qq", "apparmor"], cwd=into, check=True, capture_output=True
        )
        for archive in into.glob("apparmor_*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, into], check=True, capture_output=True)
    except FileNotFoundError as error:
        return f"{error.filename} is not installed"
    except subprocess.CalledProcessError as error:
        return f"Debian's package cannot be had: {error.stderr.decode(errors='replace').strip()}"
    return None


def peers(folder: Path) -> Iterator[Peer]:
    """Make each ready, in the guest; say which there is not."""
    for rules in _FILTERS:
        yield Peer("seccomp", rules, f"seccomp:{rules}")
    active = Path("/sys/kernel/security/lsm").read_text().split(",")
    if "landlock" in active:
        yield Peer("landlock", 1, "landlock")
    else:
        _leave_out("Landlock", "this kernel does not have it")
    if "apparmor" not in active:
        _leave_out("AppArmor", "this kernel does not have it")
        return
    parser = folder / "apparmor" / _PARSER
    if not parser.exists():
        _leave_out("AppArmor", "there is no apparmor_parser")
        return
    for rules in _PROFILES:
        name = f"enforcer-bench-{rules}"
        done = subprocess.run(
            [parser, "--skip-cache", "--replace", "--base", folder / "apparmor/etc/apparmor.d"],
            input=_profile(name, rules),
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            _leave_out("AppArmor", f"apparmor_parser failed: {done.stderr.strip()}")
            return
        yield Peer("apparmor", rules, f"apparmor:{name}")


def _profile(name: str, rules: int) -> str:
    """A profile of which the last path rule allows what is done."""
    others = "".join(f"  /srv/{n}/file r,\n" for n in range(rules - 1))
    return f"profile {name} {{\n  network,\n  signal,\n{others}  /{{,**}} mrwlkix,\n}}\n"


def _leave_out(name: str, reason: str) -> None:
    print(f"bench: {name} is left out: {reason}", file=sys.stderr)
