# SPDX-License-Identifier: MIT
"""
A rule on a path means the file, by whichever way it is reached.

The base directories are one on the root's overlay and one on a tmpfs of its own: their inodes,
handles and mounts behave differently.
"""

import ctypes
import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import attempter
import path_attempts
import pytest
from engine import Engine, attempt, running

_SCRIPT = path_attempts.__file__
_ERROR = errno.EDOM
_SECRET = b"the secret"
_OVERLAY, _TMPFS = Path("/srv/overlay"), Path("/srv/tmpfs")
_PYTHON = os.path.realpath(sys.executable)
_TARGETS = {
    "exact": "vault/secret",
    "by-binary": "vault/scoped",
    "tree": "tree/a/b/secret",
    "linked": "hard/secret",
}
_DEEP = "tree/" + "d/" * 150 + "secret"
_LONG = "tree/" + ("n" * 199 + "/") * 19 + "m" * (4000 - 5 - 19 * 200 - len(str(_TMPFS)) - 1)
_RACE_TRIES = 2000


def _exists(way: str, base: Path, target: str) -> bool:
    """Whether there is such a way: only one target has had another name from the start."""
    if way == "file_handle" and base == _OVERLAY:
        return False  # an overlay has handles only with nfs_export
    if (way == "old_hard_link") != (target == "linked"):
        return False
    # An overlay shows user space other inode numbers than its layers have: see ARCHITECTURE.md.
    return base == _TMPFS or target == "exact"


_CASES = [
    pytest.param(way, base, target, id=f"{way}-{base.name}-{target}")
    for way in path_attempts.WAYS
    for base in (_TMPFS, _OVERLAY)
    for target in _TARGETS
    if _exists(way, base, target)
]


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_SECRET)


def _rule(
    name: str, path: str, *, more: str = "", guard: str = "", action: str = "{deny: {errno: EDOM}}"
) -> str:
    return (
        f"  - name: {name}\n    file: read\n    match:\n      path: '{path}'\n{more}"
        f"    action: {action}\n{guard}"
    )


def _policy(reused: Path) -> str:
    rules = _rule("known", f"{reused}/known", action="allow")
    rules += _rule("others", f"{reused}/**", guard="    guard: false\n")
    binary = f"      process: {{binary: '{_PYTHON}'}}\n"
    for base in (_TMPFS, _OVERLAY):
        rules += _rule(f"{base.name}-exact", f"{base}/vault/secret")
        rules += _rule(f"{base.name}-linked", f"{base}/hard/secret")
        rules += _rule(f"{base.name}-scoped", f"{base}/vault/scoped", more=binary)
        rules += _rule(f"{base.name}-tree", f"{base}/tree/**")
    rules += _rule("long", f"{_TMPFS}/{_LONG}")
    rules += _rule("race", f"{_TMPFS}/race/*/secret", guard="    guard: false\n")
    return (
        "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: paths}\n"
        f"spec:\n  rules:\n{rules}"
    )


def _read(way: str, path: Path) -> subprocess.CompletedProcess[bytes]:
    return attempter.make(_SCRIPT, way, str(path))


def _read_elsewhere() -> subprocess.CompletedProcess[bytes]:
    """Read what no rule is about, through a mount that does not contain it."""
    elsewhere = str(_TMPFS / "hard")
    return attempter.make(_SCRIPT, "file_handle", str(_TMPFS / "vault/neighbour"), elsewhere)


