# SPDX-License-Identifier: MIT
"""
No rule is evaded by the name that a file in an encrypted directory has while the key is absent.

ext4 with encrypted directories, on a disk of its own. Each attempt is made without an engine, where it works, and
with one.
"""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attempter
import encryption_attempts
import pytest
from engine import Engine, running

_SCRIPT = encryption_attempts.__file__
_BASE = Path("/srv/encryption")
_ERROR = errno.EDOM
_SECRET, _OTHER = b"the secret", b"something else"
_POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: encryption}}
spec:
  rules:
  - name: kept
    file: [unlink, chmod, setxattr]
    match: {{path: {_BASE}/home/secret}}
    action: {{deny: {{errno: EDOM}}}}
  - name: below
    file: read
    match: {{path: {_BASE}/home/tree/secret}}
    action: {{deny: {{errno: EDOM}}}}
  - name: mounted
    file: read
    match: {{path: {_BASE}/mounted/tree/secret}}
    action: {{deny: {{errno: EDOM}}}}
  - name: whole
    file: unlink
    match: {{path: {_BASE}/whole/**}}
    action: {{deny: {{errno: EDOM}}}}
"""
_FOLDERS = ("control", "home", "whole", "free", "mounted", "unruled")
_FILES = {"secret": _SECRET, "other": _OTHER, "tree/secret": _SECRET, "tree/other": _OTHER}
_FEATURE = Path("/sys/fs/ext4/features/encryption")


def _try(way: str, *arguments: str) -> tuple[int, bytes]:
    result = attempter.make(_SCRIPT, way, *arguments)
    return result.returncode, result.stdout


@pytest.fixture(scope="module")
def numbers(tmp_path_factory) -> dict[str, str]:
    """The inode numbers of files and directories, by their names with a key; it is not there any more."""
    if not _FEATURE.exists():
        pytest.skip("this kernel encrypts no directories")
    subprocess.run(["modprobe", "-q", "loop"], check=False)
    _BASE.mkdir(parents=True)
    image = tmp_path_factory.mktemp("images") / "disk"
    with image.open("wb") as file:
        file.truncate(48 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-O", "encrypt", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, _BASE], check=True)
    key = encryption_attempts.add_key(str(_BASE))
    found = {}
    for folder in _FOLDERS:
        (_BASE / folder).mkdir()
        encryption_attempts.encrypt(str(_BASE / folder), key)
        (_BASE / folder / "tree").mkdir()
        for name, text in _FILES.items():
            (_BASE / folder / name).write_bytes(text)
        for name in (*_FILES, "tree"):
            found[f"{folder}/{name}"] = str((_BASE / folder / name).stat().st_ino)
    encryption_attempts.remove_key(str(_BASE), key)
    assert not (_BASE / "home/secret").exists()
    return found


def _entries(folder: str) -> set[str]:
    with os.scandir(_BASE / folder) as entries:
        return {str(entry.inode()) for entry in entries}


def _mode(folder: str, number: str) -> int:
    with os.scandir(_BASE / folder) as entries:
        return next(e.stat().st_mode & 0o777 for e in entries if str(e.inode()) == number)


def _read_below(folder: str, numbers: dict[str, str], name: str) -> tuple[int, bytes]:
    where = (str(_BASE), str(_BASE / folder), numbers[f"{folder}/tree"])
    return _try("read_below", *where, name)


@pytest.fixture(scope="module")
def controls(numbers) -> dict[str, tuple[int, bytes]]:
    """What the attempts do before there is an engine."""
    folder, secret = str(_BASE / "control"), numbers["control/secret"]
    found = {
        "change_mode": _try("change_mode", folder, secret),
        "set_attribute": _try("set_attribute", folder, secret),
        "list_entries": _try("list_entries", folder, numbers["control/tree"]),
        "read_below": _read_below("control", numbers, "secret"),
    }
    assert 0o777 == _mode("control", secret)
    found["remove"] = _try("remove", folder, secret)
    assert secret not in _entries("control")
    return found


@pytest.fixture(scope="module")
def mounts(numbers) -> dict[str, Path]:
    """File systems on directories that have their names without a key: a file in each."""
    found = {}
    for folder in ("mounted", "unruled"):
        with os.scandir(_BASE / folder) as entries:
            point = next(e.path for e in entries if str(e.inode()) == numbers[f"{folder}/tree"])
        subprocess.run(["mount", "-t", "tmpfs", "none", point], check=True)
        found[folder] = Path(point) / "secret"
        found[folder].write_bytes(_SECRET)
    return found


@pytest.fixture(scope="module")
def daemon(controls, mounts, tmp_path_factory) -> Iterator[Engine]:
    with running(_POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.mark.parametrize("way", ["change_mode", "set_attribute", "remove"])
def test_a_name_without_a_key_changes_nothing(controls, daemon, numbers, way) -> None:
    """Which file it is cannot be told: the rule's onError decides."""
    assert (0, b"") == controls[way]
    secret = numbers["home/secret"]

    assert (_ERROR, b"") == _try(way, str(_BASE / "home"), secret)

    assert secret in _entries("home")
    assert 0o777 != _mode("home", secret)


def test_its_record_says_so(daemon, numbers) -> None:
    """With the place from which on nothing is known."""
    assert _ERROR == _try("remove", str(_BASE / "home"), numbers["home/other"])[0]

    record = daemon.wait_for(lambda e: e.get("rule") == "kept" and e["operation"] == "unlink")
    assert record["onError"]
    assert f"other {len(str(_BASE / 'home'))}" == record["object"]["folded"]


def test_a_directory_that_was_opened_without_a_key_reads_nothing_with_it(
    controls, daemon, numbers
) -> None:
    """The directory keeps the name by which it was opened, and what is below has its own."""
    assert (0, _SECRET) == controls["read_below"]

    assert (_ERROR, b"") == _read_below("home", numbers, "secret")
    assert (0, _OTHER) == _read_below("free", numbers, "other")


def test_what_is_mounted_on_such_a_name_has_no_other(mounts, daemon) -> None:
    """It lies at a place that a rule may be about."""
    with pytest.raises(OSError, match=str(_ERROR)):
        mounts["mounted"].read_bytes()
    assert _SECRET == mounts["unruled"].read_bytes()
    record = daemon.wait_for(lambda event: event.get("rule") == "mounted")
    assert record["onError"]


def test_a_rule_on_the_whole_directory_holds(daemon, numbers) -> None:
    """By any name, and nothing about it is in doubt."""
    secret = numbers["whole/secret"]

    assert (_ERROR, b"") == _try("remove", str(_BASE / "whole"), secret)

    assert secret in _entries("whole")
    record = daemon.wait_for(lambda event: event.get("rule") == "whole")
    assert not record["onError"]


def test_where_no_rule_leads_names_without_a_key_go_on(controls, daemon, numbers) -> None:
    """In another encrypted directory of the same file system."""
    assert (0, b"2") == controls["list_entries"]
    assert numbers["home/tree"] in _entries("home")

    assert (0, b"2") == _try("list_entries", str(_BASE / "free"), numbers["free/tree"])
    assert (0, b"") == _try("change_mode", str(_BASE / "free"), numbers["free/secret"])
    assert (0, b"") == _try("remove", str(_BASE / "free"), numbers["free/secret"])
    assert numbers["free/secret"] not in _entries("free")


def test_with_the_key_names_are_what_rules_say(daemon, numbers) -> None:
    """The same directory refuses what the rule names, and nothing else."""
    place = str(_BASE)

    assert (_ERROR, b"") == _try("remove_with_key", place, f"{_BASE}/home/secret")
    assert (_ERROR, b"") == _try("read_with_key", place, f"{_BASE}/home/tree/secret")
    assert (0, _OTHER) == _try("read_with_key", place, f"{_BASE}/home/tree/other")
    assert (0, b"") == _try("remove_with_key", place, f"{_BASE}/home/other")
