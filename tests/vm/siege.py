# SPDX-License-Identifier: MIT
"""What the tests of self-protection need: a daemon to attack, ways to attack, and bystanders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import compiled
from engine import START_LIMIT, attempt
from patience import scaled
from protected_daemon import KEY
from record_log import RecordLog

from enforcer.kernel.verifier import Answer, ask, release

__all__ = [
    "BPFFS",
    "CGROUPS",
    "PINS",
    "VAULT",
    "Daemon",
    "assail",
    "by_manager",
    "bystander",
    "daemon",
    "enforces",
    "forget_pins",
    "load",
    "with_patience",
]

_HERE = Path(__file__).parent
BPFFS = Path("/sys/fs/bpf")
PINS = BPFFS / "enforcer"
CGROUPS = Path("/sys/fs/cgroup")
VAULT = Path("/srv/vault/secret")
_POLICY = """
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: vault}
spec:
  rules:
    - file: read
      match: {path: /srv/vault/**}
      action: deny
"""


@attrs.define
class Daemon:
    """A daemon of ``protected_daemon.py`` with what it said of itself."""

    process: subprocess.Popen[bytes]
    log: Path
    facts: dict[str, Any]
    seen: int = 0
    _log: RecordLog = attrs.field(
        default=attrs.Factory(lambda self: RecordLog(self.log), takes_self=True), init=False
    )

    @property
    def pid(self) -> int:
        return int(self.facts["pid"])

    def lines(self) -> list[str]:
        """What it has printed."""
        return (self.log.parent / "output").read_text().splitlines()

    def records(self) -> list[dict[str, Any]]:
        """Every record so far."""
        return self._log.records()

    def refusals(self, kind: str, limit: float = 20.0) -> list[dict[str, Any]]:
        """Wait for new refusals of *kind*, and return them."""
        until = time.monotonic() + scaled(limit)
        while time.monotonic() < until:
            fresh = self.records()[self.seen :]
            found = [r for r in fresh if r.get("operation") == kind]
            if found:
                self.seen += len(fresh)
                return found
            time.sleep(0.1)
        raise AssertionError(f"no refusal of {kind}: {self.records()[self.seen :]}")

    def is_well(self) -> bool:
        """Whether it runs: it is there, and neither stopped nor traced."""
        if self.process.poll() is not None:
            return False
        status = Path(f"/proc/{self.pid}/status").read_text()
        return "\nState:\tT" not in status and "\nState:\tt" not in status


def enforces() -> bool:
    """Whether the policy is active."""
    result = attempt("cat", str(VAULT))
    return result.returncode != 0 and b"not permitted" in result.stderr


@contextmanager
def daemon(directory: Path, mode: str, cgroup: str) -> Iterator[Daemon]:
    """Run a daemon in a cgroup of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    policy, log, output = directory / "p.yaml", directory / "log", directory / "output"
    policy.write_text(_POLICY)
    log.touch()
    place = CGROUPS / cgroup
    place.mkdir(parents=True, exist_ok=True)
    VAULT.parent.mkdir(parents=True, exist_ok=True)
    VAULT.write_text("secret")
    if not os.path.ismount(BPFFS):
        subprocess.run(["mount", "-t", "bpf", "bpf", BPFFS], check=True)
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, _HERE / "protected_daemon.py", policy, log, PINS, mode],
            stdout=sink,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: (place / "cgroup.procs").write_text("0"),  # noqa: PLW1509
        )
    try:
        until = time.monotonic() + scaled(START_LIMIT)
        while not output.read_text().endswith("\n") or '"pid"' not in output.read_text():
            assert process.poll() is None, output.read_text()
            assert time.monotonic() < until, output.read_text()
            time.sleep(0.2)
        yield Daemon(process, log, json.loads(output.read_text()))
    finally:
        if process.poll() is None:
            by_manager(process.pid, signal.SIGKILL)
            process.wait(scaled(60))
        if '"child"' in output.read_text():
            by_manager(json.loads(output.read_text().splitlines()[0])["child"], signal.SIGKILL)
        forget_pins()
        with_patience(place.rmdir)


def forget_pins() -> None:
    """Remove the pins of a daemon that is gone, and nothing that lies over them."""
    if ask() is Answer.LOCKED:
        assert release(KEY) is Answer.OPEN
    if PINS.exists():
        subprocess.run(["find", PINS, "-xdev", "-depth", "-delete"], check=True)


def with_patience(deed: Any) -> None:
    """Do what the kernel allows a little later."""
    until = time.monotonic() + scaled(5)
    while time.monotonic() < until:
        try:
            return deed()
        except OSError:
            time.sleep(0.1)
    return deed()


_ASSAIL = Path("/tmp/assail")


def assail(*argv: object) -> int:
    """Make one of the attacks of ``assail.c``; returns 0 or its errno."""
    if not _ASSAIL.exists():
        compiled.place("assail", _ASSAIL)
    return attempt(str(_ASSAIL), *map(str, argv)).returncode


def by_manager(pid: int, number: int) -> int:
    """Let the first process of the machine send a signal."""
    return assail("by-manager", pid, int(number))


def load(what: str, directory: Path) -> subprocess.CompletedProcess[bytes]:
    """Take one of the programs of ``assail.bpf.c``, load it, and forget it again."""
    product = directory / f"{what}.bpf.o"
    compiled.place(f"assail-{what}", product)
    name = BPFFS / f"other-{what.lower()}"
    result = attempt("bpftool", "prog", "load", str(product), str(name))
    if name.exists():
        name.unlink()
    return result


@contextmanager
def bystander(cgroup: str) -> Iterator[int]:
    """Run a process that nobody protects, in a cgroup of its own."""
    place = CGROUPS / cgroup
    place.mkdir(exist_ok=True)
    process = subprocess.Popen(
        ["sleep", "1000"],
        preexec_fn=lambda: (place / "cgroup.procs").write_text("0"),  # noqa: PLW1509
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        with_patience(place.rmdir)
