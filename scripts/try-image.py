#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
try-image.py IMAGE    unpack a container image, and use the program in it.

No container runs: the program is called in the image's root, on this system's kernel. Needs root and umoci.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from functools import partial
from pathlib import Path

import clean_system
from trial import Refused, check_program

UNWANTED = ("cc", "gcc", "clang", "ld", "make", "pip", "pip3")


def unpack(image: Path, place: Path) -> Path:
    """Unpack the *image*; return the folder of its root and of what a runtime would run."""
    layout, bundle = place / "image", place / "bundle"
    with tarfile.open(image) as archive:
        archive.extractall(layout, filter="data")
    (manifest,) = json.loads((layout / "index.json").read_text())["manifests"]
    name = manifest["annotations"]["org.opencontainers.image.ref.name"]
    umoci = clean_system.needed("umoci", "umoci")
    subprocess.run([umoci, "unpack", "--image", f"{layout}:{name}", bundle], check=True)
    print(f"try-image: {name}", flush=True)
    return bundle


def try_image(image: Path, place: Path) -> None:
    bundle = unpack(image, place)
    root = bundle / "rootfs"
    words = json.loads((bundle / "config.json").read_text())["process"]["args"]
    if words != ["enforcer", "start"]:
        raise Refused(f"the image starts {words}")
    if found := [name for name in UNWANTED if (root / "usr/bin" / name).exists()]:
        raise Refused(f"the image has {found}")
    if not (root / "etc/enforcer/policies").is_dir():
        raise Refused("there is no folder for policies")
    said = check_program(partial(clean_system.enter, root), "/usr/share/enforcer/policies")
    print(f"try-image: {said}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("image", type=Path)
    image = parser.parse_args().image
    with tempfile.TemporaryDirectory(prefix="enforcer-") as place:
        try:
            try_image(image, Path(place))
        except (Refused, clean_system.MissingError) as error:
            print(f"try-image: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
