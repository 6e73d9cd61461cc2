# SPDX-License-Identifier: MIT
"""``enforcer container-hook``: what it writes, what it refuses, what it shows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs
import pytest
from printed import document

from enforcer import places
from enforcer.cli.main import main
from enforcer.hook import files
from enforcer.hook.files import NAME, choice_of

SPEC = {"ociVersion": "1.1.0"}


@attrs.define
class Places:
    """Where this test lets runtimes look."""

    hook: Path
    link: Path
    spec: Path

    def run(self, *words: str) -> int:
        where = ["--hook", self.hook, "--hooks-dir", self.link.parent, "--spec", self.spec]
        return main(["container-hook", words[0], *map(str, where), *words[1:]])

    def choice(self) -> files.Choice | None:
        """What podman reads."""
        return choice_of(json.loads(self.link.read_bytes()))


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """As root, with a program that only root can change, in a folder that everybody may look into."""
    for each in (tmp_path, *tmp_path.parents):
        if not (mode := each.stat().st_mode) & 0o001:
            each.chmod(mode | 0o001)  # a folder of pytest's, with or without several workers
    found = Places(tmp_path / "hook.json", tmp_path / "hooks.d" / NAME, tmp_path / "spec.json")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(files, "wrong_owner", lambda _: None)
    return found


def test_it_writes_what_was_chosen(where, capsys):
    """Once more, and the newest choice counts. What it says is what it did."""
    assert 0 == where.run("install")
    found = where.choice()
    assert found is not None
    assert (places.SOCKET, 10.0, "start") == (found.socket, found.wait, found.on_failure)
    assert 0o644 == where.hook.stat().st_mode & 0o777
    assert where.hook == where.link.readlink()

    assert 0 == where.run("install", "--on-failure", "refuse", "--wait", "500ms", "--socket", "/s")
    found = where.choice()
    assert found is not None
    assert (Path("/s"), 0.5, "refuse") == (found.socket, found.wait, found.on_failure)
    assert str(where.hook) in capsys.readouterr().out
    assert not where.spec.exists()


def test_for_containerd_it_says_what_the_configuration_needs(where, tmp_path, capsys):
    """It writes its own file, and not that configuration."""
    base = tmp_path / "base.json"
    base.write_text(json.dumps(SPEC))

    assert 0 == where.run("install", "--containerd", "--base", str(base))

    made = json.loads(where.spec.read_bytes())
    assert SPEC["ociVersion"] == made["ociVersion"]
    assert choice_of(made) == where.choice()
    assert f'base_runtime_spec = "{where.spec}"' in capsys.readouterr().out


def test_without_a_base_it_asks_containerd(where, tmp_path, monkeypatch):
    """The specification is that of the containerd which is there."""
    ctr = tmp_path / "bin/ctr"
    ctr.parent.mkdir()
    ctr.write_text(f"#!/bin/sh\necho '{json.dumps(SPEC)}'\n")
    ctr.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ctr.parent}:{os.environ['PATH']}")

    assert 0 == where.run("install", "--containerd")
    assert "1.1.0" == json.loads(where.spec.read_bytes())["ociVersion"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--wait", "61s"], "at most 60 s"),
        (["--base", "/x"], "--base is for --containerd"),
        (["--containerd", "--base", "/dev/null"], "/dev/null is not JSON"),
    ],
)
def test_what_it_refuses_it_does_not_write(where, capsys, words, why):
    assert 2 == where.run("install", *words)
    assert why in capsys.readouterr().err
    assert not where.hook.exists()


def test_without_containerd_it_asks_for_a_base(where, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")

    assert 2 == where.run("install", "--containerd")
    assert "--base" in capsys.readouterr().err
    assert not where.hook.exists()


def test_a_program_that_others_could_change_is_not_run_as_root(where, monkeypatch, capsys):
    """Fails closed."""
    monkeypatch.setattr(files, "wrong_owner", lambda _: Path("/home/somebody"))

    assert 2 == where.run("install")
    assert "others than root can write to /home/somebody" in capsys.readouterr().err
    assert not where.hook.exists()


@pytest.mark.parametrize("whose", ["hook", "link", "spec"])
def test_a_file_that_others_could_change_is_not_obeyed_as_root(
    where, tmp_path, monkeypatch, capsys, whose
):
    """Nor a link to it. Fails closed, before anything is written; the file of containerd counts where it is wanted."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setattr(files, "wrong_owner", lambda path: theirs if path == theirs else None)
    place = theirs / "not-there-yet" / getattr(where, whose).name
    where = attrs.evolve(where, **{whose: place})
    base = tmp_path / "base.json"
    base.write_text(json.dumps(SPEC))

    assert 2 == where.run("install", "--containerd", "--base", str(base))
    err = capsys.readouterr().err
    assert f"run what {place} says, and others than root can write to {theirs}" in err
    assert [] == [
        each for each in (where.hook, where.link, where.spec, *theirs.iterdir()) if each.exists()
    ]

    assert (2 if whose != "spec" else 0) == where.run("install")


