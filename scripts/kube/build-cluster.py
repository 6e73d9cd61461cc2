#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
build-cluster.py DIRECTORY    make a node and a control plane of Kubernetes for tests/vm/cluster, with etcd and kubectl.

They are of Kubernetes 1.20, the newest of which a suite of Debian has the whole source: that of bookworm, whose
compiler makes them. Later packages are of kubectl alone. Nothing is installed, and no root is needed. It downloads
some 130 MB and takes 8 minutes of a processor. What is there and made by the same recipe is kept.
"""

import argparse
import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/vm"), str(Path(__file__).parent)]

from lab.packages import Suite  # noqa: E402
from lab.tools import LabError, tool  # noqa: E402

SERVER = Path(__file__).with_name("build-server.py")
"""Fetches etcd and kubectl, so it is part of the recipe."""
SUITE = "bookworm"
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
PACKAGE = "k8s.io/kubernetes"
WITHOUT = "providerless,dockerless"
"""Clouds, whose libraries are half of the work, and the runtime that kubelets had before they asked one."""

TAG = "+k8s:openapi-gen="
# Their types have no place in what the server says of itself, as in the project's own Makefile.
LEFT_OUT = ("code-generator", "sample-apiserver", "kube-openapi", "gengo")
REFLECT = "github.com/modern-go/reflect2"
REFLECT_PACKAGE = "golang-github-modern-go-reflect2-dev"
"""The source's own is of a time before Go 1.18: with it the server dies of the first custom resource."""


def compiler(work: Path) -> Path:
    """Return the root of Go, with the newer reflect2 beside it."""
    suite = Suite(SUITE, work / "packages")
    suite.update()
    packages = [each for each in suite.closure("golang-go") if each.startswith("golang")]
    suite.unpack([*packages, REFLECT_PACKAGE], work / "tree")
    (found,) = (work / "tree/usr/lib").glob("go-*")
    return found


def source(work: Path) -> tuple[Path, str]:
    """Return the source in its place among Go's, and its version."""
    suite = Suite(SUITE, work / "sources", kind="deb-src")
    suite.update()
    described = suite.download_source("kubernetes", work / "archive")
    version = re.search(r"([0-9.]+)(?:\+[a-z]+)?-[^-]*\.dsc$", described.name)
    if version is None:
        raise LabError(f"{described.name} names no version")
    place = work / "go/src" / PACKAGE
    place.parent.mkdir(parents=True)
    # Its signature was checked by apt.
    unpack = [tool("dpkg-source"), "--no-check", "--extract", described, place]
    subprocess.run(unpack, stdout=subprocess.DEVNULL, check=True)
    shutil.rmtree(place / "vendor" / REFLECT)
    shutil.copytree(work / "tree/usr/share/gocode/src" / REFLECT, place / "vendor" / REFLECT)
    return place, version[1]


def describe(place: Path, run) -> None:
    """Write what the source leaves out: of each type of the API, its fields, which an apply by the server needs."""
    generator = place.parents[3] / "openapi-gen"
    run("go", "build", "-o", generator, "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
    tops = [place / "pkg", *(place / "vendor/k8s.io").iterdir()]
    tagged = {
        path.parent.relative_to(place)
        for top in tops
        if top.name not in LEFT_OUT
        for path in top.rglob("*.go")
        if TAG in path.read_text("utf-8")
    }
    inputs = ",".join(f"{PACKAGE}/{each}" for each in sorted(tagged))
    run(
        *(generator, "--go-header-file", os.devnull, "--input-dirs", inputs),
        *(
            "--output-base",
            place.parents[1],
            "--output-package",
            f"{PACKAGE}/pkg/generated/openapi",
        ),
        *("--output-file-base", "zz_generated.openapi", "--report-filename", os.devnull),
    )


def build(work: Path, into: Path) -> None:
    root = compiler(work)
    place, version = source(work)
    variables = {
        "GO111MODULE": "off",
        "GOPATH": work / "go",
        "GOROOT": root,
        "GOFLAGS": os.environ.get("GOFLAGS", ""),
        "CGO_ENABLED": "0",
        "GOCACHE": work / "cache",
        "PATH": f"{root}/bin:{os.environ['PATH']}",
    }
    environment = os.environ | {name: str(value) for name, value in variables.items()}

    def run(*words) -> None:
        subprocess.run([*map(str, words)], cwd=place, env=environment, check=True)

    describe(place, run)
    major, minor, _ = version.split(".", 2)
    told = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    of = f"{PACKAGE}/vendor/k8s.io"
    settings = [
        f"-X {of}/{package}.{name}={value}"
        for package in ("component-base/version", "client-go/pkg/version")
        for name, value in told.items()
    ]
    packages = [f"./cmd/{name}" for name in PROGRAMS]
    run(
        "go",
        "build",
        f"-tags={WITHOUT}",
        f"-ldflags=-s -w {' '.join(settings)}",
        "-o",
        f"{into}/",
        *packages,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory.absolute()
    stamp = directory / "made-of"
    sources = [path.read_bytes() for path in (SERVER, Path(__file__))]
    digest = hashlib.sha256(b"\0".join(sources)).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == digest:
        return
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    try:
        with tempfile.TemporaryDirectory(dir=directory) as work:
            importlib.import_module(SERVER.stem).fetch(Path(work), directory)
            build(Path(work), directory)
    except (LabError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"build-cluster: there is no cluster: {error}")
    stamp.write_text(digest, "utf-8")


if __name__ == "__main__":
    main()
