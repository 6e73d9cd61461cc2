#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
try-rpm.py WHEEL    install, upgrade and remove rpms of a wheel in a clean system, and use the program there.

The system is one of Debian with rpm, since there is no Fedora here: the libraries in Python are Debian's of the same
names, and rpm is told not to look for Fedora's packages. systemd does not run there. Needs root, mmdebstrap and rpm.
"""

import argparse
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import clean_system
from trial import Refused, check_program, done

ROOT = Path(__file__).resolve().parents[1]
SUITE = "trixie"
LIBRARIES = ("attr", "cffi-backend", "yaml", "rich", "tenacity")
MODULES = "usr/lib64/enforcer"
PROGRAM = "usr/bin/enforcer"
SETTINGS = "etc/enforcer/enforcer.yaml"

# In the directory alone: the kernel's own file system is not mounted there.
REMAINS = "sys/fs/bpf/enforcer/link-0"


def make_package(wheel: Path, revision: int, into: Path) -> Path:
    command = [sys.executable, ROOT / "scripts/make-rpm.py", wheel, "--into", into]
    words = [*command, "--revision", str(revision)]
    return Path(subprocess.check_output(words, text=True).strip())


def rpm(system: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clean_system.needed("rpm", "rpm"), "--root", system, *words],
        capture_output=True,
        text=True,
        check=False,
    )


def check_files(system: Path, revision: int) -> None:
    said = done(rpm(system, "--query", "enforcer"), "rpm --query").strip()
    if not said.endswith(f"-{revision}.x86_64"):
        raise Refused(f"installed is {said}")
    done(rpm(system, "--verify", "--nodeps", "--nomtime", "enforcer"), "rpm --verify")
    if not list((system / MODULES).rglob("*.pyc")):
        raise Refused("nothing was compiled")


def check_stay(system: Path) -> None:
    """While enforcement stays, which the program could not end, the package does."""
    program, remains = system / PROGRAM, system / REMAINS
    text = program.read_bytes()
    remains.parent.mkdir(parents=True)
    remains.touch()
    program.write_text("#!/bin/sh\nexit 1\n")
    ended = rpm(system, "--erase", "--nodeps", "enforcer")
    if not ended.returncode or "the package is not removed" not in ended.stdout + ended.stderr:
        raise Refused(f"removed in spite of enforcement: {ended.stdout}{ended.stderr}")
    remains.unlink()
    program.write_bytes(text)


def check_end(system: Path) -> None:
    """Of what was installed, only settings that were changed stay."""
    (system / SETTINGS).write_text("policies: [/srv/policies]\n")
    done(rpm(system, "--erase", "--nodeps", "enforcer"), "rpm --erase")
    names = (PROGRAM, MODULES, "usr/share/enforcer", SETTINGS)
    if left := [name for name in names if (system / name).exists()]:
        raise Refused(f"left behind: {left}")
    if "/srv/policies" not in (system / f"{SETTINGS}.rpmsave").read_text():
        raise Refused("changed settings are gone")


def try_package(wheel: Path, place: Path) -> None:
    packages = [make_package(wheel, revision, place) for revision in (1, 2)]
    system = place / "system"
    clean_system.make(SUITE, system, ("python3", *(f"python3-{name}" for name in LIBRARIES)))
    done(rpm(system, "--install", "--nodeps", packages[0]), "rpm --install")
    check_files(system, 1)
    said = check_program(partial(clean_system.enter, system), "/usr/share/enforcer/policies")
    print(f"try-rpm: {said}", flush=True)
    done(rpm(system, "--upgrade", "--nodeps", packages[1]), "rpm --upgrade")
    check_files(system, 2)
    check_stay(system)
    check_files(system, 2)
    check_end(system)
    print("try-rpm: installed, upgraded, kept while enforcement stays, removed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel.absolute()
    with tempfile.TemporaryDirectory(prefix="enforcer-") as place:
        Path(place).chmod(0o755)
        try:
            try_package(wheel, Path(place))
        except (Refused, clean_system.MissingError) as error:
            print(f"try-rpm: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
