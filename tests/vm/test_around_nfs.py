# SPDX-License-Identifier: MIT
"""
What the client of a file server does to a file that is removed while somebody has it is no way around.

It gives the file another name for that time. Each removal is tried without an engine, on what a rule names, beside
that, and on a file system of this machine, where what is removed has no name.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nfs_share
import pytest
from daemon import kernel_counts
from engine import Engine, python, running

_SERVED, _MOUNTED, _LOCAL = Path("/srv/served"), Path("/srv/by-nfs"), Path("/srv/beside-nfs")
_STRANGER = 4711
_SECRET = "what nobody may read"
_REMOVALS = {
    "unlink": "os.unlink(name)",
    "replace": "os.close(os.open(place + '/new', os.O_CREAT | os.O_WRONLY)); os.rename(place + '/new', name)",
}
# Prints how the removal ended, and then what can be read by the other name.
_ATTEMPT = """
place, name = sys.argv[1:]
try:
    {removal}
    print(0)
except OSError as error:
    print(error.errno)
for other in os.listdir(place):
    if other.startswith(".nfs"):
        print(open(place + "/" + other).read())
"""
_POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: served}}
spec:
  rules:
  - name: secret
    file: read
    match: {{path: [{_MOUNTED}/*/secret, {_LOCAL}/*/secret], process: {{uid: {_STRANGER}}}}}
    action: {{deny: {{errno: EDOM}}}}
  - name: kept
    file: read
    match: {{path: {_SERVED}/*/kept}}
    action: kill
"""


def _place(parent: Path, name: str) -> Path:
    """A directory in which everybody may do anything, with two files."""
    place = parent / name
    place.mkdir(parents=True)
    place.chmod(0o777)
    for file in ("secret", "other"):
        (place / file).write_text(_SECRET)
    return place


def _remove(place: Path, file: str, removal: str) -> list[str]:
    """Who may not read it removes *file* while somebody else has it; returns what that one prints."""
    target = place / file
    with target.open(encoding="utf-8"):
        code = _ATTEMPT.format(removal=_REMOVALS[removal])
        done = python(code, str(place), str(target), user=_STRANGER, group=_STRANGER)
    assert 0 == done.returncode, done.stderr.decode()
    return done.stdout.decode().split("\n")[:-1]


def _read_kept(share: Path, name: str) -> tuple[int, str]:
    """A client reads a file that nobody has had before; returns how it ends, and what it prints."""
    place = _place(share, name)
    (_SERVED / name / "kept").write_text(_SECRET)
    done = python("print(open(sys.argv[1]).read(), end='')", str(place / "kept"))
    return done.returncode, done.stdout.decode()


@pytest.fixture(scope="module")
def share() -> Iterator[Path]:
    if not nfs_share.is_there():
        pytest.skip("this kernel has no server and no client of NFS")
    for directory in (_SERVED, _MOUNTED, _LOCAL):
        directory.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "served", _SERVED], check=True)
    with nfs_share.shared(_SERVED, _MOUNTED):
        yield _MOUNTED
    subprocess.run(["umount", _SERVED], check=True)


@pytest.fixture(scope="module")
def control(share: Path) -> dict[str, list[str]]:
    """What comes of it without an engine."""
    return {each: _remove(_place(share, f"free-{each}"), "secret", each) for each in _REMOVALS}


@pytest.fixture(scope="module")
def read_freely(share: Path) -> tuple[int, str]:
    """How a read of what the server keeps ends without an engine."""
    return _read_kept(share, "free-kept")


@pytest.fixture(scope="module")
def engine(
    control: dict[str, list[str]],
    read_freely: tuple[int, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Engine]:
    with running(_POLICY, tmp_path_factory.mktemp("nfs")) as it:
        yield it


@pytest.mark.parametrize("removal", _REMOVALS)
def test_the_other_name_has_what_the_rule_keeps(
    removal: str, control: dict[str, list[str]]
) -> None:
    assert ["0", _SECRET] == control[removal]


@pytest.mark.parametrize("removal", _REMOVALS)
def test_there_is_no_other_name(removal: str, share: Path, engine: Engine) -> None:
    """The file stays where the rule names it."""
    place = _place(share, removal)
    refused = python("open(sys.argv[1])", str(place / "secret"), user=_STRANGER, group=_STRANGER)

    said = _remove(place, "secret", removal)

    assert 1 == refused.returncode
    assert [str(errno.EDOM)] == said
    assert _SECRET == (place / "secret").read_text()
    engine.wait_for(lambda e: e.get("rule") == "secret" and e["guard"])


@pytest.mark.parametrize("removal", _REMOVALS)
def test_what_no_rule_names_is_removed(removal: str, share: Path, engine: Engine) -> None:
    place = _place(share, f"other-{removal}")

    assert ["0", _SECRET] == _remove(place, "other", removal)


@pytest.mark.parametrize("removal", _REMOVALS)
def test_what_has_no_name_then_is_removed(removal: str, engine: Engine) -> None:
    """By whom the rule does not let read it: that is another operation."""
    place = _place(_LOCAL, removal)

    assert ["0"] == _remove(place, "secret", removal)


def test_who_may_read_it_removes_it(share: Path, engine: Engine) -> None:
    place = _place(share, "by-others")

    (place / "secret").unlink()

    assert ["other"] == [each.name for each in place.iterdir()]


def test_the_server_s_thread_cannot_be_killed(
    share: Path, read_freely: tuple[int, str], engine: Engine
) -> None:
    """What the client asks for is refused all the same; the record and a counter say that the signal came to nothing."""
    before = kernel_counts()

    read = _read_kept(share, "kept")

    assert (0, _SECRET) == read_freely
    assert (1, "") == read
    assert kernel_counts()["signal_failed"] > before["signal_failed"]
    told = engine.wait_for(lambda e: e.get("rule") == "kept")
    assert (told["action"], told["signalFailed"], told["prevented"]) == ("kill", True, True)
    assert _SECRET == (share / "kept" / "other").read_text()
