#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
make-services-image.py ARCHIVE    make the root of a container with what people run in containers.

Debian's Python, nginx and PostgreSQL, as their packages bring them, for tests of what an image brings. The archive
is what ``podman import`` takes. If it is there, nothing is done. Needs mmdebstrap.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import clean_system

SUITE = "trixie"
PACKAGES = ("python3", "nginx-light", "postgresql")
LEFT_OUT = ("/usr/share/locale/*", "/usr/share/man/*", "/usr/share/doc/*", "/usr/share/i18n/*")
"""Texts, which no test reads and each would have to load."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("archive", type=Path)
    archive = parser.parse_args().archive
    if archive.exists():
        return 0
    archive.parent.mkdir(parents=True, exist_ok=True)
    part = archive.with_name(f".part-{archive.name}")
    try:
        clean_system.make(SUITE, part, PACKAGES, left_out=LEFT_OUT)
    except (clean_system.MissingError, subprocess.CalledProcessError) as error:
        print(f"make-services-image: {error}", file=sys.stderr)
        return 1
    part.rename(archive)
    return 0


if __name__ == "__main__":
    sys.exit(main())
