# SPDX-License-Identifier: MIT
"""A file system whose server truncates a file as it opens it, before the kernel asks whether it may."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fuse_server
import pytest
from engine import Engine, running

ROOT = Path("/opt/enforcer-test-fuse")
PLACE, LOG = ROOT / "mounted", ROOT / "log"
CONTENT = fuse_server.CONTENT.decode()
NAMES = ("control", "kept", "logged", "free")

POLICY = f"""
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: truncation}}
spec:
  rules:
    - {{name: kept, file: truncate, match: {{path: {PLACE}/kept}}, action: {{deny: {{errno: EDOM}}}}}}
    - {{name: logged, file: truncate, match: {{path: {PLACE}/logged}}, action: log}}
"""


@pytest.fixture(scope="module")
def served() -> Iterator[None]:
    """The file system is mounted."""
    subprocess.run(["modprobe", "-q", "fuse"], check=False)
    if not Path("/dev/fuse").exists():
        pytest.skip("this kernel has no FUSE")
    PLACE.mkdir(parents=True)
    argv = [sys.executable, fuse_server.__file__, PLACE, LOG, *NAMES]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert b"ready\n" == server.stdout.readline()
        yield
        subprocess.run(["umount", PLACE], check=True)
    shutil.rmtree(ROOT)


@pytest.fixture(scope="module")
def control(served: None) -> tuple[int, str]:
    """What becomes of a file while there is no policy."""
    return truncated("control")


@pytest.fixture(scope="module")
def engine(control: tuple[int, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running(POLICY, tmp_path_factory.mktemp("fuse")) as it:
        yield it


def truncated(name: str) -> tuple[int, str]:
    """Open a file with O_TRUNC; return the errno, and what the file has then."""
    error = 0
    try:
        os.close(os.open(PLACE / name, os.O_WRONLY | os.O_TRUNC))
    except OSError as caught:
        error = caught.errno or -1
    return error, (PLACE / name).read_text()


def opened(name: str) -> list[str]:
    """Return how the server was asked to open a file, each time."""
    lines = (line.split() for line in LOG.read_text().splitlines())
    return [" ".join(how) for which, *how in lines if which == name]


def test_the_server_truncates_as_it_opens(control) -> None:
    assert (0, "") == control
    assert ["truncated", ""] == opened("control")


def test_what_may_not_be_truncated_keeps_its_content(engine) -> None:
    """The server is not even asked to."""
    assert (errno.EDOM, CONTENT) == truncated("kept")
    assert [""] == opened("kept")

    os.close(os.open(PLACE / "kept", os.O_WRONLY))
    assert ["", ""] == opened("kept")


def test_others_are_truncated(engine) -> None:
    assert (0, "") == truncated("free")
    assert (0, "") == truncated("logged")
    record = engine.wait_for(lambda e: e.get("rule") == "logged")
    assert str(PLACE / "logged") == record["object"]["path"]
