# SPDX-License-Identifier: MIT
"""
No overlay is a way around a rule on a directory that it has as a layer.

What is seen in the directory itself, before and after, is the witness. Of two directories with the same
content one is named by the rules; the other is the neighbour, and the control before the engine starts.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attempter
import overlay_attempts
import pytest
from engine import Engine, attempt, running

_SCRIPT = overlay_attempts.__file__
_ERROR = errno.EDOM
_SECRET = b"the secret"
_TMPFS = Path("/srv/layers")
_BASE = _TMPFS / "tree"
_DIRECT = {
    "read": "cat {}/read",
    "write": "echo changed > {}/write",
    "truncate": "truncate -s 1 {}/truncate",
    "chmod": "chmod 711 {}/chmod",
    "chown": "chown 1234 {}/chown",
    "unlink": "rm -f {}/unlink",
    "rmdir": "rmdir {}/rmdir",
    "rename": "mv {}/rename {}/renamed",
    "replace": "mv -f {}/source {}/replace",
    "create": "touch {}/created",
    "mkdir": "mkdir {}/made",
    "mkfifo": "mkfifo {}/fifo",
    "symlink": "ln -s anywhere {}/symlinked",
    "link": "ln {}/link {}/linked",
    "move_directory": "mv {} {}.moved",
}
_POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: layers}}
spec:
  rules:
  - name: kept
    file: any
    match: {{path: [{_BASE}/kept/**, {_BASE}/kept-around/work/**]}}
    action: {{deny: {{errno: EDOM}}}}
  - name: kept-of-user
    file: unlink
    match: {{path: /mnt/scratch/kept/**}}
    action: {{deny: {{errno: EDOM}}}}
"""


def _fill(directory: Path) -> None:
    directory.mkdir(parents=True)
    for name in ("read", "write", "truncate", "chmod", "unlink", "rename", "replace", "source"):
        (directory / name).write_bytes(_SECRET)
    for name in ("chown", "link"):
        (directory / name).write_bytes(_SECRET)
    (directory / "rmdir").mkdir()
    (directory.with_name(f"{directory.name}-around") / "work").mkdir(parents=True)
    (directory.with_name(f"{directory.name}-around") / "work/file").write_bytes(_SECRET)


def _facts(directory: Path) -> dict[str, object]:
    """All of a directory that an attempt could change; what is in its files may be refused to read."""
    found: dict[str, object] = {}
    moved = directory.with_name(f"{directory.name}.moved")
    for path in [
        child for at in (directory, moved) if at.is_dir() for child in sorted(at.iterdir())
    ]:
        status = path.lstat()
        found[str(path)] = (
            status.st_mode,
            status.st_uid,
            status.st_nlink,
            status.st_size if path.is_file() else None,
            status.st_mtime_ns if path.is_file() else None,
        )
    return found


def _observe(name: str, directory: Path) -> tuple[int, bool, bytes]:
    """Make an attempt by the overlay: how it ended, whether it had an effect, its words."""
    before = _facts(directory)
    result = attempter.make(_SCRIPT, name, str(directory))
    return result.returncode, bool(result.stdout) or _facts(directory) != before, result.stderr


@pytest.fixture(scope="module")
def controls() -> dict[str, tuple[int, bool, bytes]]:
    """What the attempts do before there is an engine."""
    _TMPFS.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", _TMPFS], check=True)
    _BASE.mkdir()
    found = {}
    _fill(_BASE / "other")
    attempter.make(_SCRIPT, "empty_work_directory", str(_BASE / "other-around"))
    assert not (_BASE / "other-around/work/file").exists()
    for left in _BASE.iterdir():
        shutil.rmtree(left)
    for name in (*_DIRECT, "hidden"):
        _fill(_BASE / "other")
        found[name] = _observe(name, _BASE / "other")
        for left in _BASE.iterdir():
            shutil.rmtree(left)
    for name in ("kept", "other"):
        _fill(_BASE / name)
    return found


@pytest.fixture(scope="module")
def users(controls, scratch) -> Path:
    """The same of a user without privileges, who needs a file system with attributes for users."""
    for name in ("control", "kept", "other"):
        (scratch / name).mkdir()
        (scratch / name / "unlink-as-user").write_bytes(_SECRET)
        for path in (scratch / name, scratch / name / "unlink-as-user"):
            os.chown(path, overlay_attempts.STRANGER, overlay_attempts.STRANGER)
    scratch.chmod(0o777)
    controls["unlink_as_user"] = _observe("unlink_as_user", scratch / "control")
    return scratch


@pytest.fixture(scope="module")
def daemon(controls, users, tmp_path_factory) -> Iterator[Engine]:
    """One engine; it starts after the controls were taken."""
    with running(_POLICY, tmp_path_factory.mktemp("layers")) as it:
        yield it


@pytest.mark.parametrize("name", _DIRECT)
def test_layer_is_kept(name, controls, daemon):
    """The attempt works without the rule; with it neither the direct one nor the overlay does anything."""
    directory = _BASE / "kept"
    before = _facts(directory)

    direct = attempt("sh", "-c", _DIRECT[name].format(directory, directory))
    around = _observe(name, directory)

    assert (0, True) == controls[name][:2], controls[name]
    assert direct.returncode != 0
    assert b"" == direct.stdout
    assert (_ERROR, False) == around[:2], around
    assert before == _facts(directory)


@pytest.mark.parametrize("name", _DIRECT)
def test_other_layers_are_left_alone(name, controls, daemon):
    """An overlay over the directory beside works as before; so does what the host does not show."""
    observed = _observe(name, _BASE / "other")
    shutil.rmtree(_BASE / "other", ignore_errors=True)
    shutil.rmtree(_BASE / "other.moved", ignore_errors=True)
    shutil.rmtree(_BASE / "other-around", ignore_errors=True)
    _fill(_BASE / "other")

    assert (0, True) == observed[:2], observed


def test_what_the_host_does_not_show_has_no_name(controls, daemon):
    """Below a file system that nobody else sees the same names mean nothing."""
    assert (0, True) == controls["hidden"][:2], controls["hidden"]

    observed = _observe("hidden", _BASE / "kept")

    assert (0, True) == observed[:2], observed


def test_user_is_refused_too(controls, users, daemon):
    """A user namespace and ``userxattr`` need no privileges."""
    kept = _observe("unlink_as_user", users / "kept")
    other = _observe("unlink_as_user", users / "other")

    assert (0, True) == controls["unlink_as_user"][:2], controls["unlink_as_user"]
    assert (_ERROR, False) == kept[:2], kept
    assert (0, True) == other[:2], other
    assert (users / "kept/unlink-as-user").exists()


def test_work_directory_is_not_emptied(daemon):
    """What an overlay would remove to have a place to work in is removed by who mounts it."""
    place = _BASE / "kept-around"

    direct = attempt("rm", str(place / "work/file"))
    attempter.make(_SCRIPT, "empty_work_directory", str(place))

    assert direct.returncode != 0
    assert (place / "work/file").exists()
