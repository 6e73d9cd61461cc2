# SPDX-License-Identifier: MIT
"""
One engine in a machine for all files of tests that want no more of it than their policies.

A start verifies every program, and an end takes them out again, which an emulated machine does for ten
seconds and more. These files bring their policies by a reload, which loads what is new, and another one takes
them away. That the engine has had policies of others is one more thing that must not matter.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import warm
from lab.plan import ONE_ENGINE
from patience import scaled

from enforcer import places
from enforcer.errors import ControlError
from enforcer.runtime.control.protocol import RELOAD, Client

__all__ = ["close", "lease", "wanted_by"]

_PLACE = Path("/opt/enforcer-test-shared")
_POLICIES = _PLACE / "policies"
_LOG = _PLACE / "events.json"
_OUTPUT = _PLACE / "output"
_LIMIT = 600.0
# An engine has one policy at least.
_IDLE = """\
apiVersion: enforcer/v1
kind: EnforcerPolicy
metadata: {name: idle}
spec:
  rules:
    - name: nothing
      file: unlink
      match: {path: /opt/enforcer-test-shared/none}
      action: deny
      guard: false
"""


Started = warm.Process | subprocess.Popen[bytes]
Begin = Callable[[Sequence[str], Path], Started]


@attrs.define
class _Shared:
    """The engine, if one runs, and whether the file of the test that runs may have it."""

    process: Started | None = None
    may_be_had: bool = False


_shared = _Shared()


def wanted_by(file: str) -> None:
    """Say of which *file* the next test is; whoever is not of :data:`lab.plan.ONE_ENGINE` finds no engine."""
    _shared.may_be_had = file in ONE_ENGINE
    if not _shared.may_be_had:
        close()


def close() -> None:
    """End the engine, if there is one."""
    process, _shared.process = _shared.process, None
    if process is None:
        return
    process.send_signal(signal.SIGTERM)
    code = process.wait(scaled(120))
    assert code == 0, _OUTPUT.read_text()


@contextlib.contextmanager
def lease(begin: Begin, paths: Sequence[str]) -> Iterator[tuple[Started, Path] | None]:
    """
    Make the policies of *paths* the engine's until the block ends.

    Args:
        begin: runs ``enforcer`` with these arguments, and what it prints into this file, until it is active.
        paths: of policies.

    Yields:
        The engine's process and its log, which has nothing of earlier policies; None where the test that
        runs must have an engine of its own.
    """
    if not _shared.may_be_had:
        yield None
        return
    if _shared.process is None:
        _shared.process = _start(begin)
    process = _shared.process
    try:
        _take(paths)
        _new_log(process)
        yield process, _LOG
    except BaseException:
        close()  # whatever is wrong with it is nobody else's
        raise
    try:
        _take([])
    except ControlError:  # what some policies forbid to everybody a reload needs: ending takes less
        close()


def _start(begin: Begin) -> Started:
    shutil.rmtree(_PLACE, ignore_errors=True)
    _POLICIES.mkdir(parents=True)
    _fill([])
    argv = ("start", str(_POLICIES), "--no-watch", "--json-log", str(_LOG))
    return begin(argv, _OUTPUT)


def _fill(paths: Sequence[str]) -> None:
    for path in _POLICIES.iterdir():
        path.unlink()
    for path in map(Path, paths):
        shutil.copy(path, _POLICIES / path.name)
    if not paths:
        (_POLICIES / "idle.yaml").write_text(_IDLE)


def _take(paths: Sequence[str]) -> None:
    _fill(paths)
    with Client.connect(places.SOCKET, timeout=scaled(_LIMIT)) as client:
        client.ask(RELOAD)


def _new_log(process: Started) -> None:
    _LOG.rename(_LOG.with_suffix(".before"))
    process.send_signal(signal.SIGUSR1)
    until = time.monotonic() + scaled(_LIMIT)
    while not _LOG.exists():
        assert time.monotonic() < until, _OUTPUT.read_text()
        time.sleep(0.05)
