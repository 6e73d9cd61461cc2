# SPDX-License-Identifier: MIT
"""Finding kernels: names, the cache, files."""

from pathlib import Path

import pytest
from lab import kernel
from lab.kernel import NAMES, cache_directory, find_lab, from_image, resolve
from lab.packages import version_key
from lab.tools import LabError


def _unpacked(kernels: Path, package: str) -> Path:
    """Lay out *package* as if it had been fetched; return its image."""
    version = package.removeprefix("linux-image-")
    image = kernels / package / "boot" / f"vmlinuz-{version}"
    image.parent.mkdir(parents=True)
    image.touch()
    return image


def test_newest_cached_kernel_is_used(tmp_path: Path) -> None:
    """Versions are compared as numbers, and a half-made directory does not count."""
    kernels = tmp_path / "kernels"
    _unpacked(kernels, "linux-image-6.12.9+deb13-cloud-amd64")
    newest = _unpacked(kernels, "linux-image-6.12.118+deb13-cloud-amd64")
    (kernels / "linux-image-6.12.200+deb13-cloud-amd64").mkdir()

    assert newest == resolve("cloud", cache=tmp_path).image


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("linux-image-6.12.118+deb13-cloud-amd64", "cloud"),
        ("linux-image-6.12.118+deb13-amd64", "generic"),
        ("linux-image-6.1.0-50-cloud-amd64", "6.1"),
        ("linux-image-7.3.4+deb13-cloud-amd64", "7.3"),
        ("linux-image-6.12.118+deb13-rt-amd64", None),
        ("linux-image-6.12.118+deb13-cloud-amd64-unsigned", None),
        ("linux-image-6.12.118+deb13-cloud-amd64-dbg", None),
    ],
)
def test_each_package_has_one_name(package: str, name: str | None) -> None:
    """A name stands for one flavour and never for an unsigned or debug package."""
    matching = [other for other, wanted in NAMES.items() if wanted.pattern.fullmatch(package)]

    assert ([name] if name else []) == matching


@pytest.mark.parametrize("modules", ["lib/modules", "usr/lib/modules"])
def test_modules_are_found_beside_the_image(tmp_path: Path, modules: str) -> None:
    """Old and new packages keep their modules at different places."""
    image = _unpacked(tmp_path, "linux-image-6.1.0-50-cloud-amd64")
    directory = image.parents[1] / modules / "6.1.0-50-cloud-amd64"
    (directory / "kernel").mkdir(parents=True)

    assert directory == from_image(image).modules


def test_image_alone_has_no_modules(tmp_path: Path) -> None:
    """A kernel with everything built in is just a file."""
    image = tmp_path / "bzImage"
    image.touch()

    assert from_image(image).modules is None


def test_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    """A typing error is answered with what would have worked."""
    with pytest.raises(LabError, match="cloud, generic"):
        resolve("clowd", cache=tmp_path)


def test_cache_directory_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ENFORCER_CACHE wins over everything."""
    monkeypatch.setenv("ENFORCER_CACHE", str(tmp_path))

    assert tmp_path / "enforcer" == cache_directory()


def test_version_key_orders_by_number() -> None:
    """Point releases pass 99."""
    assert version_key("linux-image-6.12.9+deb13") < version_key("linux-image-6.12.118+deb13")


def test_the_own_kernel_is_taken_from_where_one_is_ready(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The cache's comes first, then the newest of the folder; without any, nothing is built for it."""
    ready, cache = tmp_path / "ready", tmp_path / "cache"
    monkeypatch.delenv("ENFORCER_LAB_KERNELS", raising=False)
    monkeypatch.setattr(kernel, "_READY", tmp_path / "elsewhere")
    assert None is find_lab(cache)

    for version in ("6.1-lab", "6.12-lab", "6.9-lab", "6.99-other"):
        (ready / version).mkdir(parents=True)
        (ready / version / "bzImage").touch()
    (ready / "7.0-lab").mkdir()
    monkeypatch.setenv("ENFORCER_LAB_KERNELS", str(ready))
    assert ready / "6.12-lab/bzImage" == find_lab(cache)
    assert ready / "6.12-lab/bzImage" == resolve("lab", cache=cache).image

    own = cache / "kernels/lab/bzImage"
    own.parent.mkdir(parents=True)
    own.touch()
    assert own == find_lab(cache)
