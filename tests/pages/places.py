# SPDX-License-Identifier: MIT
"""The places where blocks are run: their folders and environment, and how a machine boots for one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pages.blocks import HOST, ROOT
from pages.sessions import Outcome, Session, problems, runs_at

__all__ = ["ENFORCER", "OPTIONS", "needs", "run", "session", "visits", "wrong"]

# Of tests/vm/run, for each place that is a machine.
OPTIONS = {
    "machine": (),
    "systemd": ("--systemd",),
    "no bpf": ("--append", "lsm=landlock,lockdown,yama,apparmor"),
}

# Policies must not lie where others may write.
_GUEST_FOLDER = Path("/root")
_PROGRAMS = Path("/opt/printed")
# What pages install, from tests/vm/packaged.py.
_FETCHED = ROOT / "build/vm/packages"
_PACKAGES = {"adopting.md": ("nginx",)}
# That of the tree, whose starts keep the ledger.
ENFORCER = Path(sys.executable).with_name("enforcer")
_LEDGER = ROOT / "tests/vm/ledger.py"


def needs(page: Path) -> str | None:
    """Return what is missing here to run *page*, if anything."""
    packages = _PACKAGES.get(page.name, ())
    missing = [name for name in packages if not list((_FETCHED / name).glob("*.deb"))]
    return f"no package of {', '.join(missing)}: make packages" if missing else None


def visits(pages: Sequence[Path], at: Sequence[str]) -> dict[str, tuple[Path, str]]:
    """Return each of *pages* with each place of *at* where it has something to run, by what to call the two."""
    return {
        f"{page.relative_to(ROOT)}, {place}": (page, place)
        for page in pages
        for place in at
        if runs_at(page, place)
    }


def wrong(page: Path, place: str, enforcer: Path = ENFORCER) -> list[str]:
    """Return, as lines, what did not come out as *page* prints it."""
    return [line for outcome in run(page, place, enforcer) for line in problems(outcome)]


def run(page: Path, place: str, enforcer: Path = ENFORCER) -> Iterator[Outcome]:
    """Run what *page* has for *place*, where this process is, with this *enforcer*."""
    if place == HOST:
        with tempfile.TemporaryDirectory(prefix="printed-") as folder:
            yield from session(page, place, Path(folder), enforcer).run()
    else:
        name = str(page.relative_to(ROOT)).removeprefix("docs/")
        folder = (_GUEST_FOLDER / name).with_suffix("")
        yield from session(page, place, folder, enforcer).run()


def session(page: Path, place: str, folder: Path, enforcer: Path = ENFORCER) -> Session:
    """Return the session of *page* at *place*, in *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "policies", folder / "policies", dirs_exist_ok=True)
    path = f"{enforcer.parent}:{os.environ['PATH']}"
    if place != HOST:
        path = f"{_programs(enforcer)}:{path}"
    return Session(
        runs_at(page, place),
        folder,
        {"PATH": path, "REPOSITORY": str(ROOT), "PACKAGES": str(_FETCHED)},
    )


def _programs(enforcer: Path) -> Path:
    """
    Return a folder with programs for a machine.

    ``enforcer`` of the tree keeps the ledger of loads, as every start of a test has to. ``in-background``
    is ``enforcer start`` that returns when enforcement is active.
    """
    _PROGRAMS.mkdir(exist_ok=True)
    started = f"{sys.executable} {_LEDGER}" if enforcer == ENFORCER else enforcer
    texts = {
        "enforcer": f"""\
case $1 in
start|dry-run|record|doctor) exec {started} "$@" ;;
*) exec {enforcer} "$@" ;;
esac
""",
        "in-background": """\
enforcer start "$@" >/run/in-background 2>&1 &
until grep -q '^enforcer: active: ' /run/in-background; do kill -0 $! || exit 1; sleep 0.2; done
""",
    }
    for name, text in texts.items():
        program = _PROGRAMS / name
        program.write_text(f"#!/bin/sh -e\n{text}")
        program.chmod(0o755)
    return _PROGRAMS