def test_users_must_be_able_to_read_it(where, capsys):
    """Podman without root reads the same folder, and starts nothing if it cannot."""
    where.hook.parent.chmod(0o700)

    assert 2 == where.run("install")
    assert f"users cannot look into {where.hook.parent}" in capsys.readouterr().err
    assert not where.hook.exists()


@pytest.mark.parametrize("action", ["install", "remove"])
def test_it_needs_root(where, monkeypatch, capsys, action):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert 2 == where.run(action)
    assert "needs root" in capsys.readouterr().err


def test_it_leaves_the_link_of_a_package(where):
    """Which leads where it should; any other file of that name is in the way."""
    where.link.parent.mkdir()
    where.link.symlink_to(where.hook)
    before = where.link.lstat().st_ino

    assert 0 == where.run("install")
    assert before == where.link.lstat().st_ino

    where.link.unlink()
    where.link.write_text("{}")
    assert 0 == where.run("install")
    assert where.choice() is not None


def test_it_takes_back_what_it_wrote(where, tmp_path, capsys):
    """But not what containerd may still be told to read: it would start nothing any more."""
    assert 0 == where.run("remove")
    assert "no hook is installed" in capsys.readouterr().out
    assert not where.hook.exists()
    base = tmp_path / "base.json"
    base.write_text(json.dumps(SPEC))
    where.run("install", "--containerd", "--base", str(base))

    assert 0 == where.run("remove")

    assert where.choice() is None
    assert {"always": False} == json.loads(where.link.read_bytes())["when"]
    assert where.spec.exists()
    assert "remove base_runtime_spec there" in capsys.readouterr().out


def test_what_it_shows(where, capsys):
    """Of each file whether it is there, whether it counts, and what it says; after a change, too."""
    assert 0 == where.run("status")
    lines = capsys.readouterr().out.splitlines()
    assert f"{where.link}: not there (podman, CRI-O)" == lines[0]
    assert f"{where.spec}: not there (containerd)" == lines[1]

    assert 0 == where.run("install", "--on-failure", "refuse", "-o", "json")
    own, spec = document("container-hook", capsys.readouterr().out)["places"]
    assert (True, "refuse", None) == (own["runs"], own["onFailure"], own["problem"])
    assert (False, None) == (spec["exists"], spec["problem"])

    where.run("status")
    assert "on failure: refuse" in capsys.readouterr().out
    assert 0 == where.run("remove", "--json")
    own, _ = document("container-hook", capsys.readouterr().out)["places"]
    assert (True, False, None) == (own["exists"], own["runs"], own["onFailure"])
    where.run("status")
    assert "runs nothing" in capsys.readouterr().out


def test_it_shows_what_is_wrong(where, capsys):
    """A file that is none, and a program that is gone."""
    where.link.parent.mkdir()
    where.link.write_text("{")
    gone = Path("/gone/enforcer/hook/container-hook")
    choice = attrs.evolve(files.Choice(places.SOCKET), program=gone)
    where.spec.write_bytes(files.written(files.with_hook(SPEC, choice)))

    assert 0 == where.run("status")

    lines = capsys.readouterr().out.splitlines()
    assert "cannot be read" in lines[0]
    assert f"{gone} is not there, so this holds: start" in lines[1]


@pytest.mark.parametrize("choice", files.CHOICES)
def test_the_choices_are_those_of_the_hook(where, choice):
    """The parser has its own list, since it does not import it."""
    assert 0 == where.run("install", "--on-failure", choice)
    with pytest.raises(SystemExit):
        where.run("install", "--on-failure", "perhaps")
