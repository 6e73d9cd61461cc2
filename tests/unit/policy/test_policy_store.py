# SPDX-License-Identifier: MIT
"""Files and directories: what is found, in which order, and what cannot be read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from policy_text import HEAD

from enforcer.errors import PolicyErrors
from enforcer.policy.store import load_policies
from enforcer.policy.text.loader import MAX_BYTES


def _write(path, name):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD.replace('name: x', f'name: {name}')}spec: {{default: {{exec: log}}}}\n")


def _names(*paths):
    return [p.name for p in load_policies(paths).policies]


def _errors(*paths):
    with pytest.raises(PolicyErrors) as caught:
        load_policies(paths)
    return [str(e) for e in caught.value.errors]


def test_directories_are_read_in_order(tmp_path):
    """By name; below too; nothing hidden, nothing that is no YAML, no cases for tests of policies."""
    _write(tmp_path / "b.yaml", "b")
    _write(tmp_path / "a.yml", "a")
    _write(tmp_path / "c" / "d.yaml", "d")
    _write(tmp_path / ".hidden.yaml", "h")
    _write(tmp_path / "..data" / "e.yaml", "e")
    (tmp_path / "README").write_text("not a policy")
    (tmp_path / "a.cases.yaml").write_text("kind: EnforcerCases")
    (tmp_path / "schema.json").write_text("{}")

    assert ["a", "b", "d"] == _names(tmp_path)


def test_files_are_read_whatever_their_name(tmp_path):
    """A file that is asked for by name needs no suffix."""
    _write(tmp_path / "policy", "a")
    assert ["a"] == _names(str(tmp_path / "policy"))


def test_a_file_named_twice_is_read_once(tmp_path):
    """By itself and in its directory, or through a link."""
    _write(tmp_path / "a.yaml", "a")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "a.yaml")
    assert ["a"] == _names(tmp_path / "a.yaml", tmp_path)


def test_names_are_unique_over_all_files(tmp_path):
    """The second of two policies with one name is refused, with the place of the first."""
    _write(tmp_path / "a.yaml", "same")
    _write(tmp_path / "b.yaml", "same")
    (error,) = _errors(tmp_path)
    assert error.startswith(f"{tmp_path}/b.yaml:1:1: ")
    assert f"{tmp_path}/a.yaml:1:1" in error


def test_errors_of_all_files_come_together(tmp_path):
    """One bad file does not hide another, and nothing is loaded."""
    _write(tmp_path / "good.yaml", "good")
    (tmp_path / "a.yaml").write_text("kind: x\n")
    (tmp_path / "b.yaml").write_text("[\n")
    found = _errors(tmp_path, tmp_path / "missing.yaml")
    assert ["a.yaml", "b.yaml", "missing.yaml"] == [
        Path(error.split(":")[0]).name for error in found
    ]


def test_what_is_no_file_is_not_waited_for(tmp_path):
    """A FIFO or device in place of a policy is an error at once."""
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").symlink_to("/dev/zero")
    (tmp_path / "c.yaml").symlink_to("nowhere")
    found = _errors(tmp_path)
    assert [
        "not a regular file, but a FIFO",
        "not a regular file, but a device",
        "cannot read the file: No such file or directory: it is a link to nowhere",
    ] == [error.split(": ", 1)[1] for error in found]


def test_large_files_are_refused(tmp_path):
    """The limit is named."""
    (tmp_path / "a.yaml").write_bytes(b"#" * (MAX_BYTES + 10))
    (error,) = _errors(tmp_path)
    assert f"the limit is {MAX_BYTES}" in error


def test_an_empty_directory_is_an_error(tmp_path):
    """Nothing to enforce is not what was meant."""
    (error,) = _errors(tmp_path)
    assert "has no policy" in error


def test_a_service_may_be_there_before_its_policies(tmp_path):
    """Where that is said, and of directories only."""
    assert () == load_policies([tmp_path], may_be_empty=True).policies

    (tmp_path / "a.yaml").touch()
    with pytest.raises(PolicyErrors, match="the file has no policy"):
        load_policies([tmp_path], may_be_empty=True)


def test_impossible_names_are_errors():
    """Not a traceback."""
    (error,) = _errors("a\0b")
    assert "not the name of a file" in error
    (error,) = _errors("x" * 300)
    assert "cannot read the file: File name too long" in error


def test_a_directory_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    """Said once, and what is wrong elsewhere is said, too."""
    _write(tmp_path / "d" / "a.yaml", "a")
    (tmp_path / "b.yaml").write_text("[\n")

    def failing(directory):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "scandir", failing)
    found = _errors(tmp_path / "d", tmp_path / "b.yaml")
    assert f"{tmp_path}/d:1:1: cannot list the directory: Input/output error" == found[0]
    assert [f"{tmp_path}/d", f"{tmp_path}/b.yaml"] == [error.split(":")[0] for error in found]


def test_deep_trees_are_read(tmp_path):
    """As deep as names can be, not as deep as Python can call."""
    deep = tmp_path
    for _ in range(400):
        deep /= "d"
    _write(deep / "a.yaml", "a")
    assert ["a"] == _names(tmp_path)
