# SPDX-License-Identifier: MIT
"""The packages of container runtimes: what cannot be had is told, and those that can be are there."""

import runtime_packages
from lab.tools import LabError


def test_what_cannot_be_had_is_told(monkeypatch, tmp_path, capsys):
    """In one sentence, at once and by the tests that need it; the others are fetched all the same."""

    def fetch(_suite, package):
        if package == "containerd":
            raise LabError("apt-get install for x failed (100): see its messages above")
        (tmp_path / package).mkdir()

    monkeypatch.setattr(runtime_packages, "_PLACE", tmp_path)
    monkeypatch.setattr(runtime_packages, "_is_installed", lambda package: package == "podman")
    monkeypatch.setattr(runtime_packages, "_suite", object)
    monkeypatch.setattr(runtime_packages, "_fetch", fetch)
    assert "was not fetched" in (runtime_packages.why_missing("podman", "crun") or "")

    assert 0 == runtime_packages.main()

    said = capsys.readouterr().out
    why = "the package containerd cannot be had: apt-get install for x failed (100): see its messages above"
    assert f"containers: {why}\n" == said
    assert why == runtime_packages.why_missing("podman", "containerd")
    assert runtime_packages.why_missing("podman", "crun") is None
    fetched = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert {*runtime_packages.PACKAGES} - {"podman", "containerd"} == fetched


def test_what_could_not_be_had_is_tried_again(monkeypatch, tmp_path):
    """And is then no longer missing."""
    monkeypatch.setattr(runtime_packages, "_PLACE", tmp_path)
    monkeypatch.setattr(runtime_packages, "_is_installed", lambda _package: True)
    (tmp_path / "crun.why").write_text("the package crun cannot be had: no network")
    assert "no network" in (runtime_packages.why_missing("crun") or "")

    assert 0 == runtime_packages.main()

    assert runtime_packages.why_missing("crun") is None
