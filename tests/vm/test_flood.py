# SPDX-License-Identifier: MIT
"""Many records at once from a real kernel: the fast lane, full disks, rotation, and denials among them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from amount import number
from daemon import managed, until

from enforcer.events.schema import schema

ROOT = Path("/opt/enforcer-flood")
VAULT = ROOT / "vault"
TINY = ROOT / "tiny"
POLICY = f"""\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {{name: vault}}
spec:
  rules:
    - {{name: kept, file: write, match: {{path: {VAULT}/kept}}, action: deny, severity: high}}
    - {{name: seen, file: read, match: {{path: {VAULT}/**}}, action: log}}
"""
READS = number(6000, 3000)
EVERY = 20  # reads for each attempt to write
# Half of it waits until a file has been rotated, however few processors there are for that.
FLOOD = f"""\
import os, time
for n in range({READS}):
    while n == {READS // 2} and not os.path.exists("{ROOT}/rotated"):
        time.sleep(0.01)
    os.close(os.open(f"{VAULT}/{{n % 50}}", os.O_RDONLY))
    if n % {EVERY} == 0:
        try:
            os.open("{VAULT}/kept", os.O_WRONLY)
        except PermissionError:
            continue
        raise SystemExit("it was opened")
"""
SOME = 100
STRICT = jsonschema.Draft202012Validator(schema(is_strict=True))


@pytest.fixture
def daemon(tmp_path):
    """A daemon with a second log, on a disk with little room."""
    shutil.rmtree(ROOT, ignore_errors=True)
    VAULT.mkdir(parents=True)
    TINY.mkdir()
    for name in (*map(str, range(50)), "kept"):
        (VAULT / name).write_text(name)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tiny", TINY], check=True)
    (TINY / "ballast").write_bytes(b"x" * (900 << 10))
    (tmp_path / "policy.yaml").write_text(POLICY)
    config = tmp_path / "enforcer.yaml"
    config.write_text(f"outputs:\n  - {{type: file, path: {TINY}/log, queue: 64 KiB}}\n")
    config.chmod(0o600)
    with managed(tmp_path, tmp_path / "policy.yaml") as made:
        made.start("--config", str(config))
        yield made
        made.stop()
    subprocess.run(["umount", "-l", TINY], check=True)
    shutil.rmtree(ROOT)


def lines(file: Path) -> list[bytes]:
    """Without the last one if it is being written."""
    content = file.read_bytes()
    return content[: content.rfind(b"\n") + 1].splitlines()


def documents(*files: Path) -> list[dict]:
    return [json.loads(line) for file in files for line in lines(file)]


def check(found: list[dict]) -> None:
    """Some of them: each takes an emulated processor a tenth of a second."""
    for each in found[:: max(1, len(found) // SOME)]:
        STRICT.validate(each)


def of(found: list[dict], pid: int, rule: str) -> list[dict]:
    return [
        each
        for each in found
        if each["kind"] == "match" and each["process"]["pid"] == pid and each["rule"] == rule
    ]


def times(found: list[dict]) -> int:
    """How many operations the records tell of."""
    return len(found) + sum(each.get("repeats", {"count": 0})["count"] for each in found)


def dropped(daemon) -> dict[bool, int]:
    """How many records outputs have dropped: the one on the small disk, and the others."""
    count = {True: 0, False: 0}
    for sink in daemon.status()["sinks"]:
        count[sink["name"].endswith(f"{TINY}/log")] += sink["dropped"]
    return count


def test_a_flood_costs_no_denial_no_line_and_no_other_output(daemon):
    """Every denial is told; so is what the ring had no room for, by its number; files are rotated meanwhile."""
    rotated = []
    with subprocess.Popen([sys.executable, "-c", FLOOD]) as flood:
        while flood.poll() is None:
            until(daemon.log.exists, pause=0.25)  # the daemon has obeyed the last signal
            if rotated:
                (ROOT / "rotated").touch()
            old = daemon.log.with_name(f"events.{len(rotated):03}")
            daemon.log.rename(old)
            rotated.append(old)
            os.kill(daemon.pid, signal.SIGUSR1)
    assert flood.returncode == 0
    until(daemon.log.exists)

    def settled():
        status = daemon.status()
        lost = status["records"]["lostActivity"]
        found = documents(*rotated, daemon.log)
        told = sum(each["activity"] for each in found if each["kind"] == "lost")
        seen = of(found, flood.pid, "seen")
        return status if times(seen) + lost >= READS and told == lost else None

    status = until(settled)
    found = documents(*rotated, daemon.log)
    check(found)
    seen = of(found, flood.pid, "seen")
    assert len(rotated) > 1
    assert times(of(found, flood.pid, "kept")) == len(range(0, READS, EVERY))
    assert status["records"]["lostDecisions"] == 0
    assert times(seen) + status["records"]["lostActivity"] == READS
    assert len({each["id"] for each in seen}) == len(seen)
    paths = {f"{VAULT}/{n}" for n in range(50)}
    assert {each["object"]["path"] for each in seen} == paths
    # How many depends on how many the ring had room for; that none is missing is shown below.
    until(lambda: dropped(daemon)[True])
    assert dropped(daemon)[False] == 0
    (TINY / "ballast").unlink()

    wanted = len([each for each in found if each["kind"] == "match"])

    def told():
        kept = documents(TINY / "log")
        dropped = sum(each["dropped"] for each in kept if each["kind"] == "lost")
        matches = [each for each in kept if each["kind"] == "match"]
        return matches if len(matches) + dropped >= wanted and dropped else None

    matches = until(told)
    assert len({each["id"] for each in matches}) == len(matches)
    check(documents(TINY / "log"))
