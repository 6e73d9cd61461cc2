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
    "run": "{}/run",
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
_DEEDS = ("map", "unset", "punch")
_KEPT_SHOWN = {"host": "merged", "container": "seen"}
_GROWN = f"{_BASE}/grown/log, {_BASE}/merged/log, {_BASE}/seen/log, /mnt/scratch/grown/log"
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
  - name: grown-appended
    file: append
    match: {{path: [{_GROWN}]}}
    action: allow
  - name: grown
    file: write
    match: {{path: [{_GROWN}]}}
    action: {{deny: {{errno: EDOM}}}}
    guard: false
"""


def _fill(directory: Path) -> None:
    directory.mkdir(parents=True)
    for name in ("read", "write", "truncate", "chmod", "unlink", "rename", "replace", "source"):
        (directory / name).write_bytes(_SECRET)
    for name in ("chown", "link"):
        (directory / name).write_bytes(_SECRET)
    (directory / "run").write_text("#!/bin/sh\necho ran\n")
    (directory / "run").chmod(0o755)
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


def _grow(directory: Path) -> None:
    """Make the directory of a log, also for a user."""
    directory.mkdir(parents=True)
    (directory / "log").write_bytes(_SECRET)
    for path in (directory, directory / "log"):
        os.chown(path, overlay_attempts.STRANGER, overlay_attempts.STRANGER)


def _written(way: str, directory: Path, *more: str) -> tuple[int, bytes]:
    """Do something to the log of a directory: how it ended, and what the log has then."""
    (directory / "log").write_bytes(_SECRET)
    return _tried(way, directory, *more)


def _tried(way: str, directory: Path, *more: str) -> tuple[int, bytes]:
    result = attempter.make(_SCRIPT, way, str(directory), *more)
    return result.returncode, (directory / "log").read_bytes()


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
def grown(controls, users) -> dict[str, Path]:
    """Logs that a rule lets be appended to, and what is done to them before there is an engine."""
    for base in (_BASE, users):
        for name in ("grown", "free"):
            _grow(base / name)
    for name in ("merged-upper", "seen"):
        _grow(_BASE / name)
    for name in ("merged", "merged-work", "merged-lower"):
        (_BASE / name).mkdir()
    names = ("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")
    options = ",".join(f"{name}={_BASE}/merged-{part}" for name, part in names)
    subprocess.run(["mount", "-t", "overlay", "-o", options, "none", _BASE / "merged"], check=True)
    return {"shown": _BASE, "shown_to_user": users}


@pytest.fixture(scope="module")
def grown_controls(grown) -> dict[tuple[str, str], tuple[int, bytes]]:
    found = {}
    for deed in ("append", *_DEEDS):
        for way, base in grown.items():
            found[way, deed] = _written(way, base / "grown", deed)
            (base / "grown/log").write_bytes(_SECRET)
        found["host", deed] = _written("directly", _BASE / "merged", deed)
    (_BASE / "merged/log").write_bytes(_SECRET)
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
def daemon(controls, users, grown_controls, tmp_path_factory) -> Iterator[Engine]:
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


# ---- Append only ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["shown", "shown_to_user"])
@pytest.mark.parametrize("deed", _DEEDS)
def test_what_may_be_appended_to_is_not_overwritten_as_a_layer(
    way, deed, grown, grown_controls, daemon
):
    """What the overlay's user does to its descriptor is done to the log, whose name only its open is decided by."""
    code, content = grown_controls[way, deed]
    assert (0, len(_SECRET)) == (code, len(content))
    assert content != _SECRET

    before = (grown[way] / "grown/log").read_bytes()
    assert (_ERROR, before) == _tried(way, grown[way] / "grown", deed)


@pytest.mark.parametrize("way", ["shown", "shown_to_user"])
@pytest.mark.parametrize("deed", ["append", *_DEEDS])
def test_layers_that_no_rule_names_are_written_in_every_way(
    way, deed, grown, grown_controls, daemon
):
    """Beside it an overlay changes its log as before."""
    assert grown_controls[way, deed] == _written(way, grown[way] / "free", deed)


def test_log_itself_is_appended_to(grown, daemon):
    """Without an overlay that permission holds, and no more."""
    grew = (_BASE / "grown/log").read_bytes() + b"added"

    assert (0, grew) == _tried("directly", _BASE / "grown", "append")
    assert (_ERROR, grew) == _tried("directly", _BASE / "grown", "map")


@pytest.mark.parametrize("who", _KEPT_SHOWN)
def test_overlay_that_a_rule_names_is_appended_to(who, grown_controls, daemon):
    """The rule is on the overlay's name, on the host or in a container: its layer has another."""
    more = () if who == "host" else (str(_BASE / _KEPT_SHOWN[who]),)
    way = "directly" if who == "host" else "bound"
    before = (_BASE / "merged/log").read_bytes()

    tried = {deed: _tried(way, _BASE / "merged", *more, deed) for deed in ("append", *_DEEDS)}

    assert (0, _SECRET + b"added") == grown_controls["host", "append"]
    assert {
        "append": (0, before + b"added"),
        **dict.fromkeys(_DEEDS, (_ERROR, before + b"added")),
    } == tried
