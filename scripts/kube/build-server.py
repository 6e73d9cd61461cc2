#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
build-server.py DIRECTORY    make an API server of Kubernetes for tests/kube, with etcd and kubectl beside it.

Beside it is kube-decode, which reads manifests by the types of Kubernetes.

The server is of the newest Kubernetes that Debian has: its libraries are packages of sid, and so is the compiler.
etcd and kubectl are those of this system's own suite. Nothing is installed, and no root is needed. It downloads
some 350 MB and takes 5 minutes of two processors. What is there and made of the same sources is kept.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/vm"))

from lab.packages import Suite, own_suite, version_key  # noqa: E402
from lab.tools import LabError  # noqa: E402

SOURCES = {
    "kube-apiserver": Path(__file__).parent / "server/main.go",
    "kube-decode": Path(__file__).parent / "decode/main.go",
}
LIBRARIES = "golang-k8s-apiextensions-apiserver-dev"
PROGRAMS = {"etcd-server": "usr/bin/etcd", "kubectl": "usr/bin/kubectl"}


def build(work: Path, into: Path) -> None:
    sid = Suite("sid", work / "sid")
    sid.update()
    packages = [each for each in sid.closure(LIBRARIES, "golang-go") if each.startswith("golang")]
    tree = work / "tree"
    sid.unpack(packages, tree)
    compilers = sorted(tree.glob("usr/lib/go-*"), key=lambda path: version_key(path.name))
    gopath = tree / "usr/share/gocode"
    environment = {
        "GO111MODULE": "off",
        "GOPATH": gopath,
        "GOROOT": compilers[-1],
        "GOFLAGS": "",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOCACHE": work / "cache",
    }
    for name, source in SOURCES.items():
        place = gopath / "src/enforcer.test" / name
        place.mkdir(parents=True)
        shutil.copy(source, place)
        subprocess.run(
            [
                compilers[-1] / "bin/go",
                "build",
                "-ldflags=-s -w",
                "-o",
                into,
                f"enforcer.test/{name}",
            ],
            env=os.environ | {word: str(value) for word, value in environment.items()},
            check=True,
        )


def fetch(work: Path, into: Path) -> None:
    own = Suite(own_suite(), work / "own")
    own.update()
    own.unpack(list(PROGRAMS), work / "programs")
    for path in PROGRAMS.values():
        shutil.copy(work / "programs" / path, into)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory.absolute()
    stamp = directory / "made-of"
    sources = [path.read_bytes() for path in (*SOURCES.values(), Path(__file__))]
    digest = hashlib.sha256(b"\0".join(sources)).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == digest:
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory(dir=directory) as work:
            fetch(Path(work), directory)
            build(Path(work), directory)
    except (LabError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"build-server: there is no API server: {error}")
    stamp.write_text(digest, "utf-8")


if __name__ == "__main__":
    main()