def _make_beyond() -> int:
    """Make a file whose path is longer than any path may be; return its directory."""
    directory = os.open(_TMPFS / "tree", os.O_RDONLY)
    for _ in range(25):
        os.mkdir("x" * 200, dir_fd=directory)
        inner = os.open("x" * 200, os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = inner
    fd = os.open("secret", os.O_WRONLY | os.O_CREAT, dir_fd=directory)
    os.write(fd, _SECRET)
    os.close(fd)
    return directory


def _read_relative(directory: int) -> subprocess.CompletedProcess[bytes]:
    return attempt("cat", "secret", preexec_fn=lambda: os.fchdir(directory))


@pytest.fixture(scope="module")
def controls(tmp_path_factory) -> dict[object, subprocess.CompletedProcess[bytes]]:
    """What each way reads while no policy is active."""
    _TMPFS.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", _TMPFS], check=True)
    for base in (_TMPFS, _OVERLAY):
        for target in _TARGETS.values():
            _write(base / target)
        (base / "hard/secret.alias").hardlink_to(base / "hard/secret")
        _write(base / "vault/neighbour")
    for name in (_DEEP, _LONG, "race/a/secret", "race/b/secret"):
        _write(_TMPFS / name)
    found: dict[object, subprocess.CompletedProcess[bytes]] = {}
    for case in _CASES:
        way, base, target = case.values
        found[case.values] = _read(str(way), Path(str(base)) / _TARGETS[str(target)])
    for name in (_DEEP, _LONG):
        found[name] = attempt("cat", str(_TMPFS / name))
    found["elsewhere"] = _read_elsewhere()
    return found


@pytest.fixture(scope="module")
def beyond(controls) -> Iterator[int]:
    """The directory of a file that no path reaches."""
    directory = _make_beyond()
    controls["beyond"] = _read_relative(directory)
    yield directory
    os.close(directory)


@pytest.fixture(scope="module")
def reused(scratch) -> Iterator[Path]:
    """A directory with a file that is permitted by one of its names, where numbers are given again."""
    path = scratch / "reused"
    path.mkdir()
    _write(path / "known")
    (path / "known.alias").hardlink_to(path / "known")
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def daemon(controls, beyond, reused, tmp_path_factory) -> Iterator[Engine]:
    """One engine; it starts after the controls were taken."""
    with running(_policy(reused), tmp_path_factory.mktemp("paths")) as it:
        yield it


@pytest.mark.parametrize(("way", "base", "target"), _CASES)
def test_way_is_closed(way, base, target, controls, daemon):
    """Without the policy the way leads to the secret; with it nothing is read, and why is told."""
    control = controls[way, base, target]

    result = _read(way, base / _TARGETS[target])

    assert (0, _SECRET) == (control.returncode, control.stdout), control.stderr
    assert (_ERROR, b"") == (result.returncode, result.stdout), result.stderr
    assert (base / _TARGETS[target]).exists()


@pytest.mark.parametrize("way", path_attempts.WAYS)
def test_neighbour_is_read(way, controls, daemon):
    """No way is closed as such: the file beside is read by it, unless its directory must move."""
    if way in {"old_hard_link", "rename_directory"}:
        pytest.skip("no neighbour has this way: it was not linked, and the directory is guarded")

    result = _read(way, _TMPFS / "vault/neighbour")

    assert (0, _SECRET) == (result.returncode, result.stdout), result.stderr


def test_a_record_tells_which_of_two_names_is_unknown(controls, daemon):
    """The host has a name for the file, and the mount by which it was reached has none: onError decides."""
    assert (0, _SECRET) == (controls["elsewhere"].returncode, controls["elsewhere"].stdout)

    result = _read_elsewhere()
    record = daemon.wait_for(lambda event: event.get("onError"))

    assert (_ERROR, b"") == (result.returncode, result.stdout), result.stderr
    assert ["path"] == record["object"]["unknown"]
    assert f"{_TMPFS}/vault/neighbour" == record["object"]["path"]


def test_a_number_that_is_given_again_permits_nothing(daemon, reused):
    """Who may make files has one with the number of a file that was permitted, once that is removed."""
    known, other = reused / "known", reused / "other"
    control = _read("itself", known)
    number = known.stat().st_ino

    known.unlink()
    (reused / "known.alias").unlink()
    os.sync()
    tries = [reused / f"try{i}" for i in range(2000)]
    for path in tries:
        path.write_bytes(_SECRET)
        if path.stat().st_ino == number:
            path.rename(other)
            break
    (reused / "other.alias").hardlink_to(other)
    result = _read("itself", other)

    assert (0, _SECRET) == (control.returncode, control.stdout), control.stderr
    assert number == other.stat().st_ino
    assert (_ERROR, b"") == (result.returncode, result.stdout), result.stderr


def test_other_binary_reads(daemon):
    """A rule on who reads leaves others alone."""
    result = attempt("cat", str(_TMPFS / "vault/scoped"))

    assert (0, _SECRET) == (result.returncode, result.stdout)


@pytest.mark.parametrize("name", [_DEEP, _LONG], ids=["150-directories", "4000-bytes"])
def test_long_path(name, controls, daemon):
    """Depth and length are no way out."""
    result = attempt("cat", str(_TMPFS / name))

    assert _SECRET == controls[name].stdout
    assert (1, b"") == (result.returncode, result.stdout), result.stderr


def test_path_that_is_too_long_is_decided_by_its_head(beyond, controls, daemon):
    """Of a path beyond 4,096 bytes the head is known, and the rule is about all below it."""
    result = _read_relative(beyond)

    assert _SECRET == controls["beyond"].stdout
    assert (1, b"") == (result.returncode, result.stdout), result.stderr
    record = daemon.wait_for(lambda event: "cut" in event["object"]["flags"])
    assert record["prevented"]
    assert not record["onError"]


def test_race_with_renames_is_never_won(daemon):
    """Directories change places while their files are opened; no open gets through."""
    libc, stop = ctypes.CDLL(None), threading.Event()
    names = tuple(str(_TMPFS / "race" / name).encode() for name in ("a", "b"))
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not stop.is_set():
            if not libc.renameat2(-100, names[0], -100, names[1], 2):
                swaps += 1

    swapper = threading.Thread(target=swap)
    swapper.start()
    errors: set[int | None] = set()
    won = 0
    try:
        for _ in range(_RACE_TRIES):
            try:
                os.close(os.open(_TMPFS / "race/a/secret", os.O_RDONLY))
                won += 1
            except OSError as error:
                errors.add(error.errno)
    finally:
        stop.set()
        swapper.join()

    assert (0, {_ERROR}) == (won, errors)
    assert swaps > 0
