#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
make-image.py [--into DIRECTORY] DEB    make a container image of the Debian package, print its path.

The image is one layer: Debian's essential packages, what the package depends on, and the package. It is an
archive in the form of the Open Container Initiative, made without a registry and without a container runtime.
Needs mmdebstrap and umoci. Root is not needed where user namespaces are permitted.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import clean_system

ROOT = Path(__file__).resolve().parents[1]
SUITE = "trixie"
SETTINGS = ROOT / "packaging/container/enforcer.yaml"

# Texts of Debian's packages that nobody reads in a container; licences stay.
LEFT_OUT = ("/usr/share/locale/*", "/usr/share/man/*", "/usr/share/doc/*", "/usr/share/info/*")
KEPT = ("/usr/share/doc/*/copyright", "/usr/share/doc/enforcer/*")


def field(package: Path, name: str) -> str:
    return subprocess.check_output(["dpkg-deb", "-f", package, name], text=True).strip()


def make_layer(package: Path, layer: Path) -> None:
    needs = re.findall(r"(?:^|, )([a-z0-9.+-]+)", field(package, "Depends"))
    hooks = (
        f"upload {package} /tmp/enforcer.deb",
        'chroot "$1" dpkg --install /tmp/enforcer.deb',
        'rm "$1"/tmp/enforcer.deb',
        f"upload {SETTINGS} /etc/enforcer/enforcer.yaml",
        # For logs; the service manager makes it elsewhere.
        'install -d -m 0700 "$1"/var/log/enforcer',
        # How this system's apt reaches its mirror says nothing about the container's.
        'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap',
    )
    options = [f"--dpkgopt=path-include={path}" for path in KEPT]
    options += [f"--customize-hook={hook}" for hook in hooks]
    clean_system.make(SUITE, layer, needs, *options, left_out=LEFT_OUT)


def labels(version: str) -> dict[str, str]:
    names = {
        "title": "enforcer",
        "description": "Runtime enforcement of policies inside the Linux kernel",
        "version": version,
        "licenses": "MIT AND GPL-2.0-only",
        "vendor": "The enforcer authors",
    }
    return {f"org.opencontainers.image.{name}": value for name, value in names.items()}


def name_of(version: str) -> str:
    """Return the whole name of the image, as manifests write it: with the program's version, not the package's."""
    return f"localhost/enforcer:{version.rpartition('-')[0] or version}"


def make_layout(layer: Path, version: str, layout: Path) -> None:
    """Make the image, in a directory, of the one *layer*."""
    image = f"{layout}:{name_of(version)}"
    configuration = [
        *("--config.entrypoint=enforcer", "--config.entrypoint=start"),
        "--config.stopsignal=SIGTERM",
        *("--config.env=LANG=C.UTF-8", "--architecture=amd64", "--os=linux"),
        *(f"--config.label={name}={value}" for name, value in labels(version).items()),
    ]
    for command in (
        ["init", "--layout", layout],
        ["new", "--image", image],
        ["raw", "add-layer", "--image", image, layer],
        ["config", "--image", image, *configuration],
        ["gc", "--layout", layout],
    ):
        words = [clean_system.needed("umoci", "umoci"), *map(str, command)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def make(package: Path, into: Path) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    clean_system.needed("umoci", "umoci")
    version = field(package, "Version")
    product = into / f"enforcer-{version}.oci.tar"
    with tempfile.TemporaryDirectory() as place:
        layer, layout = Path(place, "layer.tar"), Path(place, "image")
        make_layer(package, layer)
        make_layout(layer, version, layout)
        with tarfile.open(product, "w") as archive:
            for path in sorted(layout.iterdir()):
                archive.add(path, path.name)
    return product


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--into", type=Path, default=ROOT / "dist", metavar="DIRECTORY")
    parser.add_argument("package", type=Path, metavar="DEB")
    options = parser.parse_args()
    try:
        print(make(options.package.absolute(), options.into))
    except clean_system.MissingError as error:
        print(f"make-image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
