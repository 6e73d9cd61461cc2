# SPDX-License-Identifier: MIT
"""The files by which runtimes run the hook: what they say, and whose they must be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from enforcer import places
from enforcer.hook.files import (
    PROGRAM,
    STAGE,
    Choice,
    choice_of,
    hook_file,
    no_hook_file,
    with_hook,
    written,
    wrong_owner,
)

CHOICE = Choice(Path("/run/e.sock"), 2.5, "refuse", Path("/x/enforcer/hook/container-hook"))
SPEC = {"ociVersion": "1.1.0", "process": {"cwd": "/"}}


def test_for_podman_and_crio():
    """As oci-hooks(5) asks: for each container, at the moment before anything of it runs, without a limit of theirs."""
    found = hook_file(CHOICE)

    assert {"version", "hook", "when", "stages"} == found.keys()
    assert ("1.0.0", {"always": True}) == (found["version"], found["when"])
    assert ["createRuntime"] == found["stages"]
    words = [
        "/x/enforcer/hook/container-hook",
        *("--socket=/run/e.sock", "--wait=2.5", "--on-failure=refuse"),
    ]
    environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    assert {"path": words[0], "args": words, "env": environment} == found["hook"]


@pytest.mark.parametrize("on_failure", ["start", "refuse"])
def test_a_program_that_is_gone_is_as_a_daemon_that_is(tmp_path, on_failure):
    """What was chosen holds: containers start, or the runtime cannot run the hook and starts none."""
    found = Choice(tmp_path / "s", on_failure=on_failure, program=tmp_path / "program")
    found.program.write_text('#!/bin/sh\necho "$@"; exit 3\n')
    found.program.chmod(0o755)
    options = [word for word in found.command["args"] if word.startswith("--")]
    assert (3, " ".join(options)) == _ran(found)
    found.program.unlink()

    if on_failure == "refuse":
        with pytest.raises(FileNotFoundError):
            _ran(found)
    else:
        assert (0, "") == _ran(found)


def _ran(choice: Choice) -> tuple[int, str]:
    path, words = choice.command["path"], choice.command["args"]
    done = subprocess.run(
        words, executable=path, env={}, check=False, capture_output=True, text=True
    )
    return done.returncode, done.stdout.strip()


def test_what_was_chosen_is_read_again():
    """From either form; of one that runs nothing, nothing."""
    assert CHOICE == choice_of(hook_file(CHOICE))
    assert CHOICE == choice_of(with_hook(SPEC, CHOICE))
    assert choice_of(no_hook_file(CHOICE)) is None
    assert choice_of(SPEC) is None
    assert choice_of([]) is None


def _written_before(program: str) -> dict[str, Any]:
    """What an earlier version wrote: Python, and a program in it."""
    shell = '[ -x "$1" ] && [ -r "$2" ] || exit 1; python=$1; shift; exec "$python" -I -S "$@"'
    words = ["--socket=/run/e.sock", "--wait=2.5", "--on-failure=refuse"]
    args = ["sh", "-c", shell, "enforcer-hook", sys.executable, program, *words]
    return {"path": "/bin/sh", "args": args}


def test_a_shell_that_an_earlier_version_wrote_is_read():
    """It ran the same program for both choices."""
    args = [
        "sh",
        "-c",
        '[ -x "$1" ] || exit 1; exec "$@"',
        "enforcer-hook",
        *CHOICE.command["args"],
    ]
    spec = {**SPEC, "hooks": {STAGE: [{"path": "/bin/sh", "args": args}]}}

    assert CHOICE == choice_of(spec)
    assert [CHOICE.command] == with_hook(spec, CHOICE)["hooks"][STAGE]


def test_what_an_earlier_version_wrote_still_counts():
    """It is read, it runs the same program, and the next installation replaces it."""
    before = _written_before(str(PROGRAM.with_name("program.py")))
    spec = {**SPEC, "hooks": {STAGE: [before]}}

    found = choice_of(spec)
    assert attrs.evolve(CHOICE, program=PROGRAM.with_name("program.py")) == found
    assert [CHOICE.command] == with_hook(spec, CHOICE)["hooks"][STAGE]

    broken = [word.replace("2.5", "soon") for word in before["args"]]
    done = subprocess.run(["/bin/sh", *broken[1:]], check=False, capture_output=True, text=True)
    assert 1 == done.returncode
    assert "its arguments cannot be read, so no container starts" in done.stderr


def test_a_specification_keeps_what_it_has():
    """Hooks of others too; ours is in it once, as it was chosen last."""
    other = {"path": "/other", "args": ["other"]}
    given = {**SPEC, "hooks": {"createRuntime": [other], "poststop": [other]}}

    found = with_hook(with_hook(given, Choice(Path("/old"))), CHOICE)

    assert SPEC == {key: value for key, value in found.items() if key != "hooks"}
    assert [other] == found["hooks"]["poststop"]
    assert [other, CHOICE.command] == found["hooks"]["createRuntime"]


@pytest.mark.parametrize("given", [[], {}, None, {"version": "1.0.0"}])
def test_what_is_no_specification(given):
    with pytest.raises(ValueError, match="ociVersion"):
        with_hook(given, CHOICE)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_who_could_change_it(tmp_path):
    """The file itself, any folder above it, and where a link leads; a folder as /tmp is none of these."""
    tmp_path.chmod(0o755)
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    file = folder / "program"
    file.write_text("")
    file.chmod(0o644)
    link = tmp_path / "link"
    link.symlink_to(file)
    assert wrong_owner(link) is None

    folder.chmod(0o775)
    assert folder == wrong_owner(link)
    folder.chmod(0o1777)
    assert wrong_owner(link) is None
    os.chown(folder, 1000, 0)
    assert folder == wrong_owner(link)
    os.chown(file, 1000, 0)
    assert file == wrong_owner(link)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("is_relative", [True, False])
def test_who_could_change_a_link_on_the_way(tmp_path, is_relative):
    """Where they lie that others could let lead elsewhere, in a folder of theirs or in one as /tmp."""
    tmp_path.chmod(0o755)
    for name in ("safe", "theirs", "links"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "safe/program").write_text("")
    (tmp_path / "safe/program").chmod(0o644)
    own = Path("..") if is_relative else tmp_path
    (tmp_path / "theirs/safe").symlink_to(own / "safe")
    (tmp_path / "links/first").symlink_to(own / "theirs/safe")
    path = tmp_path / "links/first/program"
    assert wrong_owner(path) is None

    os.chown(tmp_path / "theirs", 1000, 0)
    assert tmp_path / "theirs" == wrong_owner(path)
    os.chown(tmp_path / "theirs", 0, 0)
    (tmp_path / "theirs").chmod(0o1777)
    assert wrong_owner(path) is None
    os.chown(tmp_path / "theirs/safe", 1000, 0, follow_symlinks=False)
    assert tmp_path / "theirs/safe" == wrong_owner(path)
    (tmp_path / "theirs/safe").unlink()
    (tmp_path / "theirs/safe").symlink_to(own / "links/first")
    with pytest.raises(OSError, match="Too many levels"):
        wrong_owner(path)


def test_packages_bring_what_install_writes():
    """Their file is filled in with where their modules are."""
    template = (Path(__file__).parents[3] / "packaging/container-hook.json").read_text()
    program = Path("/@MODULES@/enforcer/hook/container-hook")
    choice = Choice(places.SOCKET, program=program)

    assert template == written(hook_file(choice)).decode()
