# SPDX-License-Identifier: MIT
"""
No rule on a file is evaded by having the kernel keep quotas in it, which reads and writes it without an open.

ext4 with quotas in files, on a disk of its own. Each attempt is made without an engine, where it works, and with one.
"""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attempter
import pytest
import quota_attempts
from engine import Engine, running

_SCRIPT = quota_attempts.__file__
_BASE = Path("/srv/quota")
_ERROR = errno.EDOM
_CONTENT = b"0123456789abcdef" * 10
_WORDS = _CONTENT[52:60]  # limits of inodes in the second record
_WAYS = ("read", "write")
_RULES = ("read", "write", "setattr")
_POLICY = (
    "apiVersion: enforcer/v1\nkind: EnforcerPolicy\nmetadata: {name: quota}\nspec:\n  rules:\n"
    + "".join(
        f"  - name: {rule}\n    file: {rule}\n    match: {{path: {_BASE}/{rule}/file}}\n"
        "    action: {deny: {errno: EDOM}}\n"
        for rule in _RULES
    )
)


def _try(way: str, device: str, path: Path) -> tuple[int, bytes]:
    result = attempter.make(_SCRIPT, way, device, str(path))
    return result.returncode, result.stdout


@pytest.fixture(scope="module")
def device(tmp_path_factory) -> str:
    """A disk with a file for each rule, and others."""
    if not Path("/proc/sys/fs/quota").exists():
        pytest.skip("this kernel has no quotas")
    for module in ("loop", "quota_v1"):
        subprocess.run(["modprobe", "-q", module], check=False)
    _BASE.mkdir(parents=True)
    image = tmp_path_factory.mktemp("images") / "disk"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^quota", image], check=True)
    subprocess.run(["mount", "-o", "loop,usrquota", image, _BASE], check=True)
    for name in ("control", "free", *_RULES):
        (_BASE / name).mkdir()
        (_BASE / name / "file").write_bytes(_CONTENT)
    found = subprocess.check_output(["findmnt", "-no", "SOURCE", str(_BASE)], text=True)
    return found.strip()


@pytest.fixture(scope="module")
def controls(device) -> dict[str, tuple[int, bytes]]:
    """What the attempts do before there is an engine."""
    return {way: _try(way, device, _BASE / "control/file") for way in _WAYS}


@pytest.fixture(scope="module")
def daemon(controls, tmp_path_factory) -> Iterator[Engine]:
    with running(_POLICY, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def test_quotas_read_and_write_a_file_without_a_policy(controls) -> None:
    """The attempts work: what refuses them is the policy."""
    assert {"read": (0, _WORDS), "write": (0, b"")} == controls
    assert b"changed!" in (_BASE / "control/file").read_bytes()


@pytest.mark.parametrize("rule", _RULES)
@pytest.mark.parametrize("way", _WAYS)
def test_no_quotas_are_kept_in_a_file_of_a_rule(way, rule, device, daemon) -> None:
    """Whichever of its uses the rule refuses."""
    file = _BASE / rule / "file"

    assert (_ERROR, b"") == _try(way, device, file)

    if rule != "read":
        assert _CONTENT == file.read_bytes()
    record = daemon.wait_for(lambda event: event.get("rule") == rule)
    assert (f"{file}", True) == (record["object"]["path"], record["prevented"])


@pytest.mark.parametrize("way", _WAYS)
def test_quotas_in_other_files_go_on(way, device, daemon) -> None:
    """On the same file system."""
    assert (0, _WORDS if way == "read" else b"") == _try(way, device, _BASE / "free/file")
    (_BASE / "free/file").write_bytes(_CONTENT)
