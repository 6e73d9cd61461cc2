# SPDX-License-Identifier: MIT
"""
No name is a way around a rule: neither by giving it to something else, nor by another name of the same.

Each attempt is made three times: without an engine, on what a rule names, and beside that. What is read by the
name afterwards is the witness.
"""

import errno
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import name_attempts
import pytest
from engine import Engine, attempt, running

_SCRIPT = name_attempts.__file__
_ERROR = errno.EDOM
_BASE = Path("/srv/names")
_CONTENT = (
    "remove_and_link",
    "remove_and_hard_link",
    "remove_and_pipe",
    "replace",
    "replace_by_link",
    "exchange",
    "link_where_nothing_is",
    "link_as_directory",
    "hard_link_as_directory",
    "move_directory_there",
)
_NAMES = ("remove_one_name", "replace_one_name")
_GO_ON = ("make_directory", "remove_single")
_POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: names}
spec:
  rules:
  - name: content
    file: write
    match: {path: [{content}]}
    action: {deny: {errno: EDOM}}
  - name: not-kept
    file: write
    match: {path: [{free}]}
    action: {deny: {errno: EDOM}}
    guard: false
  - name: twice
    file: read
    match: {path: [{twice}]}
    action: {deny: {errno: EDOM}}
"""


def _at(place: str, name: str) -> str:
    return str(_BASE / place / name)


def _policy() -> str:
    names = (*_CONTENT, *_GO_ON)
    content = [_at("kept", n) + end for n in names for end in ("/key", "/absent", "/later/key")]
    free = [_at("free", n) + end for n in _CONTENT for end in ("/key", "/absent", "/later/key")]
    twice = [_at("kept", n) + end for n in _NAMES for end in ("/twice", "/single")]
    return (
        _POLICY.replace("{content}", ", ".join(content))
        .replace("{free}", ", ".join(free))
        .replace("{twice}", ", ".join(twice))
    )


def _try(name: str, place: str) -> tuple[int, bytes, bytes]:
    result = attempt(sys.executable, "-IS", _SCRIPT, name, _at(place, name))
    return result.returncode, result.stdout, result.stderr


def _read(path: str) -> bytes | None:
    file = Path(path)
    return file.read_bytes() if file.is_file() else None


@pytest.fixture(scope="module")
def controls() -> dict[str, tuple[int, bytes, bytes]]:
    """What the attempts do before there is an engine."""
    _BASE.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", _BASE], check=True)
    for place in ("control", "kept", "beside", "free"):
        for name in (*_CONTENT, *_NAMES, *_GO_ON):
            name_attempts.fill(_at(place, name))
    return {name: _try(name, "control") for name in (*_CONTENT, *_NAMES, *_GO_ON)}


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    """One engine; it starts after the controls were taken."""
    with running(_policy(), tmp_path_factory.mktemp("names")) as it:
        yield it


@pytest.mark.parametrize("name", _CONTENT)
def test_what_may_not_be_written_is_not_replaced(name, controls, daemon):
    """Readers get the content that was there, or nothing where nothing was."""
    at = _at("kept", name)
    assert (0, name_attempts.EVIL) == controls[name][:2], controls[name]
    written = attempt("sh", "-c", f"echo changed > {at}/key")

    tried = _try(name, "kept")

    assert written.returncode != 0
    assert (_ERROR, b"") == tried[:2], tried
    assert (name_attempts.GOOD, None, None) == tuple(
        _read(at + end) for end in ("/key", "/absent", "/later/key")
    )


@pytest.mark.parametrize("name", _CONTENT)
def test_replacing_goes_on_elsewhere(name, controls, daemon):
    """Beside what is named nothing is refused."""
    tried = _try(name, "beside")

    assert (0, name_attempts.EVIL) == tried[:2], tried


@pytest.mark.parametrize(
    "name", ["remove_and_link", "link_where_nothing_is", "move_directory_there"]
)
def test_guard_can_be_switched_off(name, controls, daemon):
    """With ``guard: false`` a rule keeps no name."""
    tried = _try(name, "free")

    assert (0, name_attempts.EVIL) == tried[:2], tried


@pytest.mark.parametrize("name", _NAMES)
def test_file_of_two_names_keeps_both(name, controls, daemon):
    """The other name reads nothing, before the attempt on the first and after it."""
    at = _at("kept", name)
    assert (0, name_attempts.GOOD) == controls[name][:2], controls[name]
    before = attempt("cat", at + "/alias")

    tried = _try(name, "kept")

    assert (1, b"") == (before.returncode, before.stdout)
    assert (_ERROR, b"") == tried[:2], tried
    after = attempt("cat", at + "/alias")
    assert (1, b"") == (after.returncode, after.stdout)
    assert 2 == Path(at, "twice").stat().st_nlink


@pytest.mark.parametrize("name", _NAMES)
def test_names_go_elsewhere(name, controls, daemon):
    """Beside what is named the first name goes and the other reads."""
    tried = _try(name, "beside")

    assert (0, name_attempts.GOOD) == tried[:2], tried


@pytest.mark.parametrize("name", _GO_ON)
def test_what_keeps_no_name_goes_on(name, controls, daemon):
    """A directory may be made where a rule has files; a file of one name that is only not read may go."""
    tried = _try(name, "kept")

    assert 0 == controls[name][0], controls[name]
    assert controls[name][:2] == tried[:2], tried


def test_single_name_that_is_not_read_may_be_removed(daemon):
    """It has no other name by which it could be read."""
    path = _at("kept", "remove_one_name") + "/single"

    read, removed = attempt("cat", path), attempt("rm", path)

    assert (1, b"") == (read.returncode, read.stdout)
    assert 0 == removed.returncode, removed.stderr
    assert not Path(path).exists()
